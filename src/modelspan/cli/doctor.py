"""`modelspan doctor`: why does nothing arrive, and what to do."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from modelspan.doctor import Check

EPILOG = """[bold]Examples[/bold]

modelspan doctor                                     what the environment says

modelspan doctor --endpoint http://collector:4318    another address

modelspan doctor --json                              for a script; status 1 when something failed
"""
_MARK = {"ok": "[green]✔[/green]", "note": "[yellow]•[/yellow]", "failed": "[red]✖[/red]"}


def doctor(
    endpoint: Annotated[
        str, typer.Option(help="OTLP address to examine, in place of the environment's.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check versions, settings, clock and agents; send one record of each signal and say what came back."""
    from modelspan.doctor import examine

    # The exporters retry until their timeout, 10 s each; somebody is waiting at the terminal here.
    os.environ.setdefault("OTEL_EXPORTER_OTLP_TIMEOUT", "3")
    checks = list(examine(os.environ, endpoint=endpoint))
    if as_json:
        print(json.dumps([dataclasses.asdict(check) for check in checks], indent=2))
    else:
        _show(checks)
    raise typer.Exit(int(any(check.state == "failed" for check in checks)))


def _show(checks: list[Check]) -> None:
    table = Table(show_header=False, box=None, padding=(0, 1))
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        todo = f"\n→ {check.todo}" if check.todo else ""
        table.add_row(_MARK[check.state], check.name, f"{check.found}{todo}".replace("[", r"\["))
    console = Console()
    console.print(table, highlight=False)
    failed = sum(check.state == "failed" for check in checks)
    console.print("Everything is fine." if not failed else f"{failed} to repair, each with what to do (→).")

"""`modelspan dashboards`: dashboards, rules and alerts as files, for Grafana, Prometheus and Kibana."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from modelspan.errors import ConfigError

EPILOG = """[bold]Examples[/bold]

modelspan dashboards --out monitoring

modelspan dashboards --out monitoring --reference credit.reference.json

modelspan dashboards --out monitoring --only prometheus --window 30m --window 1d

modelspan dashboards --out monitoring --check        status 1 when a file is out of date
"""


def dashboards(
    out: Annotated[Path, typer.Option(help="Folder to fill.", show_default=False)],
    reference: Annotated[
        list[Path] | None, typer.Option(help="A model's reference: panels name its features. Repeatable.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="One product only, such as grafana.")] = None,
    window: Annotated[
        list[str] | None, typer.Option(help="Span of the fleet's drift; 1h and 1d by default. Repeatable.")
    ] = None,
    step: Annotated[str, typer.Option(help="How often the fleet's counts are added up.")] = "1m",
    latency: Annotated[float, typer.Option(help="Seconds within which 99 % of the calls should end.")] = 0.25,
    grafana: Annotated[str, typer.Option(help="Grafana's address, for links.")] = "http://127.0.0.1:3000",
    check: Annotated[bool, typer.Option("--check", help="Write nothing; say which files differ.")] = False,
) -> None:
    """Write dashboards, recording rules and alerts; what lies in the folder otherwise stays."""
    settings: dict[str, Any] = {"step": step, "latency_seconds": latency, "grafana": grafana.rstrip("/")}
    if window:
        settings["windows"] = tuple(window)
    try:
        files = _make(reference or [], only or [], settings)
    except ConfigError as wrong:
        _leave(str(wrong))
    except ImportError as missing:
        _leave(f"{missing.name} is not installed; install it with: pip install 'modelspan[dashboards]'")
    _deliver(files, out, check=check)


def _make(paths: list[Path], only: list[str], settings: dict[str, Any]) -> dict[str, str]:
    from modelspan.dashboards.plan import Plan
    from modelspan.dashboards.write import make
    from modelspan.drift.reference import Reference

    return make(Plan(references=tuple(Reference.load(path) for path in paths), **settings), only)


def _deliver(files: dict[str, str], out: Path, *, check: bool) -> None:
    """Write the files and list them, or say which are out of date."""
    from modelspan.dashboards.write import outdated, write

    if check:
        stale = outdated(files, out)
        for name in stale:
            typer.echo(f"out of date: {out / name}", err=True)
        raise typer.Exit(int(bool(stale)))
    try:
        write(files, out)
    except OSError as unwritable:
        _leave(f"out={str(out)!r} can't be written ({unwritable.strerror}); choose another folder")
    for name in files:
        typer.echo(out / name)


def _leave(message: str) -> NoReturn:
    typer.echo(f"error: {' '.join(message.split())}", err=True)
    raise typer.Exit(2)

"""`modelspan feedback report`: performance of the outcomes in a store, as table, page or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from modelspan.cli.feedback import Data, Url, fail, opened, progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelspan.store.outcomes import OutcomeStore

EPILOG = """[bold]Examples[/bold]

modelspan feedback report --data /var/lib/credit-api

modelspan feedback report --model credit-risk --window 86400 --html performance.html

modelspan feedback report --json performance.json --quantile 0.9

The store is only read; the service may go on.
"""
_LEAST, _MOST = 1.0, 2_592_000.0


def report(
    data: Data = "",
    store: Url = "",
    model: Annotated[str, typer.Option(help="Only this model.")] = "",
    window: Annotated[
        float, typer.Option(help="Seconds of prediction time in a window.", min=_LEAST, max=_MOST)
    ] = 3600.0,
    quantile: Annotated[
        list[float] | None, typer.Option(help="Of a pinball loss; may be repeated.", min=0.001, max=0.999)
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page that needs nothing from outside.")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write all numbers.")] = None,
) -> None:
    """Say how good stored predictions were, with interval, coverage and lag; status 1 if there are none."""
    from modelspan.errors import ConfigError
    from modelspan.store.database import UnavailableError
    from modelspan.store.rows import DamagedError

    try:
        with opened(data, store) as found:
            answers = _answers(found, model, window, tuple(quantile or ()))
        if html:
            html.write_text(_page(answers), encoding="utf-8")
        if json_path:
            json_path.write_text(json.dumps(answers, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except ModuleNotFoundError as error:
        fail(f"modelspan feedback report needs {error.name}: pip install 'modelspan[viewer]'")
    except (ConfigError, UnavailableError, DamagedError, OSError) as error:
        fail(str(error))
    for each in answers:
        _print(each)
    if not answers:
        of_model = f" of {model!r}" if model else ""
        print(f"The store holds no predictions{of_model}.")
        raise typer.Exit(1)


def _answers(
    store: OutcomeStore, model: str, window: float, quantiles: tuple[float, ...]
) -> list[dict[str, Any]]:
    from modelspan.viewer.stored_performance import answer, replay

    totals = store.totals()
    rows = sum(n for name, n in totals.items() if name.startswith(("prediction.pending", "outcome.")))
    with progress(rows, "reading") as bar:
        book = replay(
            store, seconds=window, quantiles=quantiles,
            progress=lambda done: bar.update(bar.task_ids[0], completed=done),
        )  # fmt: skip
    wanted = [each for each in book.subjects() if not each.segment and model in ("", each.model)]
    return [answer(book, each) for each in wanted]


def _page(answers: list[dict[str, Any]]) -> str:
    from modelspan.viewer.performance_page import page

    return page(answers)


def _print(answer: Mapping[str, Any]) -> None:
    from modelspan.viewer.performance_page import title
    from modelspan.viewer.views import text

    console = Console(highlight=False)
    console.print(f"[bold]{escape(title(answer))}[/bold]")
    console.print(
        f"{answer['outcomes']:,} outcomes of {answer['predictions']:,} predictions, coverage "
        f"{text.share(answer['coverage'])}, lag {text.seconds(answer['lag_p50_seconds'])} (p50) "
        f"{text.seconds(answer['lag_p90_seconds'])} (p90)"
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("measure")
    for name in ("value", "95 % from", "to"):
        table.add_column(name, justify="right")
    for name, value in answer["overall"].items():
        if name != "intervals":
            bounds = answer["overall"]["intervals"].get(name, (None, None))
            table.add_row(name, *(text.number(each) for each in (value, *bounds)))
    console.print(table if table.row_count else "Not enough data: no outcome is known yet.")

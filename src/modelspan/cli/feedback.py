"""`modelspan feedback`: outcomes from a file, and what became of those that were told."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping

    from modelspan.store.outcomes import OutcomeStore

app = typer.Typer(
    help="Tell outcomes from a file, and see what became of them.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

IMPORT_EPILOG = """[bold]Examples[/bold]

modelspan feedback import labels.csv --data /var/lib/credit-api

modelspan feedback import labels.parquet --id pred --outcome defaulted --at known_on

modelspan feedback import labels.csv --endpoint http://127.0.0.1:4318     events of those that joined, too

modelspan feedback import loans.csv --key loan_id --outcome defaulted --model credit-risk

A run that was interrupted goes on where it stopped; rows that were told before are duplicates and count once.
"""
STATES_EPILOG = """[bold]Examples[/bold]

modelspan feedback states --data /var/lib/credit-api

modelspan feedback states --check              read every row and compare it with its hash
"""
Data = Annotated[str, typer.Option(help="Folder of the store.", envvar="MODELSPAN_DATA", show_default=False)]
Url = Annotated[
    str,
    typer.Option(help="postgresql://… instead of a folder.", envvar="MODELSPAN_STORE", show_default=False),
]


@app.command("import", epilog=IMPORT_EPILOG)
def import_file(
    file: Annotated[
        Path, typer.Argument(help="A .csv or .parquet file, one outcome a row.", show_default=False)
    ],
    data: Data = "",
    store: Url = "",
    identifier: Annotated[str, typer.Option("--id", help="Column with the prediction id.")] = "prediction_id",
    outcome: Annotated[str, typer.Option(help="Column with the outcome.")] = "outcome",
    row: Annotated[str, typer.Option(help="Column with the position in the batch; else 0.")] = "",
    at: Annotated[str, typer.Option(help="Column with the time at which it became known; else now.")] = "",
    weight: Annotated[str, typer.Option(help="Column with a weight; else 1.")] = "",
    key: Annotated[str, typer.Option(help="Column with the business key, in place of the id.")] = "",
    model: Annotated[str, typer.Option(help="With --key: only predictions of this model.")] = "",
    results: Annotated[
        Path | None, typer.Option(help="File for the state of each row.", show_default="FILE.results.csv")
    ] = None,
    endpoint: Annotated[
        str,
        typer.Option(
            help="OTLP address that gets an event for each outcome that joined.", envvar="MODELSPAN_ENDPOINT"
        ),
    ] = "",
) -> None:
    """Tell the outcomes of a file; status 1 when a row was rejected for another reason than a repetition."""
    from modelspan.cli.feedback_events import announcing
    from modelspan.store.database import UnavailableError
    from modelspan.store.importing import Columns, count_rows, import_outcomes

    columns = Columns(id=identifier, outcome=outcome, row=row, at=at, weight=weight, key=key)
    into = results or file.with_name(f"{file.name}.results.csv")
    try:
        opened = _open(data, store)
        with announcing(endpoint) as announce, progress(count_rows(file)) as bar:
            counts = import_outcomes(
                opened, file, columns, into, model=model, announce=announce or (lambda _: None),
                progress=lambda done: bar.update(bar.task_ids[0], completed=done),
            )  # fmt: skip
        opened.close()
    except (ConfigError, OSError) as error:
        fail(str(error))
    except UnavailableError as error:
        fail(f"the store cannot be written ({error}); the rest is not acknowledged: run it again to go on")
    _print("rows", counts)
    print(f"The state of each row is in {into}.")
    if announce is not None:
        rest = f"; {endpoint} stopped taking them, the outcomes are stored" if announce.failed else ""
        print(f"{announce.sent:,} events were sent{rest}.")
    bad = [name for name in counts if name.startswith("rejected") and not name.endswith("duplicate")]
    raise typer.Exit(int(bool(bad)))


@app.command("states", epilog=STATES_EPILOG)
def show_states(
    data: Data = "",
    store: Url = "",
    check: Annotated[bool, typer.Option("--check", help="Read every row first.")] = False,
) -> None:
    """Print how many predictions and outcomes are in which state."""
    from modelspan.store.database import UnavailableError
    from modelspan.store.rows import DamagedError

    try:
        with opened(data, store) as found:
            if check:
                rows = sum(found.check().values())
                print(f"{rows:,} rows read, each has its hash.")
            _print("count", found.totals())
    except (ConfigError, UnavailableError, DamagedError) as error:
        fail(str(error))


@contextmanager
def opened(data: str, url: str) -> Iterator[OutcomeStore]:
    """The store that the options name; reading makes no new one in a folder whose name was mistyped.

    Raises:
        ConfigError: If they name none, a folder without one, or one that cannot be used.
    """
    from modelspan.store.sqlite_database import NAME

    if data and not url and not any(Path(data).expanduser().glob(f"{NAME}-*.sqlite")):
        raise ConfigError(f"--data={data}: that folder holds no store; give the one of the service's data=")
    store = _open(data, url)
    try:
        yield store
    finally:
        store.close()


def _open(data: str, url: str) -> OutcomeStore:
    from modelspan.store.opening import open_store

    if not data and not url:
        raise ConfigError(
            "no store is named; give --data or --store, or set MODELSPAN_DATA or MODELSPAN_STORE"
        )
    return open_store(data=data, url=url)


def progress(rows: int, doing: str = "telling") -> Progress:
    """A bar over the rows on a terminal, gone at the end; nothing elsewhere."""
    console = Console(stderr=True)
    parts = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeRemainingColumn(),
    )
    bar = Progress(*parts, console=console, transient=True, disable=not console.is_terminal)
    bar.add_task(doing, total=rows)
    return bar


def _print(heading: str, counts: Counter[str] | Mapping[str, int]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("state", no_wrap=True)
    table.add_column(heading, justify="right", no_wrap=True)
    for name, count in sorted(counts.items()):
        if count:
            table.add_row(name, f"{count:,}")
    Console(highlight=False).print(table)


def fail(message: str) -> NoReturn:
    """Say it in one line and leave with status 2."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise typer.Exit(2)

"""`modelspan reference`: make and look at the file that says what training data looked like."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from modelspan.drift.feature import FeatureReference
    from modelspan.drift.reference import Reference

app = typer.Typer(
    help="Make and look at a reference: what the training data looked like, in about 1 KB a column.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

BUILD_EPILOG = """[bold]Examples[/bold]

modelspan reference build train.csv -o credit.reference.json --target default

modelspan reference build train.parquet -o ref.json --score p --model credit --model-version 1.4.2

modelspan reference build train.csv -o ref.json --features age,amount,purpose --force
"""
SHOW_EPILOG = """[bold]Example[/bold]

modelspan reference show credit.reference.json
"""


@app.command("build", epilog=BUILD_EPILOG)
def build(
    data: Annotated[Path, typer.Argument(help="Training data, .csv or .parquet.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.", show_default=False)],
    target: Annotated[str, typer.Option(help="Column with the outcome: no feature.")] = "",
    score: Annotated[str, typer.Option(help="Column with the model's score: no feature either.")] = "",
    features: Annotated[str, typer.Option(help="Columns to take, a,b,c; all others by default.")] = "",
    model: Annotated[str, typer.Option(help="Name of the model.")] = "",
    model_version: Annotated[str, typer.Option(help="Version of the model.")] = "",
    bins: Annotated[int, typer.Option(help="Bins of a column of numbers, 2 to 20.")] = 10,
    max_levels: Annotated[int, typer.Option(help="Levels of a column of text, 1 to 100.")] = 20,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output.")] = False,
) -> None:
    """Make a reference from training data, for `monitor(reference=…)`."""
    from modelspan.drift.reference import Reference

    with _errors_in_one_line(), _progress() as progress:
        _check_output(output, force=force)
        reference = Reference.build(
            data,
            target=target or None,
            score=score or None,
            features=[name.strip() for name in features.split(",")] if features else None,
            model=model,
            version=model_version,
            bins=bins,
            max_levels=max_levels,
            progress=lambda _, columns: progress.update(progress.task_ids[0], total=columns, advance=1),
        )
        reference.save(output)
    _print(reference, output)


@app.command("show", epilog=SHOW_EPILOG)
def show(
    path: Annotated[Path, typer.Argument(help="A file that `build` wrote.", show_default=False)],
) -> None:
    """Print what a reference holds, and whether the file is whole."""
    from modelspan.drift.reference import Reference

    with _errors_in_one_line():
        reference = Reference.load(path)
    _print(reference, path)


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    """Say what is wrong with the input in one line and leave with status 2."""
    try:
        yield
    except ConfigError as wrong:
        _leave(str(wrong))
    except OSError as unwritable:
        _leave(f"file={unwritable.filename!r} can't be written ({unwritable.strerror}); choose another path")


def _leave(message: str) -> NoReturn:
    typer.echo(f"error: {' '.join(message.split())}", err=True)
    raise typer.Exit(2)


def _check_output(output: Path, *, force: bool) -> None:
    """Raise ConfigError before the work, not after it."""
    if output.is_dir() or not output.absolute().parent.is_dir():
        raise ConfigError(
            f"output={str(output)!r} must be a file in a folder that exists; choose another path"
        )
    if output.exists() and not force:
        raise ConfigError(
            f"output={str(output)!r} exists; pass --force to overwrite it, or choose another path"
        )


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar over the columns on a terminal, gone at the end; nothing elsewhere."""
    console = Console(stderr=True)
    parts = (TextColumn("reading and counting"), BarColumn(), MofNCompleteColumn(), TextColumn("columns"))
    with Progress(*parts, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task("columns", total=None)
        yield progress


def _print(reference: Reference, path: Path) -> None:
    """The columns as a table, and one line about the whole."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("column", overflow="fold")
    for heading in ("kind", "bins", "missing", "bytes"):
        table.add_column(heading, justify="left" if heading == "kind" else "right", no_wrap=True)
    for feature in reference.features.values():
        table.add_row(*_cells(feature, feature.kind))
    if reference.score:
        table.add_row(*_cells(reference.score, "score"))
    console = Console(highlight=False)
    console.print(table)
    name = " ".join(filter(None, (reference.model, reference.version))) or "no model named"
    about = (
        f"{path}: {name}, {reference.rows:,} rows, {path.stat().st_size:,} bytes, built {reference.created}"
    )
    console.print(escape(about), soft_wrap=True)


def _cells(feature: FeatureReference, kind: str) -> tuple[str, ...]:
    """One row of the table."""
    from modelspan.drift.reference import feature_document
    from modelspan.drift.reference_file import compact

    missing = feature.counts[-1] / max(int(feature.counts.sum()), 1)
    bins = len(feature.labels) - 1
    size = len(compact(feature_document(feature)))
    return escape(feature.name), kind, str(bins), f"{missing:.1%}", f"{size:,}"

"""`modelspan reference`: make and look at the file that says what training data looked like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from modelspan.cli.parts import errors_in_one_line, progress_bar
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

modelspan reference build train.csv -o ref.json --prediction label --kinds note=text,zip=categorical

modelspan reference build train.parquet -o ref.json --season timestamp
"""
SHOW_EPILOG = """[bold]Examples[/bold]

modelspan reference show credit.reference.json
"""


@app.command("build", epilog=BUILD_EPILOG)
def build(
    data: Annotated[Path, typer.Argument(help="Training data, .csv or .parquet.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.", show_default=False)],
    target: Annotated[str, typer.Option(help="Column with the outcome: no feature.")] = "",
    score: Annotated[str, typer.Option(help="Column with the model's score: no feature either.")] = "",
    prediction: Annotated[str, typer.Option(help="Column with the predicted class: nor that.")] = "",
    season: Annotated[
        str, typer.Option(help="Column with the time of each row: hours of the week are compared apart.")
    ] = "",
    features: Annotated[str, typer.Option(help="Columns to take, a,b,c; all others by default.")] = "",
    kinds: Annotated[
        str, typer.Option(help="Kinds that the values don't show, column=kind,…: text, categorical, …")
    ] = "",
    model: Annotated[str, typer.Option(help="Name of the model.")] = "",
    model_version: Annotated[str, typer.Option(help="Version of the model.")] = "",
    bins: Annotated[int, typer.Option(help="Bins of a column of numbers, 2 to 20.")] = 10,
    max_levels: Annotated[int, typer.Option(help="Levels of a column of text, 1 to 100.")] = 20,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output.")] = False,
) -> None:
    """Make a reference from training data, for `monitor(reference=…)`."""
    from modelspan.drift.reference import Reference

    with errors_in_one_line(), progress_bar() as progress:
        _check_output(output, force=force)
        reference = Reference.build(
            data,
            target=target or None,
            score=score or None,
            prediction=prediction or None,
            season=season or None,
            features=[name.strip() for name in features.split(",")] if features else None,
            kinds=_kinds(kinds),
            model=model,
            version=model_version,
            bins=bins,
            max_levels=max_levels,
            progress=progress,
        )
        reference.save(output)
    _print(reference, output)


@app.command("show", epilog=SHOW_EPILOG)
def show(
    path: Annotated[Path, typer.Argument(help="A file that `build` wrote.", show_default=False)],
) -> None:
    """Print what a reference holds, and whether the file is whole."""
    from modelspan.drift.reference import Reference

    with errors_in_one_line():
        reference = Reference.load(path)
    _print(reference, path)


def _kinds(text: str) -> dict[str, str]:
    """What `--kinds` says."""
    pairs = [each.rpartition("=") for each in text.split(",")] if text else []
    if not all(column and equals for column, equals, _ in pairs):
        raise ConfigError(
            f"kinds={text!r} must be column=kind, separated by commas: note=text,zip=categorical"
        )
    return {column.strip(): kind.strip() for column, _, kind in pairs}


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


def _print(reference: Reference, path: Path) -> None:
    """The columns as a table, and one line about the whole."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("column", overflow="fold")
    for heading in ("kind", "bins", "missing", "bytes"):
        table.add_column(heading, justify="left" if heading == "kind" else "right", no_wrap=True)
    for feature in reference.features.values():
        table.add_row(*_cells(feature, feature.kind))
    for answer, kind in ((reference.score, "score"), (reference.prediction, "class")):
        if answer:
            table.add_row(*_cells(answer, kind))
    console = Console(highlight=False)
    console.print(table)
    name = " ".join(filter(None, (reference.model, reference.version))) or "no model named"
    about = (
        f"{path}: {name}, {reference.rows:,} rows, {path.stat().st_size:,} bytes, built {reference.created}"
    )
    console.print(escape(about), soft_wrap=True)


def _cells(feature: FeatureReference, kind: str) -> tuple[str, ...]:
    """One row of the table."""
    from modelspan.drift.reference_document import feature_document
    from modelspan.drift.reference_file import compact

    missing = feature.counts[-1] / max(int(feature.counts.sum()), 1)
    bins = len(feature.labels) - 1
    size = len(compact(feature_document(feature)))
    return escape(feature.name), kind, str(bins), f"{missing:.1%}", f"{size:,}"

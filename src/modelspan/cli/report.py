"""`modelspan report`: compare a table with a reference, as table, page or JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from modelspan.cli.parts import errors_in_one_line, progress_bar
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from modelspan.drift.multivariate.report import MultivariateReport
    from modelspan.drift.report import DriftReport

EPILOG = """[bold]Examples[/bold]

modelspan report --reference credit.reference.json --current march.parquet

modelspan report --reference ref.json --current march.csv --score p --html drift.html --json drift.json

modelspan report --reference ref.json --current march.parquet --reference-data train.parquet

modelspan report --reference ref.json --current march.csv --quiet --fail-on-drift || echo "look at it"

[bold]Exit status[/bold]

0: compared (with --fail-on-drift: and nothing drifted) · 1: --fail-on-drift, and something drifted
· 2: the reference, the data or an option can't be used
"""


def report(
    reference: Annotated[Path, typer.Option(help="File of `modelspan reference build`.", show_default=False)],
    current: Annotated[Path, typer.Option(help="Data to compare, .csv or .parquet.", show_default=False)],
    score: Annotated[str, typer.Option(help="Column with the model's score.")] = "",
    prediction: Annotated[str, typer.Option(help="Column with the predicted class.")] = "",
    reference_data: Annotated[
        Path | None,
        typer.Option(help="Rows of the reference, .csv or .parquet: compare columns together, too."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page that needs nothing from outside.")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write numbers and histograms.")] = None,
    fail_on_drift: Annotated[bool, typer.Option("--fail-on-drift", help="Exit with 1 on drift.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Print every feature, not the first 40.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Say which features of a table drifted from a reference, and by how much."""
    from modelspan.drift.reference import Reference
    from modelspan.report.terminal import table

    with errors_in_one_line():
        for path in filter(None, (html, json_path)):
            _check_folder(path)
        with progress_bar() as progress:
            found = Reference.load(reference).compare(
                current, score=score or None, prediction=prediction or None, progress=progress
            )
        if reference_data is not None:
            found = replace(found, multivariate=_together(reference_data, current, found))
        if html:
            html.write_text(found.to_html(), encoding="utf-8")
        if json_path:
            json_path.write_text(json.dumps(found.to_dict(), indent=1) + "\n", encoding="utf-8")
    if not quiet:
        Console(highlight=False).print(table(found, everything=every))
    together = found.multivariate is not None and found.multivariate.drifted
    if fail_on_drift and (found.drifted or together):
        raise typer.Exit(1)


def _together(reference_data: Path, current: Path, found: DriftReport) -> MultivariateReport:
    """The rows compared in the columns of the reference that hold numbers or categories."""
    from modelspan.drift.multivariate.report import compare_rows

    usable = ("numeric", "integer", "boolean", "categorical")
    names = [name for name, each in found.features.items() if each.kind in usable]
    return compare_rows(reference_data, current, features=names)


def _check_folder(path: Path) -> None:
    """Raise ConfigError before the work, not after it."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ConfigError(f"output={str(path)!r} must be a file in a folder that exists; choose another path")

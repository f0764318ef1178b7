"""The `modelspan` command: one file per sub-command, heavy imports inside the function that needs them."""

from __future__ import annotations

from typing import Annotated

import typer

from modelspan._version import __version__
from modelspan.cli import dashboards as _dashboards
from modelspan.cli import demo as _demo
from modelspan.cli import doctor as _doctor
from modelspan.cli import feedback as _feedback
from modelspan.cli import performance as _performance
from modelspan.cli import reference as _reference
from modelspan.cli import report as _report
from modelspan.cli import up as _up

EPILOG = """
[bold]Examples[/bold]

modelspan demo                  a monitored model on real data, and its page

modelspan up                    the local backend, for a service of yours

modelspan doctor                why nothing arrives

modelspan COMMAND --help        options, with examples
"""

app = typer.Typer(
    name="modelspan",
    help="See what a machine-learning model does in production: traces, logs, metrics, drift, errors.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _say(wanted: bool) -> None:
    if wanted:
        print(f"modelspan {__version__}")
        raise typer.Exit


_VERSION = typer.Option("--version", help="Print the version and exit.", callback=_say, is_eager=True)


@app.callback(epilog=EPILOG)
def _root(_version: Annotated[bool, _VERSION] = False) -> None:
    pass


def main() -> None:
    """Run the command line."""
    app()


app.command("dashboards", epilog=_dashboards.EPILOG)(_dashboards.dashboards)
app.command("demo", epilog=_demo.EPILOG)(_demo.demo)
app.command("doctor", epilog=_doctor.EPILOG)(_doctor.doctor)
app.command("report", epilog=_report.EPILOG)(_report.report)
app.command("up", epilog=_up.EPILOG)(_up.up)
_feedback.app.command("report", epilog=_performance.EPILOG)(_performance.report)
app.add_typer(_feedback.app, name="feedback")
app.add_typer(_reference.app, name="reference")

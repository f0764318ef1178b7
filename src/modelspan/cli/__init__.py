"""The `modelspan` command: one file per sub-command, heavy imports inside the function that needs them."""

from __future__ import annotations

import typer

from modelspan.cli import dashboards as _dashboards
from modelspan.cli import demo as _demo
from modelspan.cli import doctor as _doctor
from modelspan.cli import feedback as _feedback
from modelspan.cli import reference as _reference
from modelspan.cli import report as _report
from modelspan.cli import up as _up

app = typer.Typer(
    name="modelspan",
    help="See what a machine-learning model does in production: traces, logs, metrics, drift, errors.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def _root() -> None:
    """Keep sub-commands sub-commands, also while there is only one."""


def main() -> None:
    """Run the command line."""
    app()


app.command("dashboards", epilog=_dashboards.EPILOG)(_dashboards.dashboards)
app.command("demo", epilog=_demo.EPILOG)(_demo.demo)
app.command("doctor", epilog=_doctor.EPILOG)(_doctor.doctor)
app.command("report", epilog=_report.EPILOG)(_report.report)
app.command("up", epilog=_up.EPILOG)(_up.up)
app.add_typer(_feedback.app, name="feedback")
app.add_typer(_reference.app, name="reference")

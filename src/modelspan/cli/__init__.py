"""The `modelspan` command: one file per sub-command, heavy imports inside the function that needs them."""

from __future__ import annotations

import typer

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

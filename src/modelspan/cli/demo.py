"""`modelspan demo`: the whole of modelspan on a real model, in one command."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from modelspan.errors import ConfigError

EPILOG = """[bold]Examples[/bold]

modelspan demo                              60 s of traffic, then the page stays until Ctrl-C

modelspan demo --seconds 20 --exit          a short day that ends by itself

modelspan demo --endpoint http://127.0.0.1:4318 --exit     into a Collector that runs
"""


def demo(
    seconds: Annotated[float, typer.Option(help="Length of the compressed day.")] = 60.0,
    leave: Annotated[
        bool, typer.Option("--exit", help="End after the day instead of waiting for Ctrl-C.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the web page; 0 takes a free one.")] = 8050,
    otlp_port: Annotated[int, typer.Option(help="Port of the OTLP receiver; 0 takes a free one.")] = 4318,
    data: Annotated[Path | None, typer.Option(help="Data folder, as in modelspan up.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the traffic.")] = 1,
    endpoint: Annotated[str, typer.Option(help="Send to this OTLP address; start no backend.")] = "",
) -> None:
    """Train a credit-risk model on real data, monitor it, and show what two drifting features look like."""
    try:
        from modelspan.demo.backend import BackendError
        from modelspan.demo.run import DemoSettings, run
    except ModuleNotFoundError as error:
        _fail(f"{error.name} is not installed, and the demo needs it: pip install 'modelspan[demo]'")
    console = Console()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        run(
            DemoSettings(
                seconds=seconds,
                stay=not leave,
                port=port,
                otlp_port=otlp_port,
                data=data,
                seed=seed,
                endpoint=endpoint,
            ),
            console,
        )
    except (BackendError, ConfigError) as error:
        _fail(str(error))
    except KeyboardInterrupt:
        console.print("Stopped.")


def _interrupt(*_: object) -> NoReturn:
    """End like Ctrl-C, so that the backend is not left behind."""
    raise KeyboardInterrupt


def _fail(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(2)

"""`modelspan up`: the local backend in the foreground."""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from modelspan.config import data_folder
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from modelspan.viewer.serve import Backend

_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4,
          "KI": 1024, "MI": 1024**2, "GI": 1024**3, "TI": 1024**4}  # fmt: skip


EPILOG = """[bold]Examples[/bold]

modelspan up                                     page on port 8050, OTLP on port 4318

modelspan up --data ./telemetry --max-size 500MB --keep-days 1

MODELSPAN_TOKEN=… modelspan up --host 0.0.0.0 --allow-remote     for other machines too
"""


def up(
    host: Annotated[
        str, typer.Option(help="Address to bind; others than loopback need --allow-remote.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the page and the JSON API; 0 takes a free one.")] = 8050,
    otlp_port: Annotated[int, typer.Option(help="Port of the OTLP receiver; 0 takes a free one.")] = 4318,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the database.", envvar="MODELSPAN_DATA")
    ] = None,
    store: Annotated[
        str,
        typer.Option(
            help="postgresql://… of the outcome store, else files in --data.", envvar="MODELSPAN_STORE"
        ),
    ] = "",
    keep_days: Annotated[float, typer.Option(help="Delete records older than this.")] = 7.0,
    max_size: Annotated[str, typer.Option(help="Delete the oldest records beyond this size.")] = "2GiB",
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other machines in; needs a token.")
    ] = False,
    token: Annotated[
        str, typer.Option(help="Secret that every request must carry.", envvar="MODELSPAN_TOKEN")
    ] = "",
) -> None:
    """Run the local backend: OTLP receiver, storage, web page."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        from modelspan.viewer.security import require_loopback
        from modelspan.viewer.serve import Backend, BackendConfig
    except ModuleNotFoundError as error:
        errors.print(escape(f"modelspan up needs {error.name}: pip install 'modelspan[viewer]'"))
        raise typer.Exit(1) from None
    try:
        if not allow_remote:
            require_loopback(host)
        config = BackendConfig(
            data=data or data_folder(os.environ), host=host, port=port, otlp_port=otlp_port, token=token,
            store=store, keep_days=keep_days, max_bytes=parse_size(max_size),
        )  # fmt: skip
        run(Backend(config), token=token)
    except ConfigError as error:
        errors.print(escape(str(error)))
        raise typer.Exit(1) from None


def run(backend: Backend, *, token: str = "") -> None:
    """Serve until SIGINT or SIGTERM, then close; what was accepted is committed."""
    # Requests that wait for a thread are everyday life under load, and are answered.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        backend.start()
        try:
            _announce(backend, token)
            stop.wait()
        finally:
            backend.close()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _announce(backend: Backend, token: str) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"[bold]page[/]  {escape(backend.page_url)}")
    console.print(f"[bold]OTLP[/]  {escape(backend.otlp_url)}")
    console.print(f"[bold]data[/]  {escape(str(backend.path))}")
    console.print("Send telemetry here:")
    console.print(escape(f"  export OTEL_EXPORTER_OTLP_ENDPOINT={backend.otlp_url}"), style="green")
    if token:
        console.print(
            escape("  export OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20$MODELSPAN_TOKEN"),
            style="green",
        )
        console.print("Open the page once with /?token=… in its address. Stop with Ctrl-C.")
    else:
        console.print("Stop with Ctrl-C.")


def parse_size(text: str) -> int:
    """Bytes in a size such as 500MB, 2GiB or 1000000.

    Raises:
        ConfigError: If the text is not a size.
    """
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)\s*([KMGT]?I?)B?", text.strip().upper())
    if not match or match[2] not in _UNITS:
        raise ConfigError(f"max_size={text[:40]!r} is not a size; use for example 500MB or 2GiB")
    return int(float(match[1]) * _UNITS[match[2]])

"""`modelspan up` as a child process, and its JSON endpoints."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS = 30.0
STOP_SECONDS = 10.0
_ASK_SECONDS = 5.0


class BackendError(RuntimeError):
    """`modelspan up` did not start; the message is its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Where the telemetry goes and where it can be looked at."""

    endpoint: str
    page: str = ""
    """Address of the web page; empty when the endpoint is somebody else's."""

    def ask(self, path: str, **query: str) -> Any:
        """The answer of a JSON endpoint, or None when there is no page or it did not answer in time."""
        if not self.page:
            return None
        address = f"{self.page}{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(address, timeout=_ASK_SECONDS) as answer:  # noqa: S310 - our own http address
                return json.load(answer)
        except (OSError, ValueError):
            return None


@contextmanager
def local_backend(*, port: int, otlp_port: int, data: Path | None) -> Iterator[Backend]:
    """Run `modelspan up` for the length of the block.

    Raises:
        BackendError: If it ends or says nothing within `START_SECONDS`.
    """
    backend = Backend(endpoint=f"http://127.0.0.1:{otlp_port}", page=f"http://127.0.0.1:{port}")
    command = [sys.executable, "-m", "modelspan", "up", f"--port={port}", f"--otlp-port={otlp_port}"]
    command += [f"--data={data}"] if data else []
    with tempfile.TemporaryFile("w+") as said:
        # A session of its own: Ctrl-C must reach us first, so that the last telemetry still has a receiver.
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            _wait_until_ready(process, backend, said)
            yield backend
        finally:
            _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], backend: Backend, said: Any) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said.seek(0)
            raise BackendError(said.read().strip() or f"modelspan up ended with status {process.returncode}")
        health = backend.ask("/healthz")
        if isinstance(health, dict) and health.get("pid", process.pid) == process.pid:
            return
        time.sleep(0.1)
    raise BackendError(f"modelspan up did not answer on {backend.page} within {START_SECONDS:g} s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

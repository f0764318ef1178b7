"""What every server of the stack can do besides: be started, be healthy, be stopped."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from stack_servers.program import Program, StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TRIES = 3
_STOP_SECONDS = 20.0


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except (OSError, ValueError):
        return False


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How one process is started, and how it tells that it is ready."""

    command: list[str]
    ports: dict[str, int]
    """Every port it listens on, all on 127.0.0.1; `http` is the one of `Running.url`."""
    ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment."""
    cwd: Path | None = None


class HasUrl(Protocol):
    """A server that runs: `Running` here, a record of `scripts/stack start` there."""

    @property
    def url(self) -> str:
        """Base address of its HTTP interface."""


class Server(Program):
    """One kind of server. An instance is one that may be started; its arguments are its configuration."""

    start_seconds: ClassVar[float] = 60.0
    """How long a start may take on a loaded machine."""

    @abstractmethod
    def launch(self, home: Path, state: Path) -> Launch:
        """Choose free ports, write what is needed into `state` and say how to start from `home`."""

    @classmethod
    def beside(cls, running: Mapping[str, HasUrl]) -> Self:
        """One configured to work with the servers that run already, for `scripts/stack start`."""
        del running
        return cls()

    def start(self, state: Path, *, tied: bool = True) -> Running:
        """Start and wait until it is healthy; `tied` ends it with this process, however that ends.

        Raises:
            StackError: If it ends or is not ready within `start_seconds`; with the end of its log.
        """
        home = self.install()
        state.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, _TRIES + 1):
            launch = self.launch(home, state)
            running = Running(self.name, launch, state, tied=tied)
            running.log.unlink(missing_ok=True)
            try:
                running.start(self.start_seconds)
            except StackError as error:
                # A free port is only free until somebody takes it: then choose others.
                if attempt < _TRIES and "address already in use" in str(error).lower():
                    continue
                raise
            return running
        raise AssertionError  # the loop returns or raises


class Running:
    """A started server: where it listens, its log, and its end."""

    def __init__(self, name: str, launch: Launch, state: Path, *, tied: bool) -> None:
        """Nothing runs before `start`."""
        self.name, self.launch, self.state = name, launch, state
        self.log = state / f"{name}.log"
        self._tied = tied
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def ports(self) -> dict[str, int]:
        """Every port it listens on."""
        return self.launch.ports

    @property
    def url(self) -> str:
        """Base address of its HTTP interface."""
        return f"http://127.0.0.1:{self.ports['http']}"

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    def start(self, seconds: float) -> None:
        """Start, or start again on the same ports and state, and wait until healthy."""
        command = self.launch.command
        if self._tied and shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, **self.launch.env}, cwd=self.launch.cwd or self.state,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + seconds
        while not self.launch.ready():
            if self._process.poll() is not None:
                raise StackError(f"{self.name} ended with status {self._process.returncode}:\n{self.tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise StackError(f"{self.name} was not ready within {seconds:g} s:\n{self.tail()}")
            time.sleep(0.1)

    def tail(self, lines: int = 30) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def kill(self) -> None:
        """End it by SIGKILL: what it did not write is lost."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it by SIGTERM, by SIGKILL after 20 s."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        """Running already: `Server.start` made it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

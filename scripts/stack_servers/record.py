"""Which servers `scripts/stack start` has left running; a record counts only while its process lives."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from stack_servers.server import Running

VARIABLE = "MODELSPAN_STACK_STATE"
STATE = Path(os.environ.get(VARIABLE) or Path(__file__).resolve().parents[2] / ".cache" / "stack")
"""Logs, data and records of what was started."""
_STOP_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Record:
    """One started server."""

    name: str
    pid: int
    born: int
    """Start time of the process in clock ticks since boot: a pid alone may be another process by now."""
    ports: dict[str, int]
    log: str

    @classmethod
    def of(cls, running: Running) -> Self:
        """Of a server that runs."""
        return cls(
            name=running.name,
            pid=running.pid,
            born=_born(running.pid),
            ports=running.ports,
            log=str(running.log),
        )

    @property
    def url(self) -> str:
        """Base address of its HTTP interface."""
        return f"http://127.0.0.1:{self.ports['http']}"

    @property
    def alive(self) -> bool:
        """Whether that very process still runs."""
        return self.born != 0 and _born(self.pid) == self.born

    def save(self) -> None:
        """Write it down."""
        _path(self.name).write_text(json.dumps(asdict(self), indent=2) + "\n")

    def stop(self) -> None:
        """SIGTERM, SIGKILL after 20 s; then forget it."""
        deadline = time.monotonic() + _STOP_SECONDS
        with contextlib.suppress(ProcessLookupError):
            if self.alive:
                os.kill(self.pid, signal.SIGTERM)
            while self.alive and time.monotonic() < deadline:
                time.sleep(0.1)
            if self.alive:
                os.kill(self.pid, signal.SIGKILL)
        _path(self.name).unlink(missing_ok=True)


def records() -> dict[str, Record]:
    """Every server written down whose process lives, in the order of their start."""
    paths = sorted(STATE.glob("*/running.json"), key=lambda path: path.stat().st_mtime)
    found = (Record(**json.loads(path.read_text())) for path in paths)
    return {record.name: record for record in found if record.alive}


def _path(name: str) -> Path:
    return STATE / name / "running.json"


def _born(pid: int) -> int:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if after_name[0] == "Z" else int(after_name[19])

"""A service under faults as its owner sees it, and the balance of what it emitted with what arrived."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from far_end import SIGNALS
from rich.console import Console
from rich.table import Table

SERVICE = str(Path(__file__).with_name("fault_service.py"))


class Promise(NamedTuple):
    """One line of the result."""

    what: str
    figure: str
    kept: bool


def clean_environment(**more):
    """The environment without settings of OpenTelemetry and modelspan."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "MODELSPAN_"))}
    return {**kept, **more}


class Service:
    """`fault_service.py` in a process of its own."""

    def __init__(self, url, rate, folder, spool=""):
        self.process = subprocess.Popen(
            [sys.executable, SERVICE, url, str(rate), str(folder), *([str(spool)] if spool else [])],
            stdin=subprocess.PIPE, stderr=(folder / "stderr").open("w"), text=True, env=clean_environment(),
        )  # fmt: skip

    def say(self, command):
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()

    def usage(self):
        """Resident MB, threads and file descriptors, from the kernel."""
        proc = Path(f"/proc/{self.process.pid}")
        status = dict(
            line.split(":", 1) for line in (proc / "status").read_text().splitlines() if ":" in line
        )
        return (
            int(status["VmRSS"].split()[0]) / 1024,
            int(status["Threads"]),
            len(list((proc / "fd").iterdir())),
        )

    def end(self, timeout=240):
        self.say("end")
        return self.process.wait(timeout)


class Balance:
    """Sums over the processes of a run, and what arrived."""

    def __init__(self, folder, far_end):
        self.made = Counter(name for file in folder.glob("ids-*") for name in file.read_text().splitlines())
        self.ledgers = [json.loads(file.read_text()) for file in folder.glob("ledger-*")]
        self.forks = [int(file.read_text()) for file in folder.glob("fork-*")]
        self.seen, self.unsure = far_end.received()

    def sum(self, what, signal):
        """Over the processes; `dropped` over its reasons too."""
        return sum(n for one in self.ledgers for name, n in one[what].items() if name.split(" ")[0] == signal)

    def dropped(self):
        return sum((Counter(one["dropped"]) for one in self.ledgers), Counter())

    def promises(self):
        calls = sum(one["calls"] for one in self.ledgers)
        harmed = sum(one["harmed"] for one in self.ledgers)
        yield Promise("calls harmed", f"{harmed} of {calls:,}", not harmed)
        taken = self.sum("delivered", "predictions") + self.sum("dropped", "predictions")
        yield Promise("predictions = handled + dropped", f"{calls:,} = {taken:,}", calls == taken)
        hung = sum(status != 0 for status in self.forks)
        yield Promise("forked children that hung or failed", f"{hung} of {len(self.forks)}", not hung)
        for signal in SIGNALS:
            yield from self._of(signal)

    def _of(self, signal):
        emitted, delivered, dropped, stored = (
            self.sum(what, signal) for what in ("emitted", "delivered", "dropped", "stored")
        )
        yield Promise(
            f"{signal}: emitted = delivered + dropped + stored",
            f"{emitted:,} = {delivered:,} + {dropped:,} + {stored:,}",
            emitted == delivered + dropped + stored,
        )
        seen = self.seen[signal]
        # taken or not: a request whose endpoint was killed between taking and answering it
        unsure = len(self.unsure[signal])
        # dropped as `fault` or not: a request whose thread was killed with the answer on its way
        unread = seen.total() - delivered
        yield Promise(
            f"{signal}: delivered = accepted at the far end",
            f"{delivered:,} + {unread} = {seen.total():,}, {unsure} unanswered",
            0 <= unread <= self.dropped()[f"{signal} fault"],
        )
        twice = sum(n - 1 for n in seen.values())
        strange = sum(name not in self.made for name in seen)
        yield Promise(f"{signal}: accepted twice / never made", f"{twice} / {strange}", not twice + strange)

    def delivered_share(self, signal):
        return len(self.seen[signal].keys() & self.made.keys()) / max(1, len(self.made))


def show(title, columns, rows):
    table = Table(title=title)
    for column in columns:
        table.add_column(column, justify="left" if column == columns[0] else "right")
    for row in rows:
        table.add_row(*map(str, row))
    Console().print(table)


def show_promises(title, promises):
    """Print them; True when all are kept."""
    show(
        title,
        ("promise", "figure", ""),
        [(p.what, p.figure, "kept" if p.kept else "BROKEN") for p in promises],
    )
    return all(p.kept for p in promises)

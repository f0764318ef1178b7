"""What the terminal shows: a running line, and a table at the end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, TextColumn

from modelspan.demo.traffic import DRIFT_FROM, clock, phase

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN_SECONDS = 2.0


@dataclass(slots=True, kw_only=True)
class Tally:
    """What happened so far, counted by the demo itself."""

    day_seconds: float
    started: float = field(default_factory=time.monotonic)
    started_at: float = field(default_factory=time.time)
    """Unix time of the first call."""
    ended: float = 0.0
    """Monotonic time of the day's end; 0 before."""
    calls: int = 0
    predictions: int = 0
    errors: int = 0
    outcomes: int = 0
    failing_trace: str = ""
    """Trace id of the newest call that raised."""

    @property
    def drifted_at(self) -> float:
        """Unix time from which two features drift."""
        return self.started_at + DRIFT_FROM * self.day_seconds

    def rate(self) -> float:
        """Predictions per second since the first one."""
        return self.predictions / max((self.ended or time.monotonic()) - self.started, 1.0)

    def line(self, alarms: int | None) -> str:
        """The counts in one line; `alarms` is None when nobody can be asked."""
        text = (
            f"{_count(self.predictions, 'prediction')} ({self.rate():.0f}/s), {_count(self.errors, 'error')}"
        )
        text += f", {_count(self.outcomes, 'outcome')}"
        return text if alarms is None else f"{text}, {_count(alarms, 'drift alarm')}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


class Running:
    """A bar in a terminal, a plain line every two seconds elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = 0.0
        self._bar = Progress(
            TextColumn("{task.fields[clock]} {task.fields[phase]:<7}"),
            BarColumn(bar_width=20),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=1.0, clock="00:00", phase="normal")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, progress: float, line: str) -> None:
        """Say how far the day is."""
        moment, name = clock(progress), phase(progress)
        if self._console.is_terminal:
            self._bar.update(self._task, completed=progress, description=line, clock=moment, phase=name)
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _PLAIN_SECONDS
            self._console.print(f"{moment} {name:<7} {line}", highlight=False, soft_wrap=True)

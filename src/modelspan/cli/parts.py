"""What several commands share: errors in one line, and a bar for long work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from modelspan.errors import ConfigError


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Say what is wrong with the input in one line and leave with status 2."""
    try:
        yield
    except ConfigError as wrong:
        _leave(str(wrong))
    except OSError as unwritable:
        _leave(f"file={unwritable.filename!r} can't be written ({unwritable.strerror}); choose another path")


def _leave(message: str) -> NoReturn:
    typer.echo(f"error: {' '.join(message.split())}", err=True)
    raise typer.Exit(2)


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each step of the work on a terminal, gone at the end; nothing elsewhere."""
    console = Console(stderr=True)
    parts = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*parts, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks = {"reading": progress.add_task("reading", total=None)}

        def advance(step: str, done: int, total: int) -> None:
            if step not in tasks:
                progress.update(tasks["reading"], visible=False)
                tasks[step] = progress.add_task(step, total=total)
            progress.update(tasks[step], completed=done)

        yield advance

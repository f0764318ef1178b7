"""Locks of the system around the SQLite file: who may replace it, and whose turn it is to write."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from modelspan.store.database import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LONGEST_PAUSE: Final = 0.002


class Locks:
    """Of one folder, for all processes that use it; a process that ends gives its own back.

    Writers take turns by two locks: who holds `next` gets `write` after the one that has it, and lets the
    others wait for `next`. SQLite alone lets them look again after pauses of up to 100 ms, so that the file
    is idle most of the time and the one that has just written is the first to see that it is free.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._gate, self._next, self._write = (
            os.open(folder / f"{name}.{each}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            for each in ("lock", "next", "write")
        )

    def enter(self, *, alone: bool) -> None:
        """Keep the file from being replaced; alone: keep every other process out of it."""
        fcntl.flock(self._gate, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)

    def leave(self) -> None:
        """The end of `enter`."""
        fcntl.flock(self._gate, fcntl.LOCK_UN)

    @contextmanager
    def turn(self, seconds: float) -> Iterator[None]:
        """Hold the right to write.

        Raises:
            UnavailableError: If others have held it for so long.
        """
        deadline = time.monotonic() + seconds
        _wait(self._next, deadline)
        try:
            _wait(self._write, deadline)
        finally:
            fcntl.flock(self._next, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._write, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the files back."""
        for descriptor in (self._gate, self._next, self._write):
            os.close(descriptor)


def _wait(descriptor: int, deadline: float) -> None:
    """Look again and again: a writer that is frozen must not freeze the others for ever."""
    pause = _LONGEST_PAUSE / 16
    while True:
        with suppress(BlockingIOError):
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.monotonic() >= deadline:
            raise UnavailableError("another process has been writing to the store for too long")
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)

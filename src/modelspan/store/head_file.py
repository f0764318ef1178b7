"""A note beside the SQLite file of how many rows were acknowledged.

SQLite takes a cut or damaged write-ahead log for the end of the log and says nothing: only a number kept
elsewhere can tell that acknowledged rows are gone.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Note(NamedTuple):
    """What was acknowledged, in the file of which generation."""

    generation: int = 0
    position: int = 0
    orphan: int = 0
    predictions: int = 0
    outcomes: int = 0
    orphans: int = 0


class HeadFile:
    """The note, shared by all processes that use the store."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    @property
    def lost(self) -> bool:
        """Whether the file was deleted under us, and so most likely the whole folder."""
        return os.fstat(self._descriptor).st_nlink == 0

    def read(self) -> Note | None:
        """The note; None when there is none, or it is damaged."""
        text, _, check = os.pread(self._descriptor, 200, 0).partition(b"#")
        if not check or f"{zlib.crc32(text):08x}".encode() != check.strip():
            return None
        return Note(*map(int, text.split()))

    def write(self, note: Note) -> None:
        """Replace the note unless the one in the file is newer."""
        with self._locked():
            found = self.read()
            if found is None or note[:3] >= found[:3]:
                text = " ".join(map(str, note)).encode()
                line = text + b"#" + f"{zlib.crc32(text):08x}".encode()
                os.pwrite(self._descriptor, line.ljust(200), 0)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._descriptor)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

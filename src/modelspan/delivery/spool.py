"""Records of one signal on disk, for as long as the endpoint takes none: first in, first out, bounded.

A spool is a folder of segments. A segment belongs to one process, which holds a lock on it (`flock`); when
the process is gone, the next one that starts takes the segment over and sends it first. Segments are only
ever appended to, but for the state of a record: from waiting to done when it is settled.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from modelspan.delivery.segment import DONE, Stored, pack, read

if TYPE_CHECKING:
    from pathlib import Path

    from modelspan.delivery.otlp.records import Records

SEGMENT_BYTES: Final = 4 * 1024 * 1024
SUFFIX: Final = ".spool"


@dataclass(slots=True)
class _Segment:
    """An open, locked file of ours."""

    path: Path
    descriptor: int
    size: int = 0
    adopted: bool = False
    """Whether another process wrote it."""
    unread: list[Stored] | None = field(default=None)
    """Its records, oldest first, once it is being read; nothing is appended to it any more."""
    torn: bool = False


class Spool:
    """Append what cannot be sent, read it back oldest first; all calls may come from several threads.

    Raises:
        OSError: From the constructor, when the folder cannot be made or written.
    """

    def __init__(self, folder: Path, signal: str, limit_bytes: int) -> None:
        self._folder = folder
        self._signal = signal
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._segments: list[_Segment] = []
        self.corrupt = 0
        """Segments that were cut at a record whose checksum was wrong."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = folder.stat()
        if about.st_uid != os.geteuid() or about.st_mode & 0o022:
            raise PermissionError(f"spool folder {folder} is another user's, or others may write to it")
        self._adopt()

    def append(self, records: Records) -> bool:
        """Store records; False when there is no room, or the disk refuses."""
        content = pack(records)
        with self._lock:
            if self._bytes() + len(content) > self._limit:
                return False
            try:
                segment = self._open()
                written = os.pwrite(segment.descriptor, content, segment.size)
                if written < len(content):
                    os.ftruncate(segment.descriptor, segment.size)
                    return False
            except OSError:
                return False
            segment.size += written
        return True

    def oldest(self) -> tuple[Records, bool] | None:
        """The oldest records that wait, and whether another process stored them; None when nothing waits."""
        with self._lock:
            while self._segments:
                segment = self._segments[0]
                if segment.unread is None:
                    segment.unread, segment.torn = read(segment.descriptor)
                    self.corrupt += segment.torn
                if segment.unread:
                    return segment.unread[0].records(segment.descriptor), segment.adopted
                self._remove(segment)
        return None

    def settle(self) -> None:
        """What `oldest` gave was accepted or dropped: it is not sent again, by another process neither."""
        with self._lock:
            segment = self._segments[0]
            stored = (segment.unread or []).pop(0)
            os.pwrite(segment.descriptor, DONE, stored.offset)
            if not segment.unread:
                self._remove(segment)

    def close(self) -> None:
        """Leave the segments to the next process; in a forked child, to the parent."""
        with self._lock:
            for segment in self._segments:
                os.close(segment.descriptor)  # a lock lasts until the last copy of the descriptor is closed
            self._segments.clear()

    def _bytes(self) -> int:
        return sum(segment.size for segment in self._segments)

    def _open(self) -> _Segment:
        """The segment that is appended to."""
        last = self._segments[-1] if self._segments else None
        if last is not None and last.unread is None and not last.adopted and last.size < SEGMENT_BYTES:
            return last
        name = f"{self._signal}-{time.time_ns():020d}-{secrets.token_hex(4)}{SUFFIX}"
        path = self._folder / name
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        segment = _Segment(path, os.open(path, flags, 0o600))
        fcntl.flock(segment.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._segments.append(segment)
        return segment

    def _adopt(self) -> None:
        """Take over the segments of processes that are gone."""
        for path in sorted(self._folder.glob(f"{self._signal}-*{SUFFIX}")):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            except OSError:
                continue  # taken and removed by another process, or not ours to read
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                continue  # its process lives
            size = os.fstat(descriptor).st_size
            self._segments.append(_Segment(path, descriptor, size, adopted=True))

    def _remove(self, segment: _Segment) -> None:
        self._segments.remove(segment)
        segment.path.unlink(missing_ok=True)
        os.close(segment.descriptor)

"""The one writer of the database: a bounded queue, one thread, many requests in one transaction.

A batch's future is resolved after its commit, so an answer of 200 means that the rows survive this process.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from modelspan.viewer import schema
from modelspan.viewer.retention import Keep, sweep

if TYPE_CHECKING:
    from pathlib import Path

    from modelspan.viewer.otlp import Batch

logger = logging.getLogger("modelspan.viewer")

MAX_WAITING: Final = 16
"""Batches that may wait for the writer."""
MAX_WAITING_BYTES: Final = 64 * 1024**2
"""Bytes of request bodies that may wait for the writer."""
GROUP_ROWS: Final = 20_000
"""Rows after which a transaction is closed although more wait."""
SWEEP_SECONDS: Final = 5.0
BUSY_SWEEP_SECONDS: Final = 0.1

# A client that retries sends its spans twice: the second ones are ignored.
_SPANS: Final = "INSERT OR IGNORE INTO spans VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_LOGS: Final = "INSERT INTO logs VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_POINTS: Final = "INSERT INTO points VALUES (NULL,?,?,?,?,?,?,?)"
_SERIES: Final = (
    "INSERT INTO series VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET seen = excluded.seen"
)
_RESOURCES: Final = "INSERT INTO resources VALUES (?,?,?) ON CONFLICT(id) DO UPDATE SET seen = excluded.seen"


class Backlog(Exception):  # noqa: N818 - a state of the writer that the receiver answers, not a defect
    """More waits for the writer than it may hold."""


class Writer:
    """Owns the folder, the database's writing connection and the thread that uses it."""

    def __init__(self, folder: Path, keep: Keep) -> None:
        self.path = folder / schema.FILE_NAME
        self._held = schema.lock_folder(folder)
        try:
            self._database = schema.open_database(folder)
        except Exception:
            self._held.close()
            raise
        self._keep = keep
        self._queue: queue.Queue[tuple[Batch, Future[None]] | None] = queue.Queue()
        self._lock = threading.Lock()
        self._waiting = self._waiting_bytes = self._waiting_rows = 0
        self._next_sweep = 0.0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="modelspan-writer", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Records that wait for their commit."""
        return self._waiting_rows

    def submit(self, batch: Batch) -> Future[None]:
        """Hand over a batch; the future is done when its rows are committed.

        Raises:
            Backlog: If too much waits already, or the writer is closed.
        """
        future: Future[None] = Future()
        with self._lock:
            full = self._waiting >= MAX_WAITING or self._waiting_bytes + batch.size > MAX_WAITING_BYTES
            if self._closed or full:
                raise Backlog(f"{self._waiting_rows} records wait to be stored")
            self._count(batch, 1)
            self._queue.put((batch, future))
        return future

    def close(self) -> None:
        """Commit everything accepted, then close the database."""
        with self._lock:
            first, self._closed = not self._closed, True
        if first:
            self._queue.put(None)
        self._thread.join()

    def _count(self, batch: Batch, sign: int) -> None:
        self._waiting += sign
        self._waiting_bytes += sign * batch.size
        self._waiting_rows += sign * len(batch)

    def _run(self) -> None:
        going = True
        while going:
            group, going = self._next_group()
            if group:
                self._store(group)
            if going and time.monotonic() >= self._next_sweep:
                self._sweep()
        self._database.close()
        self._held.close()

    def _next_group(self) -> tuple[list[tuple[Batch, Future[None]]], bool]:
        """Everything that waits, up to `GROUP_ROWS`; False once nothing more can come."""
        group: list[tuple[Batch, Future[None]]] = []
        rows = 0
        timeout = max(self._next_sweep - time.monotonic(), 0.0)
        while rows < GROUP_ROWS:
            try:
                item = self._queue.get(block=not group, timeout=None if group else timeout)
            except queue.Empty:
                break
            if item is None:
                return group, False
            batch, future = item
            with self._lock:
                self._count(batch, -1)
            if future.set_running_or_notify_cancel():
                group.append((batch, future))
                rows += len(batch)
        return group, True

    def _store(self, group: list[tuple[Batch, Future[None]]]) -> None:
        error = self._commit([batch for batch, _ in group])
        if error and len(group) > 1:  # one bad batch must not cost its neighbours their rows
            for pair in group:
                self._store([pair])
            return
        for _, future in group:
            future.set_exception(error) if error else future.set_result(None)

    def _commit(self, batches: list[Batch]) -> Exception | None:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            seen = time.time_ns()
            for batch in batches:
                self._insert(batch, seen)
            self._database.execute("COMMIT")
        except Exception as error:
            logger.exception("modelspan up could not store %d batches", len(batches))
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            return error
        return None

    def _insert(self, batch: Batch, seen: int) -> None:
        database = self._database
        database.executemany(_RESOURCES, [(name, content, seen) for name, content in batch.resources.items()])
        database.executemany(_SERIES, [(name, *row, seen) for name, row in batch.series.items()])
        database.executemany(_SPANS, batch.spans)
        database.executemany(_LOGS, batch.logs)
        database.executemany(_POINTS, batch.points)

    def _sweep(self) -> None:
        try:
            more = sweep(self._database, self._keep, time.time_ns())
        except sqlite3.Error:
            logger.exception("modelspan up could not delete old rows")
            more = False
        self._next_sweep = time.monotonic() + (BUSY_SWEEP_SECONDS if more else SWEEP_SECONDS)

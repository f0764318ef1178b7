"""The outcome store's SQLite file: safe for many processes, and replaced by a new one when it is damaged."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from modelspan.errors import ConfigError
from modelspan.store.database import Row, UnavailableError
from modelspan.store.head import Head
from modelspan.store.head_file import HeadFile, Note
from modelspan.store.locks import Locks
from modelspan.store.lost_tail import note_lost_tail
from modelspan.store.rows import DamagedError
from modelspan.store.sqlite import BUSY_SECONDS
from modelspan.store.sqlite_schema import bring_up_to_date

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

logger = logging.getLogger("modelspan")
NAME: Final = "feedback"
_PASSES: Final = ("BUSY", "LOCKED", "FULL", "IOERR", "READONLY", "CANTOPEN", "PERM", "NOMEM", "INTERRUPT",
                  "PROTOCOL", "AUTH")  # fmt: skip
"""Errors of SQLite that may pass without the file being damaged."""


def file_of(folder: Path, generation: int) -> Path:
    """The database file of a generation: a damaged one keeps its name and the next one takes over.

    Renaming it is no way: SQLite deletes a write-ahead log by its name, and another process that still has
    the old file open would delete the new one's.
    """
    return folder / f"{NAME}-{generation}.sqlite"


class SqliteDatabase:
    """One connection, opened when first needed; calls of several threads take turns.

    Raises:
        ConfigError: At the first use, if the folder cannot be used or the file is not ours.
    """

    def __init__(self, folder: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.folder = folder
        self.generation = 0
        self._busy_seconds = busy_seconds
        self._database: sqlite3.Connection | None = None
        self._note: HeadFile | None = None
        self._locks: Locks | None = None
        self._lock = threading.RLock()
        self._noted = True  # the last time

    @contextmanager
    def writing(self) -> Iterator[None]:
        """See `Database`."""
        with self._lock, self._shared() as locks, locks.turn(self._busy_seconds), _translated():
            self._execute("BEGIN IMMEDIATE")
            try:
                yield
                head = Head(self)
                self._execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
            self._acknowledge(head)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See `Database`."""
        with self._lock, self._shared(), _translated():
            self._execute("BEGIN")
            try:
                yield
            finally:
                self._roll_back()

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """See `Database`."""
        given = [json.dumps(each) if isinstance(each, list) else each for each in parameters]
        return self._execute(statement, given).fetchall()

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        """See `Database`."""
        given = [json.dumps(each) if isinstance(each, list) else each for each in parameters]
        return self._execute(statement, given).rowcount

    def many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """See `Database`."""
        with _translated():
            self._connection.executemany(statement, rows)

    def complaints(self) -> list[str]:
        """See `Database`."""
        said = [str(row[0]) for row in self.rows("PRAGMA integrity_check(3)")]
        return [] if said == ["ok"] else said

    def size(self) -> int:
        """See `Database`."""
        names = "page_count", "freelist_count", "page_size"
        pages, free, size = (self._execute(f"PRAGMA {name}").fetchone()[0] for name in names)
        return int((pages - free) * size)

    def close(self) -> None:
        """See `Database`."""
        with self._lock:
            self._forget()
            if self._note is not None:
                self._note.close()
            if self._locks is not None:
                self._locks.close()
            self._note = self._locks = None

    @property
    def path(self) -> Path:
        """The file in use."""
        return file_of(self.folder, self.generation)

    @property
    def note(self) -> HeadFile:
        """The note of what was acknowledged."""
        assert self._note is not None
        return self._note

    def _acknowledge(self, head: Head) -> None:
        """Note what is committed; it is so without the note, which only makes a later check weaker."""
        try:
            self.remember(head)
            self._noted = True
        except UnavailableError as error:
            if self._noted:
                logger.warning("modelspan cannot note how many rows are stored (%s); they are stored", error)
            self._noted = False

    def remember(self, head: Head) -> None:
        """Note what the file holds."""
        try:
            self.note.write(Note(self.generation, *head.cells[1:]))
        except OSError as error:
            raise UnavailableError(f"{self.folder}: {error}") from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder against every other process's transactions."""
        with self._lock:
            locks = self._enter(alone=True)
            try:
                yield
            finally:
                locks.leave()

    def connect(self, generation: int, *, create: bool) -> None:
        """Open the file of `generation`, inside `alone`; every process then moves to it."""
        self._forget()
        self.generation = generation
        path = self.path
        with _translated():
            try:
                os.close(os.open(path, (os.O_CREAT if create else 0) | os.O_RDWR, 0o600))
                database = sqlite3.connect(
                    path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
                )
            except OSError as error:
                raise UnavailableError(f"{path}: {error}") from error
            self._database = database
            bring_up_to_date(self, database, path, known=self.note.read() is not None)

    @property
    def _connection(self) -> sqlite3.Connection:
        assert self._database is not None
        return self._database

    def _execute(self, statement: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        with _translated():
            return self._connection.execute(
                statement.replace("IN ?*", "IN (SELECT value FROM json_each(?))"), parameters
            )

    @contextmanager
    def _shared(self) -> Iterator[Locks]:
        locks = self._ready()
        try:
            yield locks
        finally:
            locks.leave()

    def _ready(self) -> Locks:
        """Be in the newest file, and keep others from replacing it; a deleted folder is made anew."""
        if self._note is not None and self.note.lost:
            self.close()
        locks = self._enter(alone=False)
        note = self.note.read()
        if self._database is None or (note is not None and note.generation != self.generation):
            locks.leave()
            with self.alone():
                self.connect(self._newest(), create=True)
                note_lost_tail(self)
            locks = self._enter(alone=False)
        return locks

    def _newest(self) -> int:
        note = self.note.read()
        if note is not None:
            return note.generation
        found = [path.stem.removeprefix(f"{NAME}-") for path in self.folder.glob(f"{NAME}-*.sqlite")]
        return max((int(number) for number in found if number.isdigit()), default=0)

    def _enter(self, *, alone: bool) -> Locks:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._locks is None:
                self._locks = Locks(self.folder, NAME)
            if self._note is None:
                self._note = HeadFile(self.folder / f"{NAME}.head")
            self._locks.enter(alone=alone)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise ConfigError(f"data={self.folder} cannot be used ({error}); name another folder") from error
        except OSError as error:
            raise UnavailableError(f"{self.folder}: {error}") from error
        return self._locks

    def _roll_back(self) -> None:
        if self._database is not None and self._database.in_transaction:
            try:
                self._database.execute("ROLLBACK")
            except sqlite3.Error:  # the file is of no use any more; the first error says why
                self._forget()

    def _forget(self) -> None:
        if self._database is not None:
            with suppress(sqlite3.Error):  # a damaged file may refuse its last checkpoint
                self._database.close()
            self._database = None


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "").removeprefix("SQLITE_")
        if name.startswith(_PASSES):
            raise UnavailableError(f"{error}") from error
        raise DamagedError(f"{error}") from error

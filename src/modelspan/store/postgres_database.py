"""The outcome store's tables in PostgreSQL, in a schema of their own: for services on several machines."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import psycopg

from modelspan.errors import ConfigError
from modelspan.store.database import Row, UnavailableError
from modelspan.store.head import Head
from modelspan.store.rows import DamagedError, sealed
from modelspan.store.tables import STEPS, VERSION, insert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SCHEMA: Final = "modelspan"
LOCK: Final = 0x6D73706E
"""Number of the advisory lock that writers take in turn, so that positions follow the order of commits."""
BYTES_PER_ROW: Final = 200
_SESSION: Final = (
    f"SET search_path TO {SCHEMA}",
    "SET lock_timeout TO '30s'",
    "SET idle_in_transaction_session_timeout TO '60s'",  # a stopped process must not stop the others
)
_WRONG: Final = ("28", "3D", "42501", "3F")
"""SQLSTATEs that waiting does not mend: no such user, database or right."""
_REFUSED: Final = ("does not exist", "authentication failed", "no pg_hba.conf entry", "password supplied")
"""What a server says that lets nobody in; a connection that was never made has no SQLSTATE."""


class PostgresDatabase:
    """One connection, opened when first needed and again after it was lost; threads take turns.

    Raises:
        ConfigError: At the first use, if the server refuses us, or its tables are a newer modelspan's.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Row] | None = None
        self._lock = threading.RLock()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """See `Database`."""
        with self._transaction("BEGIN"):
            self.rows("SELECT pg_advisory_xact_lock(?)", (LOCK,))
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See `Database`."""
        with self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
            yield

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """See `Database`."""
        return self._execute(statement, parameters).fetchall()

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        """See `Database`."""
        return self._execute(statement, parameters).rowcount

    def many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """See `Database`."""
        assert self._connection is not None
        self._connection.cursor().executemany(_translated(statement), rows)

    def complaints(self) -> list[str]:
        """See `Database`: PostgreSQL's own checks, pg_amcheck and data checksums, are its administrator's."""
        return []

    def size(self) -> int:
        """See `Database`: an estimate from the number of rows, for deleted ones go at the next vacuum."""
        head = Head(self)
        return int(BYTES_PER_ROW * (head.predictions + head.outcomes + head.orphans))

    def close(self) -> None:
        """See `Database`."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                self._execute(begin)
                yield
                self._execute("COMMIT")
            except BaseException as error:
                self._give_up()
                if isinstance(error, psycopg.Error):
                    raise _meaning(error) from error
                raise

    def _connect(self) -> psycopg.Connection[Row]:
        connection = psycopg.connect(self._url, autocommit=True, connect_timeout=10)
        self._connection = connection
        for setting in _SESSION:
            connection.execute(setting)
        if connection.execute("SHOW synchronous_commit").fetchone() == ("off",):
            connection.execute("SET synchronous_commit TO on")  # acknowledged means committed
        self._bring_up_to_date()
        return connection

    def _bring_up_to_date(self) -> None:
        if self.rows("SELECT to_regclass('version')::text") == [("version",)] and self._version() == VERSION:
            return
        self.run("BEGIN")
        self.rows("SELECT pg_advisory_xact_lock(?)", (LOCK,))
        self.run(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        self.run("CREATE TABLE IF NOT EXISTS version (number BIGINT NOT NULL)")
        found = self._version()
        if found > VERSION:
            raise ConfigError(
                f"store has schema version {found}, this modelspan knows {VERSION}; upgrade modelspan"
            )
        for step in STEPS[found:]:
            for statement in filter(str.strip, step.split(";")):
                self.run(statement.replace("BYTES", "BYTEA").replace("INTEGER PRIMARY", "BIGINT PRIMARY"))
        if found == 0:
            self.many(insert("head"), [sealed("head", (1, 0, 0, 0, 0, 0))])
        self.run("DELETE FROM version")
        self.run("INSERT INTO version VALUES (?)", (VERSION,))
        self.run("COMMIT")

    def _version(self) -> int:
        found = self.rows("SELECT number FROM version")
        return int(found[0][0]) if found else 0

    def _execute(self, statement: str, parameters: Sequence[Any] = ()) -> psycopg.Cursor[Row]:
        assert self._connection is not None
        return self._connection.execute(_translated(statement), parameters)

    def _give_up(self) -> None:
        """Undo; a connection that cannot even do that is of no use any more."""
        if self._connection is None:
            return
        try:
            self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self.close()


@lru_cache(maxsize=256)
def _translated(statement: str) -> Any:
    return statement.replace("IN ?*", "= ANY(?)").replace("?", "%s")


def _meaning(error: psycopg.Error) -> Exception:
    state = error.sqlstate or ""
    said = " ".join(str(error).split())
    if state.startswith(_WRONG) or any(words in said for words in _REFUSED):
        return ConfigError(f"store cannot be used ({said}); correct the address or the rights")
    if state.startswith(("XX001", "XX002", "22", "23")):
        return DamagedError(said)
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) or state[:2] in (
        "25",
        "40",
        "57",
    ):
        return UnavailableError(said)
    return error

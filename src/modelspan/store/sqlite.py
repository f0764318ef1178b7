"""A SQLite file of ours: private to its owner, write-ahead log, one schema version."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Final

from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

BUSY_SECONDS: Final = 30.0


def open_file(path: Path, tables: str, version: int, *, durable: bool = False) -> sqlite3.Connection:
    """A writing connection to the file at `path`, made with `tables` if it is missing; the folder exists.

    Args:
        path: The file.
        tables: SQL that makes the tables of a new file.
        version: Schema version; a file of another one is refused, never changed.
        durable: Whether a commit survives a power loss, for a sync each; a kill it always survives.

    Raises:
        ConfigError: If the file cannot be written, is no database, or has another version.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        path.chmod(0o600)
        database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"data={path.parent} cannot be written ({error}); name another folder") from error
    try:
        _prepare(database, path, tables, version)
        database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    except sqlite3.DatabaseError as error:
        database.close()
        raise ConfigError(f"{path} is not a usable database ({error}); move it away") from error
    except ConfigError:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path, tables: str, version: int) -> None:
    found = _version(database)
    if found not in (0, version):
        raise ConfigError(
            f"{path} has schema version {found}, this modelspan writes {version}; "
            "upgrade modelspan, or use another folder"
        )
    database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only has an effect before the first table
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(f"PRAGMA journal_size_limit = {16 * 1024**2}")
    if not found:
        _create(database, tables, version)


def _create(database: sqlite3.Connection, tables: str, version: int) -> None:
    """Make the tables, unless another process did while we waited for the lock."""
    database.execute("BEGIN IMMEDIATE")
    if not _version(database):
        for statement in filter(str.strip, tables.split(";")):
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {version}")
    database.execute("COMMIT")


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])

"""Version of the outcome store's SQLite file: make it, bring it up to date, or refuse it."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from modelspan.errors import ConfigError
from modelspan.store.rows import sealed
from modelspan.store.tables import STEPS, VERSION, insert

if TYPE_CHECKING:
    from pathlib import Path

    from modelspan.store.database import Database

APPLICATION: Final = 0x6D73706E
"""`mspn`: tells our file from another program's."""
CACHE_KIB: Final = 16 * 1024
CHECKPOINT_PAGES: Final = 4000


def bring_up_to_date(store: Database, database: sqlite3.Connection, path: Path, *, known: bool) -> None:
    """Prepare a connection, and make or migrate the tables when they are older.

    Args:
        store: The same file, for its statements.
        database: The connection.
        path: The file.
        known: Whether this file was ours before, so that what is wrong with it is damage.

    Raises:
        ConfigError: If the file belongs to another program, or to a newer modelspan.
    """
    try:
        version, application = (
            database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id")
        )
        tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if known or getattr(error, "sqlite_errorname", "") != "SQLITE_NOTADB":
            raise
        raise ConfigError(f"{path} is no database of modelspan ({error}); move it away") from error
    if application != APPLICATION and tables and not known:
        raise ConfigError(f"{path} is a database of another program; move it away, or use another folder")
    if version > VERSION:
        raise ConfigError(
            f"{path} has schema version {version}, this modelspan knows {VERSION}; "
            "upgrade modelspan, or use another folder"
        )
    _tune(database)
    if version < VERSION:
        _migrate(store, database, version)


def _tune(database: sqlite3.Connection) -> None:
    for setting in ("auto_vacuum = INCREMENTAL", "journal_mode = WAL", "synchronous = FULL",
                    f"cache_size = -{CACHE_KIB}", f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
                    f"journal_size_limit = {64 * 1024**2}"):  # fmt: skip
        database.execute(f"PRAGMA {setting}")


def _migrate(store: Database, database: sqlite3.Connection, version: int) -> None:
    """All steps in one transaction: a file is of one version or another, never between."""
    database.execute("BEGIN IMMEDIATE")
    try:
        for step in STEPS[version:]:
            for statement in filter(str.strip, step.split(";")):
                database.execute(statement.replace("BYTES", "BLOB"))
        if version == 0:
            store.many(insert("head"), [sealed("head", (1, 0, 0, 0, 0, 0))])
        database.execute(f"PRAGMA application_id = {APPLICATION}")
        database.execute(f"PRAGMA user_version = {VERSION}")
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise

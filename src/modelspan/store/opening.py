"""Which outcome store the settings name, if any."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from modelspan.errors import ConfigError
from modelspan.store.database import UnavailableError
from modelspan.store.outcomes import OutcomeStore
from modelspan.store.recorder import Recorder
from modelspan.store.sqlite_database import SqliteDatabase

if TYPE_CHECKING:
    from modelspan.config import Config
    from modelspan.delivery.accounting import Ledger
    from modelspan.store.database import Database

logger = logging.getLogger("modelspan")


def open_store(*, data: str | Path = "", url: str = "") -> OutcomeStore:
    """The store at `url`, else in the folder `data`.

    A store that is only unavailable now, on a full disk or a stopped server, is tried again later.

    Raises:
        ConfigError: If the folder cannot be used, the file or the tables are not ours, or psycopg is missing.
    """
    store = OutcomeStore(_database(data, url))
    try:
        store.totals()
    except ConfigError:
        store.close()
        raise
    except UnavailableError as error:
        logger.warning("modelspan cannot open the outcome store now (%s); it is tried again", error)
    return store


def open_recorder(config: Config, ledger: Ledger) -> Recorder:
    """What writes to the store that the settings name."""
    return Recorder(
        open_store(data=config.data, url=config.store),
        ledger,
        tick_seconds=config.tick_seconds,
        window_days=config.join_window_days,
        max_bytes=config.store_bytes,
    )


def _database(data: str | Path, url: str) -> Database:
    if url:
        try:
            from modelspan.store.postgres_database import PostgresDatabase  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ConfigError(
                f"store= needs {error.name}, which is not installed: pip install 'modelspan[postgres]'"
            ) from None
        return PostgresDatabase(url)
    return SqliteDatabase(Path(data).expanduser().absolute())

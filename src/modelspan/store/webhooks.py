"""Webhooks that wait: kept until the receiver took them, sent by any process that shares the file."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from modelspan.errors import ConfigError
from modelspan.store.sqlite import open_file

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

FILE_NAME: Final = "webhooks.sqlite"
LEASE_SECONDS: Final = 60.0
"""For how long a webhook that a process has taken is left to it; after that another one tries."""
FIRST_RETRY_SECONDS: Final = 5.0
LONGEST_RETRY_SECONDS: Final = 3600.0
GIVE_UP_SECONDS: Final = 24 * 3600.0
KEEP_SECONDS: Final = 7 * 24 * 3600.0
"""For how long a webhook that was given up stays in the file."""

_VERSION: Final = 1
_TABLES: Final = """
CREATE TABLE webhooks (
  id TEXT PRIMARY KEY, body BLOB NOT NULL, created REAL NOT NULL, due REAL NOT NULL,
  attempts INTEGER NOT NULL, dead INTEGER NOT NULL);
CREATE INDEX webhooks_due ON webhooks(due) WHERE NOT dead"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One message on its way to the receiver."""

    id: str
    """The same at every attempt, so that the receiver can tell a repetition."""
    body: bytes
    attempts: int
    created: float
    """Unix time in seconds."""


class WebhookStore:
    """At-least-once: `add` returns when the message is committed, `settle` when it need not be sent again.

    Raises:
        ConfigError: If the folder or the file cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigError(
                f"data={folder} cannot be used ({error}); name another folder with data="
            ) from error
        self.busy = threading.RLock()
        """Held during a statement; see `Runtime.pause`."""
        self._path = folder / FILE_NAME
        self._connection: sqlite3.Connection | None = None
        self._database()

    def add(self, body: bytes) -> str:
        """Keep a message; its id comes back once it is committed."""
        identifier = f"msg_{secrets.token_hex(16)}"
        now = time.time()
        with self.busy:
            self._database().execute(
                "INSERT INTO webhooks VALUES (?, ?, ?, ?, 0, 0)", (identifier, body, now, now)
            )
        return identifier

    def take(self) -> Webhook | None:
        """The message that is due the longest, leased to this process; None when none is due."""
        now = time.time()
        with self.busy:
            self._database().execute("BEGIN IMMEDIATE")
            try:
                row = (
                    self._database()
                    .execute(
                        "SELECT id, body, attempts, created FROM webhooks WHERE NOT dead AND due <= ? "
                        "ORDER BY due LIMIT 1",
                        (now,),
                    )
                    .fetchone()
                )
                if row is not None:
                    self._database().execute(
                        "UPDATE webhooks SET due = ?, attempts = attempts + 1 WHERE id = ?",
                        (now + LEASE_SECONDS, row[0]),
                    )
            finally:
                self._database().execute("COMMIT")
        return Webhook(id=row[0], body=row[1], attempts=row[2] + 1, created=row[3]) if row else None

    def settle(self, webhook: Webhook) -> None:
        """The receiver took it."""
        with self.busy:
            self._database().execute("DELETE FROM webhooks WHERE id = ?", (webhook.id,))

    def retry(self, webhook: Webhook, after: float = 0.0) -> bool:
        """Try again later, at least `after` seconds from now; False when it was given up after a day."""
        now = time.time()
        wait = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(webhook.attempts - 1, 20))
        wait = max(after, wait * (0.8 + 0.4 * secrets.randbelow(1000) / 1000))
        dead = now + wait - webhook.created > GIVE_UP_SECONDS
        with self.busy:
            self._database().execute(
                "UPDATE webhooks SET due = ?, dead = ? WHERE id = ?", (now + wait, int(dead), webhook.id)
            )
            self._database().execute("DELETE FROM webhooks WHERE dead AND created < ?", (now - KEEP_SECONDS,))
        return not dead

    def waiting(self) -> int:
        """Messages that are neither delivered nor given up."""
        with self.busy:
            return int(self._database().execute("SELECT count(*) FROM webhooks WHERE NOT dead").fetchone()[0])

    def close(self) -> None:
        """Close the file, which a later call opens again; what waits stays in it."""
        with self.busy:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _database(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_file(self._path, _TABLES, _VERSION, durable=True)
        return self._connection

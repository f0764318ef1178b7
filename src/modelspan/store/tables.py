"""Tables of the outcome store and how older ones become the current ones; the same for both databases.

One sequence numbers predictions and outcomes together in the order of commits; writers take turns, so it has
no gaps and is what readers follow. Every row ends with its hash.
"""

from __future__ import annotations

from typing import Final

# SQLite and PostgreSQL both take these words: BIGINT is an INTEGER to SQLite, and `BYTES` is replaced.
_FIRST: Final = """
CREATE TABLE head (
  id BIGINT PRIMARY KEY, position BIGINT NOT NULL, orphan BIGINT NOT NULL, predictions BIGINT NOT NULL,
  outcomes BIGINT NOT NULL, orphans BIGINT NOT NULL, sum BIGINT NOT NULL);
CREATE TABLE models (id BIGINT PRIMARY KEY, document TEXT NOT NULL, sum BIGINT NOT NULL);
CREATE TABLE predictions (
  id INTEGER PRIMARY KEY, lookup BIGINT NOT NULL, pid BYTES NOT NULL, position BIGINT NOT NULL,
  model BIGINT NOT NULL, predicted_ns BIGINT NOT NULL, label TEXT, value DOUBLE PRECISION,
  score DOUBLE PRECISION, sum BIGINT NOT NULL);
CREATE INDEX predictions_lookup ON predictions(lookup);
CREATE TABLE outcomes (
  id INTEGER PRIMARY KEY, prediction BIGINT NOT NULL, label TEXT, value DOUBLE PRECISION,
  weight DOUBLE PRECISION NOT NULL, at_ns BIGINT NOT NULL, stale BIGINT NOT NULL, replaces BIGINT NOT NULL,
  sum BIGINT NOT NULL);
CREATE INDEX outcomes_prediction ON outcomes(prediction);
CREATE TABLE orphans (
  id INTEGER PRIMARY KEY, lookup BIGINT NOT NULL, pid BYTES NOT NULL, position BIGINT NOT NULL, label TEXT,
  value DOUBLE PRECISION, weight DOUBLE PRECISION NOT NULL, at_ns BIGINT NOT NULL, dated BIGINT NOT NULL,
  sum BIGINT NOT NULL);
CREATE INDEX orphans_lookup ON orphans(lookup);
CREATE TABLE counts (
  model BIGINT NOT NULL, name TEXT NOT NULL, n BIGINT NOT NULL, sum BIGINT NOT NULL,
  PRIMARY KEY (model, name));
CREATE TABLE ticks (
  id INTEGER PRIMARY KEY, position BIGINT NOT NULL, orphan BIGINT NOT NULL, stored_ns BIGINT NOT NULL,
  sum BIGINT NOT NULL)
"""
_SECOND: Final = """
ALTER TABLE predictions ADD COLUMN extra TEXT;
ALTER TABLE orphans ADD COLUMN rest BIGINT;
ALTER TABLE orphans ADD COLUMN model TEXT;
CREATE TABLE keys (
  prediction INTEGER PRIMARY KEY, lookup BIGINT NOT NULL, rest BIGINT NOT NULL, sum BIGINT NOT NULL);
CREATE INDEX keys_lookup ON keys(lookup);
CREATE TABLE documents (
  kind TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL, sum BIGINT NOT NULL,
  PRIMARY KEY (kind, name))
"""
_THIRD: Final = "ALTER TABLE outcomes ADD COLUMN keyed TEXT"
_FOURTH: Final = "ALTER TABLE outcomes ADD COLUMN words TEXT"
STEPS: Final = (_FIRST, _SECOND, _THIRD, _FOURTH)
"""Step n makes version n + 1 of version n."""
VERSION: Final = len(STEPS)

COLUMNS: Final = {
    "head": "id, position, orphan, predictions, outcomes, orphans, sum",
    "models": "id, document, sum",
    "predictions": "id, lookup, pid, position, model, predicted_ns, label, value, score, extra, sum",
    "outcomes": "id, prediction, label, value, weight, at_ns, stale, replaces, keyed, words, sum",
    "orphans": "id, lookup, pid, position, label, value, weight, at_ns, dated, rest, model, sum",
    "counts": "model, name, n, sum",
    "ticks": "id, position, orphan, stored_ns, sum",
    "keys": "prediction, lookup, rest, sum",
    "documents": "kind, name, document, sum",
}
"""Columns in the order of a row; the last is the hash of the others."""


def select(table: str, rest: str = "") -> str:
    """A query of all columns of `table`."""
    return f"SELECT {COLUMNS[table]} FROM {table} {rest}"  # noqa: S608 - names of ours


def insert(table: str) -> str:
    """A statement that adds one row to `table`."""
    columns = COLUMNS[table]
    return f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * (columns.count(',') + 1))})"  # noqa: S608 - names of ours


def upsert(table: str, keys: str) -> str:
    """A statement that writes one row of `table` over that of the same `keys`."""
    changed = [name for name in COLUMNS[table].split(", ") if name not in keys.split(", ")]
    assigned = ", ".join(f"{name} = excluded.{name}" for name in changed)
    return f"{insert(table)} ON CONFLICT ({keys}) DO UPDATE SET {assigned}"

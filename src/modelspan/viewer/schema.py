"""The backend's SQLite database: tables, indices, version, and who may open it."""

from __future__ import annotations

import fcntl
from typing import IO, TYPE_CHECKING, Final

from modelspan.errors import ConfigError
from modelspan.store.sqlite import open_file

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

VERSION: Final = 1
FILE_NAME: Final = "modelspan.sqlite"

# Resources and series are named by a hash of their content, so that no look-up is needed to store a row.
# Ids grow with arrival and are never used twice: retention depends on it.
_TABLES: Final = """
CREATE TABLE resources (id INTEGER PRIMARY KEY, attributes TEXT NOT NULL, seen INTEGER NOT NULL);
CREATE TABLE spans (
  id INTEGER PRIMARY KEY AUTOINCREMENT, trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_span_id TEXT,
  name TEXT NOT NULL, kind TEXT NOT NULL, service TEXT NOT NULL, scope TEXT NOT NULL,
  start_ns INTEGER NOT NULL, duration_ns INTEGER NOT NULL, error INTEGER NOT NULL,
  status_message TEXT NOT NULL,
  model TEXT, version TEXT NOT NULL, variant TEXT NOT NULL, operation TEXT, size INTEGER NOT NULL,
  prediction_id TEXT, error_type TEXT, attributes TEXT NOT NULL, events TEXT NOT NULL,
  resource INTEGER NOT NULL);
CREATE UNIQUE INDEX spans_id ON spans(trace_id, span_id);
CREATE INDEX spans_start ON spans(start_ns);
CREATE INDEX spans_errors ON spans(start_ns) WHERE error;
CREATE INDEX spans_calls ON spans(model, version, start_ns, duration_ns, error, size)
  WHERE operation IS NOT NULL;
CREATE TABLE logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL, trace_id TEXT NOT NULL,
  span_id TEXT NOT NULL, event TEXT NOT NULL,
  severity TEXT NOT NULL, severity_number INTEGER NOT NULL, body TEXT NOT NULL, service TEXT NOT NULL,
  model TEXT, version TEXT NOT NULL, feature TEXT, prediction_id TEXT, position INTEGER NOT NULL,
  label TEXT, value REAL, score REAL, attributes TEXT NOT NULL, resource INTEGER NOT NULL);
CREATE INDEX logs_time ON logs(time_ns);
CREATE INDEX logs_trace ON logs(trace_id) WHERE trace_id <> '';
CREATE INDEX logs_event ON logs(event, model, version, time_ns);
CREATE INDEX logs_feature ON logs(event, model, version, feature, time_ns) WHERE feature IS NOT NULL;
CREATE INDEX logs_prediction ON logs(prediction_id, position, event) WHERE prediction_id IS NOT NULL;
CREATE TABLE series (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, unit TEXT NOT NULL, kind TEXT NOT NULL,
  attributes TEXT NOT NULL, model TEXT, service TEXT NOT NULL, instance TEXT NOT NULL, seen INTEGER NOT NULL);
CREATE INDEX series_name ON series(name);
CREATE TABLE points (
  id INTEGER PRIMARY KEY AUTOINCREMENT, series INTEGER NOT NULL, time_ns INTEGER NOT NULL,
  value REAL, count INTEGER,
  bounds TEXT, counts TEXT, exemplars TEXT);
CREATE INDEX points_series ON points(series, time_ns);
CREATE TABLE marks (
  time_ns INTEGER NOT NULL, spans INTEGER NOT NULL, logs INTEGER NOT NULL, points INTEGER NOT NULL);
CREATE INDEX marks_time ON marks(time_ns);
"""


def open_database(folder: Path) -> sqlite3.Connection:
    """The writing connection to the database in `folder`; a missing file is made, private to its owner.

    Raises:
        ConfigError: If the file is not a database of this version of modelspan, or cannot be made.
    """
    return open_file(folder / FILE_NAME, _TABLES, VERSION)


def lock_folder(folder: Path) -> IO[str]:
    """Hold `folder` for this process until the file that comes back is closed or the process ends.

    Raises:
        ConfigError: If another backend holds it, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        held = (folder / "modelspan.lock").open("a", encoding="ascii")
    except OSError as error:
        raise ConfigError(
            f"data={folder} cannot be used ({error}); name another folder with --data"
        ) from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held.close()
        raise ConfigError(
            f"data={folder} is in use by another modelspan up; stop it, or name another folder with --data"
        ) from error
    return held

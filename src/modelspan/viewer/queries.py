"""What the page, the JSON API and the demo ask the database: one method per question, plain dicts as answers.

Times are Unix seconds, lists are newest first unless a method says otherwise, nothing is NaN.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from modelspan.viewer import (
    alarm_query,
    drift_query,
    metrics_query,
    models_query,
    performance_query,
    performance_reports,
    traces_query,
    variants_query,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

BUSY_SECONDS: Final = 5.0
REUSE_FACTOR: Final = 10.0
"""A costly answer is reused for so many times what it took: the page asks often, and joins are slow."""
MAX_REUSED: Final = 100


class Database:
    """Read-only connections to the database, one per thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: list[sqlite3.Connection] = []

    def rows(self, statement: str, parameters: Iterable[Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        return self._connection().execute(statement, tuple(parameters)).fetchall()

    def stream(self, statement: str, parameters: Iterable[Any] = ()) -> sqlite3.Cursor:
        """The rows of a query one by one, for callers that stop early."""
        return self._connection().execute(statement, tuple(parameters))

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            uri = f"{self._path.resolve().as_uri()}?mode=ro"
            # Another thread closes it at the end, and only then.
            connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)
            connection.row_factory = sqlite3.Row
            self._local.connection = connection
            with self._lock:
                self._open.append(connection)
        return connection


class Queries:
    """Every question to the database at `database`; safe to share between threads."""

    def __init__(self, database: Path) -> None:
        self._database = Database(database)
        self._lock = threading.RLock()
        self._reused: dict[tuple[Any, ...], tuple[float, dict[str, Any]]] = {}

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def models(self) -> dict[str, Any]:
        """One entry per model and version that modelspan's spans name, the last seen first."""
        return self._reuse(("models",), lambda: models_query.models(self._database, self.performance))

    def traces(self, model: str | None = None, limit: int = 50, errors: bool = False) -> dict[str, Any]:
        """The newest traces, described by their modelspan span, else the root; `errors` keeps failed ones."""
        return traces_query.traces(self._database, model, limit, errors=errors)

    def trace(self, trace_id: str) -> dict[str, Any] | None:
        """Spans (by start, ascending) and log records of one trace; None if nothing of it is stored."""
        return traces_query.trace(self._database, trace_id)

    def logs(
        self,
        trace_id: str | None = None,
        model: str | None = None,
        event: str | None = None,
        limit: int = 100,
    ) -> dict[str, Any]:
        """The newest log records that match every given filter."""
        return traces_query.logs(self._database, trace_id, model, event, limit)

    def metrics(
        self, name: str | None = None, model: str | None = None, since: float | None = None, limit: int = 500
    ) -> dict[str, Any]:
        """Names of the metrics; with a name its series, each with the newest `limit` points, ascending."""
        if name is None:
            return metrics_query.names(self._database, model)
        return metrics_query.series(self._database, name, model, since, limit)

    def drift(self, model: str | None = None, version: str | None = None) -> dict[str, Any]:
        """The newest drift report of every feature, the largest PSI first, with histograms and history.

        Without a model, the one seen most recently; without a version, its latest. With several replicas the
        newest report stands: sums over the fleet are Prometheus' job.
        """
        return drift_query.drift(self._database, model, version)

    def alerts(self, model: str | None = None) -> dict[str, Any]:
        """Alerts of drift, data quality and thresholds, open ones and closed ones, the last opened first."""
        found = alarm_query.alerts(self._database, model)["alerts"]
        found += performance_reports.crossings(self._database, model)
        return {"alerts": sorted(found, key=lambda each: float(each["opened"]), reverse=True)}

    def performance(
        self, model: str | None = None, windows: int = 24, version: str | None = None
    ) -> dict[str, Any]:
        """Predictions joined with their outcomes, over all and per window of prediction time (ascending).

        Only the newest 200,000 predictions are looked at.
        """
        return self._reuse(
            ("performance", model, version, windows),
            lambda: performance_query.performance(self._database, model, version, windows),
        )

    def variants(self, model: str | None = None) -> dict[str, Any]:
        """Variants of a model compared on the same traffic; without a model, of the one called last."""
        model, _ = drift_query.latest(self._database, model, None)
        return {"model": model, "comparisons": variants_query.comparisons(self._database, model)}

    def traffic(self, model: str | None = None, seconds: int = 3600, buckets: int = 60) -> dict[str, Any]:
        """Calls, errors and latencies over time, ascending and ending at the newest call."""
        return models_query.traffic(self._database, model, seconds, buckets)

    def _reuse(self, key: tuple[Any, ...], ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        with self._lock:
            until, answer = self._reused.get(key, (0.0, {}))
            if time.monotonic() < until:
                return answer
            if len(self._reused) >= MAX_REUSED:
                self._reused.clear()
            began = time.monotonic()
            answer = ask()
            ended = time.monotonic()
            self._reused[key] = (ended + REUSE_FACTOR * (ended - began), answer)
        return answer

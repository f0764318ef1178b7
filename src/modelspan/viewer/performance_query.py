"""Performance of a model: its predictions joined with the outcomes that arrived later."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modelspan import semconv
from modelspan.performance import classification, regression
from modelspan.viewer.drift_query import latest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelspan.viewer.queries import Database

MAX_PREDICTIONS: Final = 200_000
"""Newest predictions that are looked at; older ones don't count."""
_BINARY: Final = 2

_JOIN: Final = """
SELECT p.time_ns, p.prediction_id, p.position, p.label, p.value, p.score,
  f.time_ns AS told_ns, f.label AS outcome, f.value AS truth
FROM (SELECT * FROM logs WHERE event = ?1 AND model = ?2 AND version = ?3 ORDER BY time_ns DESC LIMIT ?4) AS p
LEFT JOIN logs AS f ON f.id = (
  SELECT id FROM logs WHERE event = ?5 AND prediction_id = p.prediction_id AND position = p.position
  ORDER BY time_ns DESC, id DESC LIMIT 1)
ORDER BY p.time_ns"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """One predicted row and, if it is known, its outcome."""

    time: float
    label: str | None
    value: float | None
    score: float | None
    told: float | None
    outcome: str | None
    truth: float | None

    @property
    def classified(self) -> bool:
        """Both classes are known."""
        return self.label is not None and self.outcome is not None

    @property
    def measured(self) -> bool:
        """Both values are known."""
        return self.value is not None and self.truth is not None

    @property
    def known(self) -> bool:
        """The outcome is known and of the prediction's kind."""
        return self.classified or self.measured


def performance(database: Database, model: str | None, version: str | None, windows: int) -> dict[str, Any]:
    """Overall and per window of prediction time; the newest 200,000 predictions, the latest feedback each."""
    model, version = latest(database, model, version)
    rows = _joined(database, model, version)
    positive = _positive(rows)
    lags = [row.told - row.time for row in rows if row.known and row.told is not None]
    p50, p90 = np.percentile(lags, (50, 90)).tolist() if lags else (None, None)
    overall = _measures(rows, positive)
    return {
        "model": model,
        "version": version,
        "predictions": overall.pop("predictions"),
        "outcomes": overall.pop("outcomes"),
        "coverage": overall.pop("coverage"),
        "lag_p50_seconds": p50,
        "lag_p90_seconds": p90,
        "overall": overall,
        "positive": positive,
        "confusion": _confusion(rows),
        "windows": _windows(rows, positive, windows),
    }


def _joined(database: Database, model: str | None, version: str | None) -> list[Joined]:
    """Predictions by time, ascending, each once although a client may have sent it twice."""
    names = (semconv.PREDICTION_EVENT.name, model, version, MAX_PREDICTIONS, semconv.FEEDBACK_EVENT.name)
    rows: dict[Any, Joined] = {}
    for number, row in enumerate(database.stream(_JOIN, names)):
        key = number if row["prediction_id"] is None else (row["prediction_id"], row["position"])
        rows[key] = Joined(
            time=row["time_ns"] / 10**9,
            label=row["label"],
            value=row["value"],
            score=row["score"],
            told=None if row["told_ns"] is None else row["told_ns"] / 10**9,
            outcome=row["outcome"],
            truth=row["truth"],
        )
    return sorted(rows.values(), key=lambda each: each.time)


def _positive(rows: Sequence[Joined]) -> str | None:
    """Of two predicted classes the one with the higher mean score."""
    scores: dict[str, list[float]] = {}
    for row in rows:
        if row.label is not None and row.score is not None:
            scores.setdefault(row.label, []).append(row.score)
    if len(scores) != _BINARY:
        return None
    return max(scores, key=lambda label: sum(scores[label]) / len(scores[label]))


def _measures(rows: Sequence[Joined], positive: str | None) -> dict[str, Any]:
    known = [row for row in rows if row.known]
    return {
        "predictions": len(rows),
        "outcomes": len(known),
        "coverage": len(known) / len(rows) if rows else None,
        **_summary(known, positive),
    }


def _summary(known: Sequence[Joined], positive: str | None) -> dict[str, float]:
    classes = [row for row in known if row.classified]
    if classes:
        scores = [math.nan if row.score is None else row.score for row in classes]
        return classification.summarize(*_classes(classes), scores=scores, positive=positive)
    return regression.summarize(
        [row.value for row in known if row.value is not None],
        [row.truth for row in known if row.truth is not None],
    )


def _classes(rows: Sequence[Joined]) -> tuple[list[str], list[str]]:
    return [row.label or "" for row in rows], [row.outcome or "" for row in rows]


def _confusion(rows: Sequence[Joined]) -> dict[str, Any] | None:
    classes = [row for row in rows if row.classified]
    if not classes:
        return None
    labels, matrix = classification.confusion(*_classes(classes))
    return {"labels": labels, "matrix": matrix}


def _windows(rows: Sequence[Joined], positive: str | None, windows: int) -> list[dict[str, Any]]:
    """Windows of equal length from the first to the last prediction, empty ones included."""
    if not rows:
        return []
    first, last = rows[0].time, rows[-1].time
    width = max((last - first) / windows, 1e-6)
    groups: list[list[Joined]] = [[] for _ in range(windows)]
    for row in rows:
        groups[min(int((row.time - first) / width), windows - 1)].append(row)
    return [
        {"start": first + index * width, "end": first + (index + 1) * width, **_measures(group, positive)}
        for index, group in enumerate(groups)
    ]

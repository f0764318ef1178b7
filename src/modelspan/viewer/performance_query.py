"""Performance of a model: its predictions joined with the outcomes that arrived later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modelspan import semconv
from modelspan.outcome import JoinedRow
from modelspan.performance.sums import Options, Sums, positive_class
from modelspan.viewer.curves import curves
from modelspan.viewer.drift_query import latest
from modelspan.viewer.feedback_query import feedback_states
from modelspan.viewer.performance_reports import estimates, only_reported, segments
from modelspan.viewer.variants_query import comparisons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelspan.viewer.queries import Database

MAX_PREDICTIONS: Final = 200_000
"""Newest predictions that are looked at; older ones don't count."""

_JOIN: Final = """
SELECT p.time_ns, p.prediction_id, p.position, p.label, p.value, p.score,
  f.time_ns AS told_ns, f.label AS outcome, f.value AS truth
FROM (SELECT * FROM logs WHERE event = ?1 AND model = ?2 AND version = ?3 ORDER BY time_ns DESC LIMIT ?4) AS p
LEFT JOIN logs AS f ON f.id = (
  SELECT id FROM logs WHERE event = ?5 AND prediction_id = p.prediction_id AND position = p.position
  ORDER BY time_ns DESC, id DESC LIMIT 1)
ORDER BY p.time_ns"""


def performance(database: Database, model: str | None, version: str | None, windows: int) -> dict[str, Any]:
    """Overall and per window of prediction time; the newest 200,000 predictions, the latest feedback each."""
    model, version = latest(database, model, version)
    rows = _joined(database, model, version)
    options = _options(rows)
    sums = Sums.of(rows, options)
    overall = _measures(rows, options)
    kept = only_reported(database, model, version) if overall["outcomes"] and not options.positive else {}
    lags = [(row.outcome_ns - row.predicted_ns) / 1e9 for row in rows if row.outcome_ns is not None]
    p50, p90 = np.percentile(lags, (50, 90)).tolist() if lags else (None, None)
    return {
        "model": model,
        "version": version,
        "predictions": overall.pop("predictions"),
        "outcomes": overall.pop("outcomes"),
        "coverage": overall.pop("coverage"),
        "lag_p50_seconds": p50,
        "lag_p90_seconds": p90,
        "overall": overall,
        "kept": kept,
        "positive": options.positive,
        "confusion": _confusion(sums),
        "windows": _windows(rows, options, windows),
        "curves": curves(sums),
        "estimates": estimates(database, model, version),
        "segments": segments(database, model, version),
        "comparisons": comparisons(database, model),
        "feedback": feedback_states(database, model),
    }


def _joined(database: Database, model: str | None, version: str | None) -> list[JoinedRow]:
    """Predictions by time, ascending, each once although a client may have sent it twice."""
    names = (semconv.PREDICTION_EVENT.name, model, version, MAX_PREDICTIONS, semconv.FEEDBACK_EVENT.name)
    rows: dict[Any, JoinedRow] = {}
    for number, row in enumerate(database.stream(_JOIN, names)):
        key = number if row["prediction_id"] is None else (row["prediction_id"], row["position"])
        rows[key] = JoinedRow(
            prediction_id=row["prediction_id"] or "",
            row=row["position"],
            model=model or "",
            version=version or "",
            predicted_ns=row["time_ns"],
            label=row["label"],
            value=row["value"],
            score=row["score"],
            outcome_label=row["outcome"],
            outcome_value=row["truth"],
            outcome_ns=row["told_ns"],
        )
    return sorted(rows.values(), key=lambda each: each.predicted_ns)


def _options(rows: Sequence[JoinedRow]) -> Options:
    """Of two predicted classes a third that came true is an error, and has no place in the ranking."""
    positive = positive_class(rows)
    predicted = sorted({row.label for row in rows if row.label is not None})
    return Options(positive=positive, classes=tuple(predicted) if positive and len(predicted) == 2 else ())


def _measures(rows: Sequence[JoinedRow], options: Options) -> dict[str, Any]:
    sums = Sums.of(rows, options)
    measured = sums.measures(options)
    return {
        "predictions": sums.predictions,
        "outcomes": sums.outcomes - sums.mismatched,
        "coverage": (sums.outcomes - sums.mismatched) / sums.predictions if sums.predictions else None,
        **{name: each.value for name, each in measured.items()},
        "intervals": {
            name: [each.lower, each.upper] for name, each in measured.items() if each.lower is not None
        },
    }


def _confusion(sums: Sums) -> dict[str, Any] | None:
    if not sums.confusion.weights:
        return None
    matrix = [[round(each) for each in row] for row in sums.confusion.matrix().tolist()]
    return {"labels": sums.confusion.labels, "matrix": matrix}


def _windows(rows: Sequence[JoinedRow], options: Options, windows: int) -> list[dict[str, Any]]:
    """Windows of equal length from the first to the last prediction, empty ones included."""
    if not rows:
        return []
    first, last = rows[0].predicted_ns / 1e9, rows[-1].predicted_ns / 1e9
    width = max((last - first) / windows, 1e-6)
    groups: list[list[JoinedRow]] = [[] for _ in range(windows)]
    for row in rows:
        groups[min(int((row.predicted_ns / 1e9 - first) / width), windows - 1)].append(row)
    return [
        {"start": first + index * width, "end": first + (index + 1) * width, **_measures(group, options)}
        for index, group in enumerate(groups)
    ]

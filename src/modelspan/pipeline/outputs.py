"""From a snapshot of the answer to predicted labels, values and scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from modelspan import redaction
from modelspan.pipeline.rows import to_columns, unpacked
from modelspan.pipeline.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.snapshot import Snapshot

MAX_CLASSES = 64
"""With more classes than this the probabilities of a row are not kept."""
_LABEL_KEYS = ("label", "prediction", "predicted", "class")
_SCORE_KEYS = ("score", "probability", "proba")


class Output(NamedTuple):
    """What the rows of one answer mean; an empty field means that the answer has none."""

    labels: Sequence[str] = ()
    values: Sequence[float] = ()
    scores: Sequence[float] = ()
    """NaN where a row has none."""
    probabilities: Sequence[Sequence[float]] = ()
    """Of more than two classes: (rows, classes)."""
    classes: Sequence[str] = ()


def interpret(snapshot: Snapshot, task: str, classes: Sequence[str], limit: int) -> Output:
    """Read an answer: probabilities (rows, classes), labels, values, or a dict that names them.

    Two columns: the score is the second, the label the second class from 0.5 on. More columns: the score is
    the largest, the label its class. Whole numbers, booleans and text are labels; floats are values, unless
    `task` is binary, where they are scores. Anything else has no meaning here.
    """
    snapshot = unpacked(snapshot)
    kind, payload, _, _ = snapshot
    if payload is None:
        return Output()
    if kind == "matrix":
        return _probabilities(payload, task, classes)
    if kind == "columns" and not isinstance(payload, dict):
        names = [name for name in snapshot.names if isinstance(name, str)]
        if not {*_LABEL_KEYS, *_SCORE_KEYS, "value"} & set(names):
            return _probabilities(np.column_stack([np.asarray(c) for c in payload]), task, classes)
    if kind in ("record", "records", "columns"):
        return _named(to_columns(snapshot, (), limit), task, classes)
    if kind in ("scalar", "vector"):
        cells = [payload] if kind == "scalar" else _cells(payload)[:limit]
        return _flat(cells, task, classes)
    return Output()


def _cells(payload: Any) -> list[Any]:
    to_list = getattr(payload, "tolist", None) or getattr(payload, "to_list", None)
    return list(to_list() if to_list is not None else payload)


def _probabilities(payload: Any, task: str, classes: Sequence[str]) -> Output:
    try:
        table = np.asarray(payload, dtype=np.float64)
    except (TypeError, ValueError):  # ragged, or text: not probabilities
        return Output()
    if table.ndim != 2 or not table.shape[1]:
        return Output()
    if table.shape[1] == 1 or task == "regression":
        return _flat(table[:, 0].tolist(), task, classes)
    named = [_nth_class(classes, i) for i in range(table.shape[1])]
    safe = np.where(np.isfinite(table), table, -1.0)
    if table.shape[1] == 2:
        return Output([named[int(p >= 0.5)] for p in safe[:, 1]], (), _finite(table[:, 1].tolist()))
    best = safe.argmax(axis=1)
    scores = _finite(table[np.arange(len(best)), best].tolist())
    whole = (table.tolist(), named) if table.shape[1] <= MAX_CLASSES else ((), ())
    return Output([named[i] for i in best], (), scores, *whole)


def _nth_class(classes: Sequence[str], position: int) -> str:
    return classes[position] if position < len(classes) else str(position)


def _flat(cells: Sequence[Any], task: str, classes: Sequence[str]) -> Output:
    floats = any(isinstance(cell, float) for cell in cells)
    if task == "binary" and floats:
        scores, named = _finite(cells), (_nth_class(classes, 0), _nth_class(classes, 1))
        return Output([named[score >= 0.5] for score in scores], (), scores)
    if task == "regression" or (floats and not task):
        return Output((), _finite(cells), ())
    return Output([_label(cell, classes) for cell in cells])


def _label(cell: object, classes: Sequence[str]) -> str:
    if isinstance(cell, str):
        return redaction.active.text(clean_text(cell, 200))
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if type(cell) is int and 0 <= cell < len(classes):
        return classes[cell]
    return str(cell) if isinstance(cell, (int, float)) and abs(cell) < 2**63 else f"<{type(cell).__name__}>"


def _finite(cells: Sequence[Any]) -> list[float]:
    """Floats; NaN for what is not a finite number."""
    if set(map(type, cells)) == {float}:
        numbers = np.array(cells)
        numbers[~(np.abs(numbers) < 1e300)] = np.nan
        plain: list[float] = numbers.tolist()
        return plain
    return [
        float(c) if isinstance(c, (int, float)) and abs(c) < 1e300 and math.isfinite(c) else math.nan
        for c in cells
    ]


def _named(columns: Mapping[str, Sequence[object]], task: str, classes: Sequence[str]) -> Output:
    label = next((columns[key] for key in _LABEL_KEYS if key in columns), ())
    score = next((columns[key] for key in _SCORE_KEYS if key in columns), ())
    value = columns.get("value", ())
    scores = _finite(score)
    if not label and scores and task != "regression":
        return _flat(scores, "binary", classes)
    if task == "regression" and label and not value:
        return Output((), _finite(label), scores)
    return Output([_label(cell, classes) for cell in label], _finite(value), scores)

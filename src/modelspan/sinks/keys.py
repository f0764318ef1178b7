"""Predictions that await their truth: what the store needs to join an outcome later."""

from __future__ import annotations

import json
import logging
import math
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from modelspan.pipeline.rows import rows_of
from modelspan.pipeline.text import clean_text, clean_value
from modelspan.sinks.losses import Losses
from modelspan.store.keys import key_text
from modelspan.store.rows import Awaiting, ModelFacts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.delivery.accounting import Ledger
    from modelspan.outcome import ExpectedLoss
    from modelspan.prediction import Model, Prediction
    from modelspan.store.recorder import Recorder

logger = logging.getLogger("modelspan")

MAX_TEXT = 200
QUIET_SECONDS = 60.0


class KeySink:
    """Hands the rows of successful calls to the recorder; a call that raised has no answer to be right."""

    def __init__(self, recorder: Recorder, ledger: Ledger, cores: float = 0.5) -> None:
        self._recorder = recorder
        self._ledger = ledger
        self._losses = Losses(ledger, cores)
        self._quiet_until = 0.0

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """Rows of each call."""
        rows: list[Awaiting] = []
        expected = self._losses.of(predictions)
        for prediction in predictions:
            if prediction.failure is None:
                rows.extend(self._rows(prediction, expected.get(id(prediction), ())))
        if rows:
            self._recorder.await_truth(rows)

    def _rows(self, prediction: Prediction, expected: Sequence[ExpectedLoss]) -> list[Awaiting]:
        columns = prediction.labels, prediction.values, prediction.scores
        count = max(map(len, columns)) or 1
        if prediction.rows > 1:
            self._ledger.lose("keys", "sample_rows", max(0, prediction.rows - count))
            if not prediction.row_step:  # their positions are not known
                self._ledger.lose("keys", "sample_rows", count)
                return []
        pid = prediction.trace_id.to_bytes(16, "big") + prediction.span_id.to_bytes(8, "big")
        facts = _facts(prediction.model, prediction.target.classes)
        keys, extras = self._keys(prediction, count), _extras(prediction, count, expected)
        return [
            Awaiting(
                pid, row * prediction.row_step, facts, prediction.started_ns, _nth(columns[0], row),
                _nth(columns[1], row), _nth(columns[2], row), extras[row], keys[row],
            )
            for row in range(count)
        ]  # fmt: skip

    def _keys(self, prediction: Prediction, count: int) -> list[Any]:
        """Business keys of the rows; None for one without."""
        function = prediction.target.key
        if function is None:
            return [None] * count
        rows = rows_of(prediction.features)
        keys = [self._key(function, row) for _, row in zip(range(count), rows, strict=False)]
        return keys + [None] * (count - len(keys))

    def _key(self, function: Any, row: Mapping[str, object]) -> str | None:
        try:
            key = function(row)
            return None if key is None else key_text(key)
        except BaseException as error:  # the user's function may raise anything, SystemExit too
            self._ledger.lose("business keys", "key_function")
            if time.monotonic() >= self._quiet_until:
                self._quiet_until = time.monotonic() + QUIET_SECONDS
                logger.warning("the function key= of monitor() gave no key (%s)", type(error).__name__)
            return None


@lru_cache(maxsize=1024)
def _facts(model: Model, classes: tuple[str, ...]) -> ModelFacts:
    return ModelFacts(model.name, model.version, model.variant, model.operation, model.task, classes)


def _nth(column: Sequence[Any], row: int) -> Any:
    """Label or number of a row; None where there is none or it is NaN."""
    cell = column[row] if row < len(column) else None
    if isinstance(cell, str):
        return cell.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return float(cell) if cell is not None and math.isfinite(cell) else None


def _extras(prediction: Prediction, count: int, expected: Sequence[ExpectedLoss]) -> list[str | None]:
    """Probabilities, expected losses and segments of the rows as JSON; None for a row without."""
    found: list[dict[str, Any]] = [{} for _ in range(count)]
    for row, loss in zip(found, expected, strict=False):
        row["loss"] = [float(f"{loss.absolute:.6g}"), float(f"{loss.squared:.6g}"), int(loss.beyond)]
    for row, numbers in zip(found, prediction.probabilities, strict=False):
        if all(map(math.isfinite, numbers)):
            row["probabilities"] = dict(zip(prediction.classes, numbers, strict=True))
    for name in prediction.target.segments:
        for row, value in zip(found, prediction.features.get(name, ()), strict=False):
            plain = clean_value(value)
            if plain is not None:
                row.setdefault("segments", {})[name] = clean_text(str(plain), MAX_TEXT)
    return [json.dumps(row, ensure_ascii=False, allow_nan=False).replace("\\u0000", "") if row else None
            for row in found]  # fmt: skip

"""The `ml.prediction` events of a block as columns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from modelspan import redaction, semconv
from modelspan.delivery.otlp import layout
from modelspan.delivery.otlp.logs import LogColumns
from modelspan.pipeline.text import clean_text
from modelspan.sinks.attributes import operation_attributes

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from numpy.typing import NDArray

    from modelspan.pipeline.block import Block

_NUMBERS = frozenset((int, float))


def log_columns(block: Block, kinds: MutableMapping[tuple[str, str], type]) -> LogColumns | None:
    """The events, or None when a value is of a kind that has no column: then they go one by one.

    `kinds` remembers in which kind, number or text, a feature was first seen: a backend maps a field once.
    """
    body = _Body(block)
    features = _features(block, kinds)
    if features is None or body.pieces is None:
        return None
    numbers, texts, flags = features
    keep = block.kept
    made = LogColumns(
        event=semconv.PREDICTION_EVENT.name,
        severity=9,
        severity_text="INFO",
        body=body.pieces,
        attributes={
            **operation_attributes(block.model),
            semconv.PREDICTION_ROW: 0,
            semconv.BATCH_SIZE: 1,
        },
        numbers=[*body.numbers, *numbers],
        texts=[*body.texts, *texts],
        flags=flags,
        trace_ids=block.trace_ids,
        span_ids=block.span_ids,
        time_ns=block.ended_ns,
        observed_ns=time.time_ns(),
        sampled=block.sampled,
    )
    return made if keep.all() else made.only(keep)


class _Body:
    """What was predicted: the pieces of the body, and the attributes for it."""

    def __init__(self, block: Block) -> None:
        self.numbers: list[tuple[str, NDArray[np.float64]]] = []
        self.texts: list[tuple[str, layout.Column]] = []
        model, output = block.model, block.output
        head = f"{model.name} {model.operation}: ".encode("utf-8", "replace")
        self.pieces: list[bytes | layout.Column] | None = [head]
        if len(output.labels):
            labels = layout.texts(output.labels)
            self._say(labels)
            if labels is not None:
                self.texts.append((semconv.PREDICTION_LABEL, labels))
        for name, column in (
            (semconv.PREDICTION_VALUE, output.values),
            (semconv.PREDICTION_SCORE, block.scores),
        ):
            if len(column):
                values = np.asarray(column, np.float64)
                self._say(_text(values))
                self.numbers.append((name, values))
        if self.pieces is not None and len(self.pieces) == 1:
            self._say(layout.texts(["done"] * len(block)))

    def _say(self, column: layout.Column | None) -> None:
        if column is None or self.pieces is None:
            self.pieces = None
        else:
            self.pieces += [b" ", column] if len(self.pieces) > 1 else [column]


def _text(values: NDArray[np.float64]) -> layout.Column | None:
    """Values as the body shows them; None when one is not finite: the body of that one is shorter."""
    if not np.isfinite(values).all():
        return None
    if values.min() >= 0 and values.max() <= 1:
        return layout.fractions(values)
    return layout.unlike([b"%.4f" % v if 0 <= v <= 1 else b"%.4g" % v for v in values.tolist()])


def _features(block: Block, kinds: Any) -> tuple[list[Any], list[Any], list[Any]] | None:
    """The listed features as numbers, texts and flags; None when one is of no such kind throughout."""
    found: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    for name in block.model.log_features:
        if name in block.features:
            # what comes of a rule for this name may have another type: one by one
            column = None if redaction.active.touches(name) else _column(name, block.features[name])
            if column is None:
                return None
            kind, values = column
            if kinds.setdefault((block.model.name, name), kind) is kind:
                place = (float, str, bool).index(kind)
                found[place].append((semconv.FEATURE_PREFIX + name, values))
    return found


def _column(name: str, values: Sequence[object] | NDArray[Any]) -> tuple[type, Any] | None:
    if isinstance(values, np.ndarray):
        return (float, values.astype(np.float64, copy=False)) if values.dtype.kind == "f" else None
    types = set(map(type, values))
    if types <= _NUMBERS:
        try:
            return float, np.array(values, np.float64)
        except OverflowError:
            return None
    if types == {bool}:
        return bool, np.array(values, bool)
    if types == {str}:
        redact = redaction.active.value
        column = layout.texts([redact(name, clean_text(str(value), layout.MAX_TEXT + 1)) for value in values])
        return (str, column) if column is not None else None
    return None

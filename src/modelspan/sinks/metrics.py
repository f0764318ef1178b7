"""Duration, count and score of the calls, with exemplars that lead to the trace."""

from __future__ import annotations

from collections import Counter as Tally
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from modelspan import semconv
from modelspan.sinks.attributes import error_type, operation_attributes, outcome_attributes
from modelspan.sinks.series_limit import OVERFLOW, admitted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from modelspan.pipeline.block import Block
    from modelspan.prediction import Model, Prediction
    from modelspan.sinks.histograms import Recorder


class MetricSink:
    """Adds up on the worker what the instruments of `semconv` promise."""

    def __init__(
        self, meter: Meter, duration: Recorder, score: Recorder, active: Callable[[], Iterable[Model]]
    ) -> None:
        self._duration, self._score = duration, score
        self._rows: Tally[tuple[Model, str] | None] = Tally()
        self._active = active
        self._seen: set[Model] = set()
        predictions, running = semconv.PREDICTIONS, semconv.ACTIVE
        meter.create_observable_counter(
            predictions.name, [self._observe_rows], predictions.unit, predictions.description
        )
        meter.create_observable_up_down_counter(
            running.name, [self._observe_active], running.unit, running.description
        )

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """Count calls one by one."""
        groups: dict[tuple[Model, str], list[Prediction]] = {}
        for prediction in predictions:
            groups.setdefault((prediction.model, error_type(prediction)), []).append(prediction)
        for (model, kind), group in groups.items():
            self._add(model, kind, group)

    def _add(self, model: Model, kind: str, group: Sequence[Prediction]) -> None:
        self._rows[admitted((model, kind), self._rows)] += sum(prediction.rows for prediction in group)
        seconds = np.array([prediction.seconds for prediction in group])
        self._duration.record(seconds, outcome_attributes(model, kind), lambda i: _ids(group[i]))
        of_score = [prediction for prediction in group for _ in prediction.scores]
        scores = np.array([score for prediction in group for score in prediction.scores])
        self._add_scores(model, scores, lambda i: _ids(of_score[i]))

    def take_block(self, block: Block) -> None:
        """Count the calls of a block."""
        self._rows[admitted((block.model, ""), self._rows)] += len(block)
        sampled = block.sampled
        trace_of = partial(_block_ids, block, sampled)
        self._duration.record(block.seconds, outcome_attributes(block.model, ""), trace_of)
        self._add_scores(block.model, block.scores, trace_of)

    def _add_scores(self, model: Model, scores: Any, trace_of: Callable[[int], Any]) -> None:
        finite = np.flatnonzero(np.isfinite(scores)) if len(scores) else np.array([], np.intp)
        if len(finite):
            self._score.record(
                scores[finite], operation_attributes(model), lambda i: trace_of(int(finite[i]))
            )

    def _observe_rows(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [
            Observation(count, OVERFLOW if key is None else outcome_attributes(*key))
            for key, count in list(self._rows.items())
        ]

    def _observe_active(self, _options: CallbackOptions) -> Iterable[Observation]:
        """Running calls; a model that was ever seen running stays, with 0."""
        running = Tally(self._active())
        self._seen.update(running)
        return [Observation(running[model], operation_attributes(model)) for model in self._seen]


def _ids(prediction: Prediction) -> tuple[int, int] | None:
    return (prediction.trace_id, prediction.span_id) if prediction.sampled else None


def _block_ids(block: Block, sampled: Any, index: int) -> tuple[int, int] | None:
    if not sampled[index]:
        return None
    trace, span = block.trace_ids[index].tobytes(), block.span_ids[index].tobytes()
    return int.from_bytes(trace, "big"), int.from_bytes(span, "big")

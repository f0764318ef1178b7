"""Values of the features and the score by bin of the reference: counts that only grow, and what they feed."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from modelspan import semconv
from modelspan.drift.feature import Counts, FeatureReference
from modelspan.guard import guard
from modelspan.sinks.attributes import model_attributes

if TYPE_CHECKING:
    from modelspan.pipeline.target import Target
    from modelspan.prediction import Model, Prediction

MAX_SERIES_FEATURES = 20
"""Features that get an `ml.feature.observations` series for each bin; drift looks at all of them."""
RECENT = 256
"""Predictions kept as evidence: their trace ids lead from a bin that grew to what fell into it."""
SCORE_NAME = "score"


@dataclass(slots=True)
class Tracked:
    """What is known of one model: its reference columns, sums since the start, and recent predictions."""

    target: Target
    columns: dict[str, FeatureReference]
    sums: dict[str, Counts]
    recent: deque[Prediction] = field(default_factory=lambda: deque(maxlen=RECENT))


CountsListener = Callable[[Tracked, Mapping[str, Counts]], None]


class FeatureSink:
    """Counts each drain once and hands the counts on; a failed call's inputs are not counted."""

    def __init__(self, meter: Meter, listener: CountsListener) -> None:
        self._tracked: dict[Model, Tracked] = {}
        self._listener = listener
        seen, missing = semconv.FEATURE_OBSERVATIONS, semconv.FEATURE_MISSING
        meter.create_observable_counter(seen.name, [self._observe_bins], seen.unit, seen.description)
        meter.create_observable_counter(
            missing.name, [self._observe_missing], missing.unit, missing.description
        )

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """Count the features and scores of successful calls of models that have a reference."""
        groups: dict[Model, list[Prediction]] = {}
        for prediction in predictions:
            if prediction.failure is None and prediction.target is not None and prediction.target.reference:
                groups.setdefault(prediction.model, []).append(prediction)
        for model, group in groups.items():
            with guard("counting features"):
                self._count(self._track(model, group[0].target), group)

    def _track(self, model: Model, target: Target) -> Tracked:
        found = self._tracked.get(model)
        if found is None:
            reference: Any = target.reference
            columns = dict(reference.features)
            if reference.score is not None:
                columns[SCORE_NAME] = reference.score
            sums = {name: column.counts * 0 for name, column in columns.items()}
            found = self._tracked[model] = Tracked(target, columns, sums)
        return found

    def _count(self, tracked: Tracked, group: Sequence[Prediction]) -> None:
        tracked.recent.extend(group)
        counts = {name: column.count(_values(name, group)) for name, column in tracked.columns.items()}
        for name, counted in counts.items():
            tracked.sums[name] = tracked.sums[name] + counted
        self._listener(tracked, counts)

    def _observe_bins(self, _options: CallbackOptions) -> Iterable[Observation]:
        for model, tracked in list(self._tracked.items()):
            for name in list(tracked.columns)[:MAX_SERIES_FEATURES]:
                attributes = {**model_attributes(model), semconv.FEATURE_NAME: name}
                labels = tracked.columns[name].labels
                for label, count in zip(labels, tracked.sums[name].tolist(), strict=True):
                    yield Observation(count, {**attributes, semconv.FEATURE_BIN: label})

    def _observe_missing(self, _options: CallbackOptions) -> Iterable[Observation]:
        for model, tracked in list(self._tracked.items()):
            for name, sums in tracked.sums.items():
                yield Observation(int(sums[-1]), {**model_attributes(model), semconv.FEATURE_NAME: name})


def _values(name: str, group: Sequence[Prediction]) -> list[object]:
    """The sampled values of one column over several calls; a call without it counts as missing."""
    values: list[object] = []
    for prediction in group:
        values.extend(_column(name, prediction))
    return values


def _column(name: str, prediction: Prediction) -> Sequence[object]:
    if name in prediction.features:
        return prediction.features[name]
    if name == SCORE_NAME:
        return [v for v in prediction.scores or prediction.values if math.isfinite(v)]
    sampled = len(next(iter(prediction.features.values()), ()))
    return [None] * max(1, sampled)

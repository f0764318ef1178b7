"""Values of the features and the score by bin of the reference: counts that only grow, and what they feed."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from modelspan import semconv
from modelspan.drift.batch import count_all
from modelspan.drift.feature import Counts, FeatureReference
from modelspan.guard import guard
from modelspan.sinks.attributes import model_attributes
from modelspan.sinks.bin_series import BinSeries, Limits, choose, reference_id
from modelspan.sinks.series_limit import MAX_SERIES
from modelspan.snapshot import MAX_COLUMNS

if TYPE_CHECKING:
    from modelspan.drift.reference import Reference
    from modelspan.pipeline.block import Block
    from modelspan.pipeline.target import Target
    from modelspan.prediction import Model, Prediction

logger = logging.getLogger("modelspan")

RECENT = 256
"""Predictions kept as evidence: their trace ids lead from a bin that grew to what fell into it."""
EVIDENCE = 32
"""Of a block only so many of its last predictions: describing one costs as much as counting a hundred."""
SCORE_NAME = "score"
PREDICTION_NAME = "prediction"
USUAL_SERIES = 21 * 21
"""20 features and the score with 20 bins each and the missing: what the default settings may cost."""


@dataclass(slots=True)
class Tracked:
    """What is known of one model: its reference columns, sums since the start, and recent predictions."""

    target: Target
    columns: dict[str, FeatureReference]
    sums: dict[str, Counts]
    series: dict[str, BinSeries]
    """Columns whose bins are exported; drift in this process looks at all columns."""
    reference_id: str
    recent: deque[Prediction] = field(default_factory=lambda: deque(maxlen=RECENT))


CountsListener = Callable[[Tracked, Mapping[str, Counts], int], None]
"""Called with the counts of rows of one cell of the reference's season."""
ValuesListener = Callable[[Tracked, Mapping[str, Counts], Mapping[str, Any]], None]


class FeatureSink:
    """Counts each drain once and hands the counts on; a failed call's inputs are not counted."""

    def __init__(
        self,
        meter: Meter,
        listener: CountsListener,
        limits: Limits | None = None,
        values_listener: ValuesListener | None = None,
    ) -> None:
        self._tracked: dict[Model, Tracked] = {}
        self._listener = listener
        self._values_listener = values_listener
        self._limits = limits or Limits()
        seen, missing, before = (
            semconv.FEATURE_OBSERVATIONS, semconv.FEATURE_MISSING, semconv.FEATURE_REFERENCE,
        )  # fmt: skip
        meter.create_observable_counter(seen.name, [self._observe_bins], seen.unit, seen.description)
        meter.create_observable_counter(
            missing.name, [self._observe_missing], missing.unit, missing.description
        )
        meter.create_observable_gauge(before.name, [self._observe_reference], before.unit, before.description)

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """Count the features and scores of successful calls of models that have a reference."""
        groups: dict[tuple[Model, int], list[Prediction]] = {}
        for prediction in predictions:
            if prediction.failure is None and prediction.target is not None and prediction.target.reference:
                cell = _cell(prediction.target, prediction.started_ns)
                groups.setdefault((prediction.model, cell), []).append(prediction)
        for (model, cell), group in groups.items():
            with guard("counting features"):
                self._count(self._track(model, group[0].target), group, cell)

    def take_block(self, block: Block) -> None:
        """Count the features and scores of a block."""
        if block.target.reference is None:
            return
        cell, last = (_cell(block.target, int(pick(block.started_ns))) for pick in (np.min, np.max))
        if cell != last:  # an hour has begun within a drain: once in an hour
            self(block.predictions)
            return
        with guard("counting features"):
            tracked = self._track(block.model, block.target)
            tracked.recent.extend(block.last(EVIDENCE))
            values = {n: _block_values(n, c, block) for n, c in tracked.columns.items()}
            self._add(tracked, count_all(tracked.columns, values), values, cell)

    def _track(self, model: Model, target: Target) -> Tracked:
        found = self._tracked.get(model)
        if found is None:
            reference: Any = target.reference
            columns = _read(reference)
            if reference.score is not None:
                columns[SCORE_NAME] = reference.score
            if reference.prediction is not None:
                columns[PREDICTION_NAME] = reference.prediction
            sums = {name: column.counts * 0 for name, column in columns.items()}
            room = MAX_SERIES - sum(_series(other) for other in self._tracked.values())
            series = choose(columns, SCORE_NAME, self._limits, room)
            found = Tracked(target, columns, sums, series, reference_id(series))
            self._tracked[model] = found
            self._warn(model, found)
        return found

    def _warn(self, model: Model, tracked: Tracked) -> None:
        """Once per model: say how many time series it costs, if that is more or less than one expects."""
        held = {each.column for each in tracked.target.reference.features.values()}  # type: ignore[union-attr]  # tracked for it
        if len(held) > MAX_COLUMNS:
            logger.warning(
                "model %s: only the first %d of the %d columns of its reference are looked at, no more of a "
                "call is read; build it with features=[...], those that matter",
                model.name, MAX_COLUMNS, len(held),
            )  # fmt: skip
        left = len(tracked.columns) - len(tracked.series)
        count = _series(tracked)
        if self._limits.features and (left or count > USUAL_SERIES):
            logger.warning(
                "model %s: %d time series of bins per process, and as many of its reference; "
                "%d of %d columns have none (fleet_features=%d, at most %d series in a process)",
                model.name, count, left, len(tracked.columns), self._limits.features, MAX_SERIES,
            )  # fmt: skip

    def _count(self, tracked: Tracked, group: Sequence[Prediction], cell: int) -> None:
        tracked.recent.extend(group)
        values = {n: _values(n, c, group) for n, c in tracked.columns.items()}
        self._add(tracked, {n: c.count(values[n]) for n, c in tracked.columns.items()}, values, cell)

    def _add(
        self, tracked: Tracked, counts: Mapping[str, Counts], values: Mapping[str, Any], cell: int
    ) -> None:
        for name, counted in counts.items():
            tracked.sums[name] = tracked.sums[name] + counted
        self._listener(tracked, counts, cell)
        if self._values_listener is not None:
            with guard("checking data quality"):
                self._values_listener(tracked, counts, values)

    def _observe_bins(self, _options: CallbackOptions) -> Iterable[Observation]:
        for model, tracked in list(self._tracked.items()):
            for name, series in tracked.series.items():
                attributes = _column_attributes(model, tracked, name)
                counts = series.fold(tracked.sums[name]).tolist()
                for label, count in zip(series.labels, counts, strict=True):
                    yield Observation(count, {**attributes, semconv.FEATURE_BIN: label})

    def _observe_reference(self, _options: CallbackOptions) -> Iterable[Observation]:
        for model, tracked in list(self._tracked.items()):
            reference = tracked.target.reference
            season = {semconv.REFERENCE_SEASON: "week"} if reference and reference.season else {}
            for name, series in tracked.series.items():
                attributes = {**_column_attributes(model, tracked, name), **season}
                for index, label in enumerate(series.labels):
                    place = {semconv.FEATURE_BIN_INDEX: f"{index:02d}"} if series.ordered else {}
                    yield Observation(
                        int(series.counts[index]), {**attributes, semconv.FEATURE_BIN: label, **place}
                    )

    def _observe_missing(self, _options: CallbackOptions) -> Iterable[Observation]:
        for model, tracked in list(self._tracked.items()):
            for name, sums in tracked.sums.items():
                yield Observation(int(sums[-1]), {**model_attributes(model), semconv.FEATURE_NAME: name})


def _read(reference: Reference) -> dict[str, FeatureReference]:
    """The features whose column is among those that are read of a call."""
    read = set(islice(dict.fromkeys(each.column for each in reference.features.values()), MAX_COLUMNS))
    return {name: each for name, each in reference.features.items() if each.column in read}


def _cell(target: Target, started_ns: int) -> int:
    """The cell of the season that a prediction belongs to."""
    season = target.reference.season if target.reference else None
    return season.at(started_ns) if season else 0


def _series(tracked: Tracked) -> int:
    return sum(len(series.labels) for series in tracked.series.values())


def _column_attributes(model: Model, tracked: Tracked, name: str) -> dict[str, str]:
    return {
        **model_attributes(model),
        semconv.REFERENCE_ID: tracked.reference_id,
        semconv.FEATURE_NAME: name,
    }


def _values(name: str, column: FeatureReference, group: Sequence[Prediction]) -> list[object]:
    """The sampled values of one feature over several calls; a call without it counts as missing."""
    return [value for prediction in group for value in values_of(name, column, prediction)]


def _block_values(name: str, column: FeatureReference, block: Block) -> Any:
    """The values of one feature in a block; calls without it count as missing."""
    if column.column in block.features:
        return block.features[column.column]
    if name == SCORE_NAME:
        scores = block.scores if len(block.scores) else np.asarray(block.output.values, np.float64)
        return scores[np.isfinite(scores)]
    if name == PREDICTION_NAME:
        return block.output.labels
    return [None] * len(block)


def values_of(name: str, column: FeatureReference, prediction: Prediction) -> Sequence[object]:
    """The sampled values of one call that a feature counts."""
    if column.column in prediction.features:
        return prediction.features[column.column]
    if name == SCORE_NAME:
        return [v for v in prediction.scores or prediction.values if math.isfinite(v)]
    if name == PREDICTION_NAME:
        return prediction.labels
    sampled = len(next(iter(prediction.features.values()), ()))
    return [None] * max(1, sampled)

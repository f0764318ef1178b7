"""Streaming detectors on signals of a model: features, score, predicted value, error and loss."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.metrics import CallbackOptions, Observation

from modelspan import semconv
from modelspan.delivery.logs import INFO, WARN, Emit, LogEvent
from modelspan.guard import guard
from modelspan.prediction import parse_prediction_id
from modelspan.sinks.attributes import model_attributes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from modelspan.drift.detectors import Detector
    from modelspan.outcome import JoinedRow
    from modelspan.pipeline.block import Block
    from modelspan.prediction import Model, Prediction
    from modelspan.sinks.alarms import Alert

SCORE, VALUE, ERROR, LOSS, FEATURES = "score", "value", "error", "loss", "features"
"""Signals that are no feature. A feature of such a name cannot have a detector."""
REMEMBERED: Final = 100_000
"""Predicted rows of models with a detector of error or loss that wait for their outcome in this process."""
_LEAST: Final = 1e-15


class _Told(NamedTuple):
    """What one row was predicted to be."""

    model: Model
    trace_id: int
    classes: Sequence[str]
    label: str | None
    value: float | None
    score: float | None


@dataclass(slots=True)
class _Watched:
    """A detector on one signal; its alarm is over after a window's rows without another drift."""

    detector: Detector
    window_rows: int
    calm: int | None = None
    traces: list[str] = field(default_factory=list)

    def update(self, value: Any) -> str | None:
        """``open`` or ``closed`` when the value changes the alarm."""
        self.detector.update(value)
        if self.detector.drifted:
            self.detector.reset()
            was, self.calm = self.calm, 0
            return "open" if was is None else None
        if self.calm is None:
            return None
        self.calm += 1
        if self.calm < self.window_rows:
            return None
        self.calm = None
        return "closed"


class DetectorSink:
    """Feeds the detectors that `monitor` was given, on the worker.

    Error and loss need the outcome. With a store it comes from there, on the thread that follows the store
    (`learn`); without one, feedback that is given in this process, for one of its latest 100,000 rows, is
    joined in memory. Failed calls and missing values are no values of a signal.
    """

    def __init__(self, emit: Emit, alert: Alert | None = None, *, stored: bool = False) -> None:
        self._stored = stored
        self._forward = emit
        self._alert = alert
        self._watched: dict[Model, dict[str, _Watched]] = {}
        self._outcomes: deque[Mapping[str, Any]] = deque(maxlen=REMEMBERED)
        self._told: OrderedDict[tuple[str, int], _Told] = OrderedDict()

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """Feed what is known when a call ends; remember what waits for its outcome."""
        self._take(predictions)
        while self._outcomes:
            with guard("joining feedback for detectors"):
                self._join(self._outcomes.popleft())

    def take_block(self, block: Block) -> None:
        """The same of a block, if its function has detectors."""
        if block.target.detectors:
            self._take(block.predictions)

    def _take(self, predictions: Sequence[Prediction]) -> None:
        for prediction in predictions:
            detectors = getattr(prediction.target, "detectors", None)
            if not detectors or prediction.failure is not None:
                continue
            rows = prediction.target.drift_window
            watched = self._watched.setdefault(
                prediction.model, {name: _Watched(each, rows) for name, each in detectors.items()}
            )
            for signal in watched.keys() - {ERROR, LOSS}:
                with guard(f"running the detector of {signal}"):
                    for value in _values(signal, prediction):
                        self._feed(prediction.model, prediction.trace_id, signal, value)
            if not self._stored and watched.keys() & {ERROR, LOSS}:
                self._remember(prediction)

    def emit(self, event: LogEvent) -> None:
        """Send a log event; keep a feedback until the predictions of the same drain are known."""
        if not self._stored and event.event == semconv.FEEDBACK_EVENT.name:
            self._outcomes.append(event.attributes)
        self._forward(event)

    @property
    def wants_outcomes(self) -> bool:
        """Whether a detector of this process looks at error or loss."""
        return any(watched.keys() & {ERROR, LOSS} for watched in list(self._watched.values()))

    def learn(self, row: JoinedRow) -> None:
        """Feed the error and the loss of a row of the store whose outcome has become known."""
        named = (row.model, row.version, row.variant)
        for model in list(self._watched):
            if (model.name, model.version, model.variant) == named:
                trace_id, _ = parse_prediction_id(row.prediction_id)
                told = _Told(model, trace_id, row.classes, row.label, row.value, row.score)
                self._compare(told, row.outcome_label, row.outcome_value)

    def observe(self, _options: CallbackOptions) -> Iterable[Observation]:
        """1 while a detector's alarm is open, else 0."""
        for model, watched in list(self._watched.items()):
            for signal, each in watched.items():
                yield Observation(int(each.calm is not None), _names(model, signal, each.detector))

    def _remember(self, prediction: Prediction) -> None:
        labels, values, scores = prediction.labels, prediction.values, prediction.scores
        for row in range(max(len(labels), len(values))):
            self._told[prediction.id, row] = _Told(
                prediction.model,
                prediction.trace_id,
                prediction.target.classes,
                labels[row] if row < len(labels) else None,
                values[row] if row < len(values) else None,
                scores[row] if row < len(scores) else None,
            )
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)

    def _join(self, attributes: Mapping[str, Any]) -> None:
        key = (str(attributes.get(semconv.PREDICTION_ID)), int(attributes.get(semconv.PREDICTION_ROW, 0)))
        told = self._told.pop(key, None)
        if told is None:
            return
        self._compare(told, attributes.get(semconv.OUTCOME_LABEL), attributes.get(semconv.OUTCOME_VALUE))

    def _compare(self, told: _Told, label: str | None, value: float | None) -> None:
        found = {ERROR: _error(told, label, value), LOSS: _loss(told, label, value)}
        for signal in self._watched[told.model].keys() & found.keys():
            if found[signal] is not None:
                with guard(f"running the detector of {signal}"):
                    self._feed(told.model, told.trace_id, signal, found[signal])

    def _feed(self, model: Model, trace_id: int, signal: str, value: Any) -> None:
        watched = self._watched[model][signal]
        state = watched.update(value)
        if state is not None:
            self._announce(model, trace_id, signal, watched.detector, state)

    def _announce(self, model: Model, trace_id: int, signal: str, detector: Detector, state: str) -> None:
        said = f"{signal} {'drifted' if state == 'open' else 'is back'}, says {detector.name}"
        attributes = {
            **_names(model, signal, detector),
            semconv.DRIFT_STATE: state,
            semconv.DRIFT_RULE: detector.name,
            semconv.DRIFT_TRACES: [f"{trace_id:032x}"] if state == "open" else [],
        }
        severity = WARN if state == "open" else INFO
        event = semconv.DRIFT_EVENT.name
        self._forward(LogEvent(event=event, body=said, severity=severity, attributes=attributes))
        if self._alert is not None:
            self._alert(event, {"summary": said, "state": state, **attributes})


def _names(model: Model, signal: str, detector: Detector) -> dict[str, Any]:
    """Model and signal; with the detector in the name, for the calibrated rule watches the feature too."""
    return {**model_attributes(model), semconv.FEATURE_NAME: f"{signal} ({detector.name})"}


def _values(signal: str, prediction: Prediction) -> Iterator[Any]:
    if signal == FEATURES:
        names = prediction.target.feature_names or tuple(prediction.features)
        yield from zip(*(prediction.features.get(name, ()) for name in names), strict=False)
        return
    special = {SCORE: prediction.scores, VALUE: prediction.values}
    for value in special.get(signal, prediction.features.get(signal, ())):
        if value is not None and not (isinstance(value, float) and not math.isfinite(value)):
            yield value


def _error(told: _Told, label: str | None, value: float | None) -> float | None:
    """1 for a wrong class and 0 for the right one; for numbers how far off, without the sign."""
    if label is not None and told.label is not None:
        return float(label != told.label)
    return abs(value - told.value) if value is not None and told.value is not None else None


def _loss(told: _Told, label: str | None, value: float | None) -> float | None:
    """The squared error of a number; of a class the log loss of its score, in nats.

    The score is that of the positive class, the last of `classes`, or of the predicted one.
    """
    if value is not None and told.value is not None:
        return (value - told.value) ** 2
    if label is None or told.label is None or told.score is None or not 0 <= told.score <= 1:
        return None
    scored = told.classes[-1] if len(told.classes) == 2 else told.label
    chance = told.score if label == scored else 1 - told.score
    return -math.log(max(chance, _LEAST))

"""One run of training: a span of its own, spans of its epochs as children, metrics that lead to them."""

from __future__ import annotations

import math
import secrets
import time
from typing import TYPE_CHECKING, Any, Final, Self

from opentelemetry import trace

from modelspan import _setup, semconv
from modelspan.delivery.logs import ERROR, LogEvent
from modelspan.errors import ConfigError
from modelspan.guard import guard
from modelspan.integrations.instruments import instruments
from modelspan.integrations.parts import Part, context_of, span_maker
from modelspan.pipeline.text import clean_text, told_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelspan._runtime import Runtime
    from modelspan.semconv import Metric

Measured = tuple["Metric", float, dict[str, str]]
"""A metric, its value and what it is about, beside the model."""

MAX_SCORES: Final = 50
MAX_TOLD: Final = 20
"""Events of an epoch; values that are not finite are counted all the same."""
OTHER: Final = "other"
_COST: Final = 1024
_SOURCES: Final = {
    semconv.TRAINING_LOSS.name: "loss",
    semconv.TRAINING_SCORE.name: "score",
    semconv.LEARNING_RATE.name: "learning_rate",
    semconv.GRADIENT_NORM.name: "gradient",
    semconv.LAYER_GRADIENT_NORM.name: "gradient",
    semconv.ACTIVATION_MEAN.name: "activation",
    semconv.ACTIVATION_SD.name: "activation",
}


class TrainingRun:
    """Tells of one training; the callbacks of all frameworks are made of it.

    No method raises once the run is made, and none waits: spans and metrics are made on the worker thread.
    It pickles, so that a worker process may tell of its part; the span of the run is ended where it was made.
    """

    def __init__(self, *, model: str, version: str = "", variant: str = "", framework: str = "") -> None:
        """`model`, `version`, `variant` as for `monitor`.

        Raises:
            ConfigError: If `model` is no text or empty.
        """
        if not isinstance(model, str) or not model:
            raise ConfigError(f"model={model!r:.60} must be a non-empty text: the name of what is trained")
        pairs = (
            (semconv.MODEL_NAME, model), (semconv.MODEL_VERSION, version), (semconv.MODEL_VARIANT, variant),
        )  # fmt: skip
        self._model = {name: clean_text(str(value), 200) for name, value in pairs if value}
        self._framework = framework
        self._run: Part | None = None
        self._part: Part | None = None
        self._sampled = False
        self._scores: set[str] = set()
        self._told: set[tuple[str, ...]] = set()
        self._steps = 0
        self._epoch = -1

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.end(kind)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self._run is not None:  # a sampler's decision need not pickle, and is wanted here only
            state["_run"] = Part(
                self._run.operation, self._run.parent, self._run.ids, {}, self._run.started_ns
            )
        return state

    @property
    def trace_id(self) -> str:
        """Trace id of the run in hexadecimal; empty before it has started."""
        return f"{self._run.ids[0]:032x}" if self._run is not None else ""

    def start(self) -> None:
        """Begin the run, below the current span if there is one; one that still runs is ended first."""
        if self._run is not None:
            self.end(None)
        with guard("starting a run of training"):
            self._start()

    def _start(self) -> None:
        runtime = _runtime()
        if runtime is None:
            return
        current = trace.get_current_span().get_span_context()
        parent = (current.trace_id, current.span_id, current.trace_flags.sampled)
        trace_id = current.trace_id if current.is_valid else secrets.randbits(128) or 1
        named = {semconv.MODEL_FRAMEWORK: self._framework} if self._framework else {}
        run = Part(semconv.TRAIN, parent, (trace_id, secrets.randbits(64) or 1), named)
        run.sampling = runtime.spans.decide(context_of(parent), trace_id, self._name(run))
        self._sampled = run.sampling.decision.is_sampled()
        self._steps, self._epoch = 0, -1
        self._scores, self._told = set(), set()
        self._run = run

    def begin(self, operation: str = semconv.EPOCH) -> None:
        """An epoch begins, or another part; one that is not over ends here."""
        with guard("beginning a part of training"):
            if self._part is not None:
                self.finish(None)
            if self._run is None:
                return
            self._told = set()
            self._part = Part(
                operation, (*self._run.ids, self._sampled), (self._run.ids[0], secrets.randbits(64) or 1), {}
            )
            if operation == semconv.EPOCH:
                self._epoch += 1
                self._part.attributes[semconv.TRAINING_EPOCH] = self._epoch

    def finish(self, error: type[BaseException] | None, **attributes: Any) -> None:
        """The epoch or part is over; `attributes` by the names of `semconv`."""
        part, self._part = self._part, None
        if part is not None:
            part.attributes.update(attributes)
            self._send(part, error)

    def end(self, error: type[BaseException] | None) -> None:
        """The run is over, and what is open of it."""
        self.finish(error)
        run, self._run = self._run, None
        if run is not None:
            self._send(run, error)

    def count(self, steps: int) -> None:
        """So many steps more have been taken."""
        self._steps += steps
        if steps:
            self.record([(semconv.TRAINING_STEP_COUNT, steps, {})])

    def loss(self, value: Any, phase: str = "train") -> None:
        """A loss; anything that `float()` takes. NaN and infinity become an event and a count."""
        with guard("reading a loss"):
            self.record([(semconv.TRAINING_LOSS, float(value), {semconv.TRAINING_PHASE: phase})])

    def score(self, name: str, value: Any, phase: str = "validation") -> None:
        """A score by the user's name; past 50 names of a run they are `other`."""
        with guard("reading a score"):
            name = clean_text(str(name), 100)
            if name not in self._scores and len(self._scores) >= MAX_SCORES:
                name = OTHER
            self._scores.add(name)
            about = {semconv.TRAINING_PHASE: phase, semconv.TRAINING_METRIC: name}
            self.record([(semconv.TRAINING_SCORE, float(value), about)])

    def record(self, measured: Iterable[Measured]) -> None:
        """Values of metrics; those that are not finite are told of and never exported."""
        with guard("recording a step of training"):
            run = self._run
            if run is None:
                return
            finite = []
            for each in measured:
                if math.isfinite(each[1]):
                    finite.append(each)
                    self._keep(*each)
                else:
                    self._not_finite(*each)
            self._set(finite)

    def _set(self, measured: list[Measured]) -> None:
        runtime = _runtime()
        if not measured or runtime is None or self._run is None:
            return
        ids = (self._part or self._run).ids
        context = context_of((*ids, self._sampled))

        def update() -> None:
            made = instruments(runtime.meter)
            for metric, value, about in measured:
                made.record(metric, value, {**self._model, **about}, context)

        runtime.queue.put(update, _COST, "metrics")

    def _keep(self, metric: Metric, value: float, about: dict[str, str]) -> None:
        """The newest loss and scores, for the span of the epoch and of the run."""
        if metric.name == semconv.TRAINING_LOSS.name:
            name = "loss"
        elif metric.name == semconv.TRAINING_SCORE.name:
            name = about[semconv.TRAINING_METRIC]
        else:
            return
        phase = about[semconv.TRAINING_PHASE]
        key = semconv.TRAINING_VALUE_PREFIX + (name if phase == "train" else f"{phase}.{name}")
        for part in (self._part, self._run):
            if part is not None:
                part.attributes[key] = value

    def _not_finite(self, metric: Metric, value: float, about: dict[str, str]) -> None:
        source = {semconv.TRAINING_SOURCE: _SOURCES.get(metric.name, metric.name)}
        self._set([(semconv.NONFINITE, 1, source)])
        key = (*source.values(), *about.values())
        runtime, run = _runtime(), self._run
        if key in self._told or len(self._told) >= MAX_TOLD or runtime is None or run is None:
            return
        self._told.add(key)
        place = {semconv.TRAINING_STEP: self._steps}
        if self._epoch >= 0:
            place[semconv.TRAINING_EPOCH] = self._epoch
        where = " ".join([*source.values(), *about.values()])
        kind = "NaN" if math.isnan(value) else "infinite"
        trace_id, span_id = (self._part or run).ids
        event = LogEvent(
            event=semconv.NONFINITE_EVENT.name, severity=ERROR, trace_id=trace_id, span_id=span_id,
            body=told_text(f"{where} became {kind} after {self._steps} steps, epoch {max(0, self._epoch)}"),
            attributes={**self._model, **source, **about, **place}, sampled=self._sampled,
        )  # fmt: skip
        runtime.queue.put(lambda: runtime.emit_log(event), _COST, "logs")

    def _name(self, part: Part) -> str:
        return semconv.span_name(part.operation, self._model[semconv.MODEL_NAME])

    def _send(self, part: Part, error: type[BaseException] | None) -> None:
        with guard("ending a part of training"):
            runtime = _runtime()
            if runtime is not None:
                ended_ns = time.time_ns()
                attributes = {**self._model, **part.attributes}
                if error is not None:
                    attributes[semconv.ERROR_TYPE] = error.__name__
                make = span_maker(runtime, part, self._name(part), attributes, ended_ns)
                runtime.queue.put(make, _COST, "spans")


def _runtime() -> Runtime | None:
    return _setup.current or _setup.start()

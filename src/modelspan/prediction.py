"""The one event of the pipeline: an immutable description of one finished call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The exception that ended a call, already turned into bounded text."""

    type: str
    """Class name, with the module unless it is a builtin."""
    message: str
    stacktrace: str
    exception: BaseException | None = None
    """The object itself, for Sentry; dropped after the sinks ran."""
    cancelled: bool = False
    """Cancellation, KeyboardInterrupt, SystemExit: not a defect of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What `monitor` was told about a decorated function; shared by all its predictions."""

    name: str
    version: str = ""
    variant: str = ""
    operation: str = "predict"
    task: str = ""
    """binary, multiclass, regression, or empty when unknown."""
    framework: str = ""
    log_features: tuple[str, ...] = ()
    """Features whose values may leave the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One call of a decorated function: what went in, what came out, how long it took."""

    model: Model
    target: Any = field(default=None, repr=False)
    """What `monitor` resolved besides: the reference and the drift window."""
    trace_id: int
    span_id: int
    context: object = None
    """The OpenTelemetry context in which the function was called; the parent span is in it."""
    sampling: Any = None
    """The sampler's decision, when user code asked for the span during the call."""
    started_ns: int = 0
    """Start, Unix time in nanoseconds."""
    seconds: float = 0.0
    """Duration by the monotonic clock."""
    rows: int = 1
    """Rows of the call; the columns below hold a bounded sample of them."""
    features: Mapping[str, Sequence[object]] = field(default_factory=dict)
    """Sampled values by feature name, all columns of one length."""
    labels: Sequence[str] = ()
    """Predicted classes of the sampled rows."""
    values: Sequence[float] = ()
    """Predicted values of the sampled rows (regression)."""
    scores: Sequence[float] = ()
    """Scores of the sampled rows; NaN where a row has none."""
    probabilities: Sequence[Sequence[float]] = ()
    """Of more than two classes: (sampled rows, classes), in the order of `classes`; else empty."""
    classes: Sequence[str] = ()
    """Names of the columns of `probabilities`."""
    row_step: int = 1
    """Positions in the call between two sampled rows of the answer; 0 when they are not known."""
    failure: Failure | None = None
    kept: bool = True
    """False when the resource guard leaves out its span and log records."""
    annotations: Mapping[str, object] = field(default_factory=dict)
    span: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What user code did to the current span: span_attributes, events, links, exceptions, status, name."""

    @property
    def sampled(self) -> bool:
        """Whether its trace is sampled, as far as was decided during the call."""
        return self.sampling is None or bool(self.sampling.decision.is_sampled())

    @property
    def id(self) -> str:
        """What `feedback` takes: the trace id and the span id, `<32 hex>-<16 hex>`."""
        return f"{self.trace_id:032x}-{self.span_id:016x}"


def parse_prediction_id(prediction_id: str) -> tuple[int, int]:
    """Trace id and span id in a prediction id.

    Raises:
        ValueError: If the text is not of the form `<32 hex>-<16 hex>`.
    """
    trace, dash, span = prediction_id.partition("-")
    if dash and len(trace) == 32 and len(span) == 16:
        try:
            return int(trace, 16), int(span, 16)
        except ValueError:
            pass
    raise ValueError(
        f"prediction_id={prediction_id[:80]!r} is not <32 hex>-<16 hex>; "
        "pass the id that current_prediction().id gave"
    )

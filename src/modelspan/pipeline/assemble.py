"""From a finished call to the immutable `Prediction` that the sinks see; runs on the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelspan import redaction
from modelspan.guard import guard
from modelspan.pipeline.outputs import Output, interpret
from modelspan.pipeline.rows import Columns, to_columns
from modelspan.pipeline.text import clean_text, clean_value, describe_failure
from modelspan.prediction import Prediction
from modelspan.snapshot import Snapshot, sample_stride

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelspan.pipeline.call import Call


def assemble(call: Call, limit: int, *, kept: bool = True) -> Prediction:
    """The event of one call; what cannot be read is left out, never an error."""
    target = call.target
    ids = call.get_span_context()
    return Prediction(
        model=target.model,
        target=target,
        trace_id=ids.trace_id,
        span_id=ids.span_id,
        context=call.context,
        sampling=call.__dict__.get("sampling"),
        started_ns=call.started_ns,
        seconds=max(0.0, call.seconds),
        kept=kept or call.error is not None,
        rows=_rows(call.inputs(), call.output),
        features=_columns(call, limit),
        row_step=_step(call.output, limit),
        failure=describe_failure(call.error) if call.error is not None else None,
        annotations=_clean(call.__dict__.get("annotations", {})),
        span=call.__dict__,
        **_output(call, limit)._asdict(),
    )


def _columns(call: Call, limit: int) -> Columns:
    features = call.inputs()
    if features is not None:
        with guard("reading the inputs of a prediction"):
            return to_columns(features, call.target.feature_names, limit)
    return {}


def _output(call: Call, limit: int) -> Output:
    if call.error is None:
        with guard("reading the answer of a prediction"):
            answer = call.output or Snapshot("scalar", call.atom, 1)
            return interpret(answer, call.target.model.task, call.target.classes, limit)
    return Output()


def _rows(features: Snapshot | None, output: Snapshot | None) -> int:
    """Rows of a call: those of its inputs, where a flat vector is one row; else those of its answer."""
    if features is not None and features.kind in ("records", "columns", "frame", "matrix", "row"):
        return features.rows
    if features is not None and features.kind == "vector" and output is not None and output.kind == "vector":
        return output.rows
    return 1


def _step(output: Snapshot | None, limit: int) -> int:
    """Distance of the sampled rows of an answer: a table is thinned, a flat sequence is cut."""
    if output is None or output.rows <= limit or output.kind == "vector":
        return 1
    return sample_stride(output.rows, limit) if output.kind in ("matrix", "records") else 0


def _clean(annotations: Mapping[object, object]) -> dict[str, object]:
    """Annotations as the wire can carry them."""
    cleaned = {clean_text(str(k), 200): clean_value(v) for k, v in annotations.items() if isinstance(k, str)}
    redact = redaction.active.value
    return {name: redact(name, value) for name, value in cleaned.items() if value is not None}

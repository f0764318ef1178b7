"""The instruments of training, made once for each meter, when the first value comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from modelspan import semconv

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter

    from modelspan.semconv import Metric

_made: WeakKeyDictionary[Meter, Instruments] = WeakKeyDictionary()


class Instruments:
    """Synchronous instruments: their points carry an exemplar that leads to the span of the epoch."""

    def __init__(self, meter: Meter) -> None:
        self._record = {metric.name: _recorder(meter, metric) for metric in semconv.TRAINING_METRICS}

    def record(self, metric: Metric, value: float, attributes: dict[str, str], context: Context) -> None:
        """One value; on the worker thread."""
        self._record[metric.name](value, attributes, context)


def instruments(meter: Meter) -> Instruments:
    """Those of a meter."""
    made = _made.get(meter)
    if made is None:
        made = _made[meter] = Instruments(meter)
    return made


def _recorder(meter: Meter, metric: Metric) -> Callable[[Any, dict[str, str], Context], None]:
    named = metric.name, metric.unit, metric.description
    if metric.kind == "gauge":
        return meter.create_gauge(*named).set
    if metric.kind == "counter":
        return meter.create_counter(*named).add
    return meter.create_histogram(*named, explicit_bucket_boundaries_advisory=semconv.STEP_BUCKETS).record

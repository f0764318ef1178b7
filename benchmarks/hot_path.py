"""What one call costs the caller: modelspan, the plain OpenTelemetry SDK, a bare wrapper.

    python benchmarks/hot_path.py [--calls 500] [--rounds 41]

One row of 20 features, and batches of 30. All cases run interleaved in shuffled rounds of one process; the
figure is CPU time of the calling thread a call, less that of the undecorated function; the median over the
rounds. Of batches it is the least besides, since they wait for memory that this machine shares.
"""

from __future__ import annotations

import argparse
import functools
import os
import random
import statistics
import time

import numpy as np
import pandas as pd
import wrapt
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from rich.console import Console
from rich.table import Table

os.environ.update(
    OTEL_TRACES_EXPORTER="none", OTEL_LOGS_EXPORTER="none", OTEL_METRICS_EXPORTER="none"
)  # no network on either side: the SDK's exporters below discard too

import modelspan

FEATURES = 20
BATCH_ROWS = (1_000, 10_000, 100_000)
BATCH_FEATURES = 30


class NullSpans(SpanExporter):
    def export(self, spans):
        return SpanExportResult.SUCCESS


class NullLogs(LogRecordExporter):
    def export(self, batch):
        return LogRecordExportResult.SUCCESS

    def shutdown(self):
        pass

    def force_flush(self, timeout_millis=10_000):
        return True


class NullMetrics(MetricExporter):
    def export(self, metrics_data, timeout_millis=10_000, **kwargs):
        return MetricExportResult.SUCCESS

    def shutdown(self, timeout_millis=30_000, **kwargs):
        pass

    def force_flush(self, timeout_millis=10_000):
        return True


def predict(features):
    return 0.25


def by_hand():
    """What a user would write: span with 10 attributes, histogram, 2 counters, log record with features."""
    spans = TracerProvider(shutdown_on_exit=False)
    spans.add_span_processor(BatchSpanProcessor(NullSpans()))
    logs = LoggerProvider(shutdown_on_exit=False)
    logs.add_log_record_processor(BatchLogRecordProcessor(NullLogs()))
    meter = MeterProvider([PeriodicExportingMetricReader(NullMetrics())], shutdown_on_exit=False).get_meter(
        "bench"
    )
    tracer, logger = spans.get_tracer("bench"), logs.get_logger("bench")
    duration = meter.create_histogram("duration", "s")
    calls, rows = meter.create_counter("calls"), meter.create_counter("rows")
    attributes = {"ml.model.name": "credit-risk", "ml.model.version": "1", "ml.operation.name": "predict"}
    span_attributes = {**attributes, **{f"a{i}": i for i in range(7)}}

    def call(features):
        started = time.perf_counter()
        with tracer.start_as_current_span("predict credit-risk", attributes=span_attributes):
            answer = predict(features)
            duration.record(time.perf_counter() - started, attributes)
            calls.add(1, attributes)
            rows.add(1, attributes)
            values = features if isinstance(features, dict) else dict(enumerate(features.ravel().tolist()))
            logger.emit(
                timestamp=time.time_ns(),
                severity_number=SeverityNumber.INFO,
                event_name="ml.prediction",
                body={"features": {str(k): v for k, v in values.items()}, "prediction": answer},
                attributes=attributes,
            )
        return answer

    return call


def bare_closure(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        return function(*args, **kwargs)

    return call


@wrapt.decorator
def bare_wrapt(function, instance, args, kwargs):
    return function(*args, **kwargs)


def cost(function, features, calls):
    """Microseconds of CPU of this thread for each call."""
    began = time.thread_time_ns()
    for _ in range(calls):
        function(features)
    return (time.thread_time_ns() - began) / calls / 1000


def predict_batch(features):
    return SCORES[len(features)]


SCORES = {rows: np.random.default_rng(rows).random(rows) for rows in BATCH_ROWS}


def batches(rounds):
    """Microseconds a call above the undecorated function, by kind and rows: the median and the least."""
    monitored = modelspan.monitor(model="scoring", version="1", task="binary")(predict_batch)
    rng = np.random.default_rng(7)
    inputs = {}
    for rows in BATCH_ROWS:
        table = rng.normal(size=(rows, BATCH_FEATURES))
        inputs["ndarray", rows] = table
        inputs["DataFrame", rows] = pd.DataFrame({f"f{i}": table[:, i] for i in range(BATCH_FEATURES)})
    samples = {key: [] for key in inputs}
    for _ in range(rounds):
        for key in random.sample(list(inputs), len(inputs)):
            bare = cost(predict_batch, inputs[key], 10)
            samples[key].append(cost(monitored, inputs[key], 10) - bare)
            modelspan.flush(5)
    return {key: (statistics.median(values), min(values)) for key, values in samples.items()}


def show_batches(found):
    table = Table(title=f"CPU of the caller's thread, µs a call of a batch of {BATCH_FEATURES} features")
    for column in ("input", *(f"{rows:,} rows" for rows in BATCH_ROWS)):
        table.add_column(column, justify="right")
    for kind in ("ndarray", "DataFrame"):
        cells = [found[kind, rows] for rows in BATCH_ROWS]
        table.add_row(kind, *(f"{median:.0f} (least {least:.0f})" for median, least in cells))
    Console().print(table)


def measure(cases, inputs, calls, rounds):
    order = [(case, name) for case in cases for name in inputs]
    samples = {key: [] for key in order}
    for _ in range(rounds):
        random.shuffle(order)
        for case, name in order:
            samples[case, name].append(cost(cases[case], inputs[name], calls))
            modelspan.flush(5)
    return {key: statistics.median(values) for key, values in samples.items()}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=500, help="calls of each case in a round")
    parser.add_argument("--rounds", type=int, default=41)
    options = parser.parse_args()
    modelspan.configure(queue_bytes=2**30)  # nothing may be dropped: a drop is cheaper than a put
    monitored = modelspan.monitor(model="credit-risk", version="1", task="binary")(predict)
    cases = {
        "undecorated": predict,
        "bare closure": bare_closure(predict),
        "bare wrapt": bare_wrapt(predict),
        "modelspan": monitored,
        "SDK by hand": by_hand(),
    }
    row = np.random.default_rng(7).normal(size=(1, FEATURES))
    inputs = {"ndarray (1, 20)": row, "dict of 20": {f"f{i}": float(v) for i, v in enumerate(row[0])}}
    medians = measure(cases, inputs, options.calls, options.rounds)
    table = Table(title="CPU of the caller's thread, µs a call above the undecorated function")
    for column in ("input", *list(cases)[1:], "SDK / modelspan", "modelspan / wrapt"):
        table.add_column(column, justify="right")
    for name in inputs:
        over = {case: medians[case, name] - medians["undecorated", name] for case in cases}
        table.add_row(
            name,
            *(f"{over[case]:.2f}" for case in list(cases)[1:]),
            f"{over['SDK by hand'] / over['modelspan']:.0f}×",
            f"{over['modelspan'] / over['bare wrapt']:.1f}×",
        )
    Console().print(table)
    show_batches(batches(options.rounds))


if __name__ == "__main__":
    main()

"""Traffic with something for every panel: two versions, failures, scores, drift, lost spans, outcomes.

Arguments: reference file, OTLP address, seconds. Measures of performance are sent by their instruments, with
the names and attributes of `semconv`: in a service they need a store and outcomes of whole windows.
"""

import sys
import time

import numpy as np
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

import modelspan
from modelspan import semconv

NAMED = {semconv.MODEL_NAME: "credit", semconv.MODEL_VERSION: "1"}
PAIRS = [("good", "good", 80), ("good", "bad", 5), ("bad", "bad", 10), ("bad", "good", 5)]


def gauges(meter):
    """Every gauge of performance, once for each window."""
    extra = {semconv.PERFORMANCE_METRIC: "accuracy", semconv.PERFORMANCE_QUANTILE: "0.5"}
    for metric in semconv.PERFORMANCE_METRICS:
        if metric.kind == "gauge":
            for window in ("last", "all"):
                known = {name: value for name, value in extra.items() if name in metric.attributes}
                attributes = {**NAMED, semconv.PERFORMANCE_WINDOW: window, **known}
                meter.create_gauge(metric.name, metric.unit).set(0.9, attributes)


def counters(meter):
    """Outcomes and losses, some of them superseded, growing since the start."""
    began = time.monotonic()

    def growing(rows):
        def observe(_options):
            return [Observation(n * (1 + time.monotonic() - began), {**NAMED, **more}) for n, more in rows]

        return [observe]

    pairs = [
        (n * share, {semconv.OUTCOME_LABEL: truth, semconv.PREDICTION_LABEL: guess,
                     semconv.OUTCOME_CORRECT: str(truth == guess).lower(), semconv.OUTCOME_STATE: state})
        for truth, guess, n in PAIRS for state, share in (("joined", 1), ("superseded", 0.1))
    ]  # fmt: skip
    joined = {semconv.PERFORMANCE_METRIC: "brier", semconv.OUTCOME_STATE: "joined"}
    for metric, rows in (
        (semconv.PERFORMANCE_PAIRS, pairs),
        (semconv.PERFORMANCE_LOSS, [(12.0, joined)]),
        (semconv.PERFORMANCE_WEIGHT, [(100.0, joined)]),
    ):
        meter.create_observable_counter(metric.name, growing(rows), metric.unit)


def main():
    """Predict for some seconds."""
    reference, endpoint, seconds = sys.argv[1:]
    exporter = OTLPMetricExporter(endpoint=f"{endpoint}/v1/metrics")
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=500)
    provider = MeterProvider([reader], Resource.create({"service.name": "credit-api"}))
    gauges(provider.get_meter("outcomes"))
    counters(provider.get_meter("outcomes"))
    modelspan.configure(service_name="credit-api", endpoint=endpoint, metric_interval_seconds=0.5)

    def predict(row):
        if row["age"] > 70:
            raise ValueError("too old")
        return row["p"]

    settings = {"reference": reference, "task": "binary", "classes": ("good", "bad"), "drift_window": 200}
    versions = [modelspan.monitor(model="credit", version=v, **settings)(predict) for v in ("1", "2")]
    rng = np.random.default_rng(3)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        for age in rng.normal(50, 12, 20).tolist():
            try:
                versions[int(rng.random() < 0.3)]({"age": age, "p": float(rng.random())})
            except ValueError:
                continue
        time.sleep(0.05)
    provider.shutdown()
    modelspan.shutdown(20)


if __name__ == "__main__":
    main()

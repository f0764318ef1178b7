"""Every metric of ours has in a real Prometheus the name that the rules and panels use."""

import sys
from pathlib import Path

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from modelspan import semconv
from modelspan.dashboards.names import label_name, metric_name

sys.path.insert(0, str(Path(__file__).parent))
from prometheus_api import get

MAKE = {
    "histogram": lambda meter, m: meter.create_histogram(m.name, m.unit).record,
    "counter": lambda meter, m: meter.create_counter(m.name, m.unit).add,
    "updowncounter": lambda meter, m: meter.create_up_down_counter(m.name, m.unit).add,
    "gauge": lambda meter, m: meter.create_gauge(m.name, m.unit).set,
}


def test_each_metric_arrives_under_the_name_that_we_work_out(prometheus):
    exporter = OTLPMetricExporter(endpoint=f"{prometheus.url}/api/v1/otlp/v1/metrics")
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    provider = MeterProvider([reader], Resource({"service.name": "names", "service.instance.id": "names-1"}))
    meter = provider.get_meter("names")
    for metric in semconv.METRICS:
        MAKE[metric.kind](meter, metric)(1, dict.fromkeys(metric.attributes, "x"))
    assert provider.force_flush()
    provider.shutdown()
    series = get(prometheus, "series", **{"match[]": '{instance="names-1"}'})
    seen = {labels["__name__"]: set(labels) for labels in series}
    for metric in semconv.METRICS:
        name = metric_name(metric)
        name = name + "_count" if metric.kind == "histogram" else name
        assert seen.pop(name, None), f"{name} is not in {sorted(seen)}"
    assert {"job": "names"}.items() <= series[0].items()
    for labels in series:
        attributes = {a for m in semconv.METRICS for a in m.attributes}
        known = {label_name(a) for a in attributes} | {"__name__", "job", "instance", "le"}
        assert set(labels) - known <= {"host_name", "service_name"} or labels["__name__"] == "target_info"

"""Names in Prometheus, by the examples of the specification; tests/stack/test_names.py asks a real one."""

import pytest

from modelspan import semconv
from modelspan.dashboards.names import label_name, metric_name
from modelspan.semconv import Metric


@pytest.mark.parametrize(
    ("name", "kind", "unit", "seen"),
    [
        ("ml.inference.duration", "histogram", "s", "ml_inference_duration_seconds"),
        ("(lambda).function.executions(#)", "gauge", "", "lambda_function_executions"),
        ("system.filesystem.usage", "gauge", "By", "system_filesystem_usage_bytes"),
        ("system.network.dropped", "counter", "{packet}", "system_network_dropped_total"),
        ("system.memory.utilization", "gauge", "1", "system_memory_utilization_ratio"),
        ("requests.count", "counter", "1", "requests_count_total"),
        ("requests_total", "counter", "", "requests_total"),
        ("wait.seconds", "histogram", "s", "wait_seconds"),
    ],
)
def test_a_metric_is_named_as_the_specification_says(name, kind, unit, seen):
    assert metric_name(Metric(name, kind, unit, "", ())) == seen


@pytest.mark.parametrize(
    ("attribute", "seen"),
    [("http.method", "http_method"), ("123invalid", "key_123invalid"), ("a-b.c", "a_b_c")],
)
def test_an_attribute_is_named_as_the_specification_says(attribute, seen):
    assert label_name(attribute) == seen


def test_every_metric_of_ours_has_a_name():
    assert len({metric_name(metric) for metric in semconv.METRICS}) == len(semconv.METRICS)

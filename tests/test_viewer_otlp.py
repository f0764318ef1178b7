"""From OTLP messages to rows: the numbers at the edges, and the histograms that no SDK makes."""

import itertools
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from modelspan.viewer.otlp import any_value, decode_logs, decode_traces, to_json
from modelspan.viewer.otlp_metrics import decode_metrics

MAX = 2**63 - 1


def span_of(batch):
    names = ["trace", "span", "parent", "name", "kind", "service", "scope", "start", "duration", "error"]
    return dict(zip(names, batch.spans[0], strict=False))


@pytest.mark.parametrize(
    ("start", "end", "stored"),
    [
        (5, 9, (5, 4)),
        (9, 5, (9, 0)),
        (0, 0, (0, 0)),
        (2**64 - 1, 2**64 - 1, (MAX, 0)),
        (0, 2**64 - 1, (0, MAX)),
    ],
)
def test_times_that_no_clock_gives_still_fit_the_database(start, end, stored):
    request = ExportTraceServiceRequest()
    span = (
        request.resource_spans.add()
        .scope_spans.add()
        .spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, kind=99)
    )
    span.start_time_unix_nano, span.end_time_unix_nano = start, end
    row = span_of(decode_traces(request))
    assert (row["start"], row["duration"], row["kind"]) == (*stored, "unspecified")


@pytest.mark.parametrize(("trace_id", "span_id"), [(b"", b""), (b"t" * 16, b"s" * 7), (b"t" * 15, b"s" * 8)])
def test_spans_without_ids_of_the_right_length_are_rejected_one_by_one(trace_id, span_id):
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    spans.add(trace_id=trace_id, span_id=span_id)
    spans.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    batch = decode_traces(request)
    assert (len(batch.spans), batch.rejected) == (1, 1)


def test_a_log_record_without_a_time_takes_the_observed_one_or_the_present():
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    records.add(observed_time_unix_nano=7)
    records.add(time_unix_nano=2**64 - 1)
    records.add()
    times = [row[0] for row in decode_logs(request).logs]
    assert times[:2] == [7, MAX]
    assert times[2] > 1.7e18


doubles = st.floats().map(lambda value: AnyValue(double_value=value))
leaves = doubles | st.text().map(lambda value: AnyValue(string_value=value)) | st.just(AnyValue())
leaves |= st.binary().map(lambda value: AnyValue(bytes_value=value))
leaves |= st.integers(-(2**63), MAX).map(lambda value: AnyValue(int_value=value))


def list_of(values):
    message = AnyValue()
    message.array_value.values.extend(values)
    return message


def map_of(values):
    message = AnyValue()
    for key, value in values.items():
        message.kvlist_value.values.add(key=key).value.CopyFrom(value)
    return message


@given(
    st.recursive(
        leaves,
        lambda inner: st.lists(inner).map(list_of) | st.dictionaries(st.text(), inner).map(map_of),
        max_leaves=8,
    )
)
def test_any_value_becomes_strict_json_and_comes_back(value):
    found = any_value(value)
    assert json.loads(to_json(found), parse_constant=pytest.fail) == found


@pytest.mark.parametrize(
    ("value", "shown"),
    [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (1.5, 1.5), (-0.0, 0.0)],
)
def test_numbers_that_json_has_no_word_for_keep_their_names(value, shown):
    assert any_value(AnyValue(double_value=value)) == shown


def exponential(**settings):
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="h")
    point = metric.exponential_histogram.data_points.add(time_unix_nano=1, **settings)
    return request, point


def buckets_of(request):
    _, _, _, _, bounds, counts, _ = decode_metrics(request).points[0]
    return json.loads(bounds), json.loads(counts)


@given(
    st.lists(
        st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6), min_size=1, max_size=30
    ),
    st.integers(-2, 3),
)
def test_an_exponential_histogram_of_both_signs_keeps_its_counts_between_its_bounds(values, scale):
    base = 2.0 ** (2.0**-scale)
    request, point = exponential(scale=scale, count=len(values), zero_count=values.count(0.0))
    for sign, side in ((1, point.positive), (-1, point.negative)):
        # OTLP: bucket i holds the magnitudes in (base ** i, base ** (i + 1)].
        places = [math.ceil(math.log(sign * value, base)) - 1 for value in values if sign * value > 0]
        if places:
            side.offset = min(places)
            side.bucket_counts.extend(places.count(place) for place in range(min(places), max(places) + 1))
    bounds, counts = buckets_of(request)
    assert len(counts) == len(bounds) + 1
    assert sum(counts) == len(values)
    assert bounds == sorted(bounds)
    edges = [-math.inf, *bounds, math.inf]
    for (low, high), count in zip(itertools.pairwise(edges), counts, strict=True):
        slack = 1e-9 * max(1.0, *(abs(edge) for edge in (low, high) if math.isfinite(edge)), 1.0)
        within = sum(low - slack <= value <= high + slack for value in values)
        assert count <= within


@pytest.mark.parametrize("scale", [-(2**31), -100, 100, 2**31 - 1])
def test_absurd_scales_give_finite_bounds(scale):
    request, point = exponential(scale=scale, count=2)
    point.positive.offset = 2**31 - 2
    point.positive.bucket_counts.extend([1, 1])
    bounds, counts = buckets_of(request)
    assert all(map(math.isfinite, bounds))
    assert sum(counts) == 2


def test_the_same_series_has_one_name_and_another_sender_has_another():
    request = ExportMetricsServiceRequest()
    for service in ("a", "a", "b"):
        group = request.resource_metrics.add()
        group.resource.attributes.add(key="service.name").value.string_value = service
        metric = group.scope_metrics.add().metrics.add(name="g")
        metric.gauge.data_points.add(as_int=-(2**63), time_unix_nano=2**64 - 1)
    batch = decode_metrics(request)
    assert len({row[0] for row in batch.points}) == len(batch.series) == len(batch.resources) == 2
    assert {row[1] for row in batch.points} == {MAX}


def test_summaries_keep_count_and_sum_and_metrics_without_data_are_passed_over():
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    metrics.add(name="s").summary.data_points.add(count=2**64 - 1, sum=math.inf, time_unix_nano=1)
    metrics.add(name="nothing")
    (point,) = decode_metrics(request).points
    assert point[2:] == (None, MAX, "[]", "[]", "[]")

"""Records on pages of memory that is used again: nothing that still waits is ever written over."""

import gc

import numpy as np
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from modelspan.delivery.otlp import layout, logs, pages, records, spans

AROUND = records.envelope({"service.name": "s"}, "scope")
MANY = 20_000
"""Spans that take several pages."""


def made(seed, count=MANY):
    """Spans, and what they were made of."""
    rng = np.random.default_rng(seed)
    columns = spans.SpanColumns(
        name="predict m", attributes={"a": "b"},
        trace_ids=rng.integers(0, 256, (count, 16), np.uint8),
        span_ids=rng.integers(0, 256, (count, 8), np.uint8),
        started_ns=rng.integers(1, 2**62, count), ended_ns=rng.integers(1, 2**62, count),
    )  # fmt: skip
    return spans.encode(AROUND, columns), columns


def read(parts, request=ExportTraceServiceRequest):
    return request.FromString(b"".join(records.request(parts)))


def test_records_on_several_pages_read_as_what_they_are():
    parts, columns = made(1)
    assert len(parts) > 2
    assert all(isinstance(part.body, memoryview) for part in parts[:-1])
    found = [span for each in read(parts).resource_spans for span in each.scope_spans[0].spans]
    assert b"".join(span.trace_id for span in found) == columns.trace_ids.tobytes()
    assert [span.end_time_unix_nano for span in found] == columns.ended_ns.tolist()
    halves = [half for part in parts for half in part.halves()]
    assert read(halves).resource_spans[1].scope_spans[0].spans[0] == found[len(halves[0])]


def test_texts_of_many_lengths_read_as_what_they_are_on_several_pages():
    words = ["x" * (i % 23) for i in range(4000)]
    values = np.where(np.arange(4000) % 7 == 0, np.nan, np.arange(4000.0))
    ids = np.random.default_rng(2).integers(0, 256, (4000, 24), np.uint8)
    columns = logs.LogColumns(
        event="e", severity=9, severity_text="INFO", body=[b"said ", layout.texts(words)],
        attributes={f"key {i}": "some text" for i in range(12)}, numbers=[("n", values)],
        texts=[("word", layout.texts(words))], trace_ids=ids[:, :16], span_ids=ids[:, 16:],
        time_ns=np.arange(1, 4001), observed_ns=1, sampled=np.ones(4000, bool),
    )  # fmt: skip
    parts = logs.encode(AROUND, columns)
    assert len(parts) > 1
    found = [
        record
        for resource in read(parts, ExportLogsServiceRequest).resource_logs
        for record in resource.scope_logs[0].log_records
    ]
    assert [record.body.string_value for record in found] == [f"said {word}" for word in words]
    told = [{a.key: a.value.double_value for a in record.attributes}.get("n", np.nan) for record in found]
    np.testing.assert_array_equal(told, values)


def test_what_waits_is_not_written_over_by_later_batches():
    parts, _ = made(3)
    kept = [half.body for part in parts for half in part.halves()]
    before = [bytes(body) for body in kept]
    del parts
    for seed in range(4, 12):
        made(seed)
    assert [bytes(body) for body in kept] == before


def test_memory_is_used_again_when_nothing_refers_to_it_and_little_is_kept():
    waiting = [made(seed)[0] for seed in range(5)]
    assert sum(map(len, waiting)) > pages.KEPT
    del waiting
    gc.collect()
    assert len(pages._free) == pages.KEPT
    parts, _ = made(20)
    assert len(pages._free) == pages.KEPT - len(parts) + isinstance(parts[-1].body, bytes)


def test_a_small_batch_holds_no_page():
    parts, _ = made(21, count=10)
    assert [type(part.body) for part in parts] == [bytes]

"""What the columnar and the hand-written encoder make, official protobuf classes read as the same records."""

import math
import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from modelspan.delivery.otlp import layout, logs, records, spans, wire

words = st.text(max_size=30).map(lambda s: s.encode("utf-8", "replace").decode())
names = words.filter(bool)
int64 = st.integers(-(2**63), 2**63 - 1)
times = st.integers(1, 2**63 - 1)
doubles = st.floats(width=64)
scalars = st.one_of(st.booleans(), int64, st.floats(allow_nan=False), words, st.binary(max_size=9), st.none())
attributes = st.dictionaries(names, st.one_of(scalars, st.lists(scalars, max_size=3)), max_size=4)
rows = st.integers(1, 12)
AROUND = records.envelope({"service.name": "s"}, "scope", "1.0", "https://schema", "https://resource")


def official(value):
    if isinstance(value, list):
        made = AnyValue()
        made.array_value.values.extend(official(v) for v in value)
        made.array_value.SetInParent()
        return made
    field = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value",
             bytes: "bytes_value", type(None): None}[type(value)]  # fmt: skip
    return AnyValue(**{field: value}) if field else AnyValue()


def pairs(mapping):
    return [KeyValue(key=key, value=official(value)) for key, value in mapping.items()]


def ids(draw, count, width):
    drawn = draw(st.binary(min_size=count * width, max_size=count * width))
    return np.frombuffer(drawn, np.uint8).reshape(count, width)


def column(draw, values, count, dtype):
    return np.array(draw(st.lists(values, min_size=count, max_size=count)), dtype)


@st.composite
def span_columns(draw):
    count = draw(rows)
    parents = draw(st.booleans())
    return spans.SpanColumns(
        name=draw(names), attributes=draw(attributes),
        trace_ids=ids(draw, count, 16), span_ids=ids(draw, count, 8),
        started_ns=column(draw, times, count, np.int64), ended_ns=column(draw, times, count, np.int64),
        parent_ids=ids(draw, count, 8) if parents else None,
        parent_remote=column(draw, st.booleans(), count, bool) if parents else None,
    )  # fmt: skip


def named(trace, span):
    return {"ml.prediction.id": f"{trace.tobytes().hex()}-{span.tobytes().hex()}"}


def expected_span(c, i):
    remote = c.parent_remote is not None and bool(c.parent_remote[i])
    return Span(
        trace_id=c.trace_ids[i].tobytes(), span_id=c.span_ids[i].tobytes(),
        parent_span_id=c.parent_ids[i].tobytes() if c.parent_ids is not None else b"",
        name=c.name, kind=Span.SPAN_KIND_INTERNAL, start_time_unix_nano=int(c.started_ns[i]),
        end_time_unix_nano=int(c.ended_ns[i]), flags=0x300 if remote else 0x100, status={},
        attributes=pairs({**c.attributes, **named(c.trace_ids[i], c.span_ids[i])}),
    )  # fmt: skip


@given(span_columns())
@settings(deadline=None)
def test_columnar_spans_read_as_the_spans_that_they_are(columns):
    encoded = spans.encode(AROUND, columns)
    read = ExportTraceServiceRequest.FromString(b"".join(records.request(encoded)))
    (resource,) = read.resource_spans
    (scope,) = resource.scope_spans
    assert list(scope.spans) == [expected_span(columns, i) for i in range(len(columns.trace_ids))]
    assert (scope.scope.name, scope.scope.version, scope.schema_url) == ("scope", "1.0", "https://schema")
    assert (resource.resource.attributes[0].value.string_value, resource.schema_url) == (
        "s",
        "https://resource",
    )


@st.composite
def log_columns(draw):
    count = draw(rows)
    keys = draw(st.lists(names, max_size=5, unique=True))
    texts = [draw(st.lists(words, min_size=count, max_size=count)) for _ in keys[:2]]
    ends = draw(st.lists(words, min_size=count, max_size=count))
    numbers = [column(draw, doubles, count, np.float64) for _ in keys[2:]]
    if numbers and draw(st.booleans()):  # as they come: the columns of one table
        numbers = np.column_stack(numbers).T
    made = logs.LogColumns(
        event=draw(names), severity=9, severity_text="INFO",
        flags=[("switch", column(draw, st.booleans(), count, bool))],
        body=[b"begin: ", layout.texts(ends), b" ", layout.fractions(np.full(count, 0.25))],
        attributes=draw(attributes),
        numbers=list(zip(keys[2:], numbers, strict=True)),
        texts=[(key, layout.texts(values)) for key, values in zip(keys[:2], texts, strict=False)],
        trace_ids=ids(draw, count, 16), span_ids=ids(draw, count, 8),
        time_ns=column(draw, times, count, np.int64), observed_ns=draw(times),
        sampled=column(draw, st.booleans(), count, bool),
    )  # fmt: skip
    return made, texts, ends


def expected_log(c, texts, ends, i):
    numbers = {key: float(values[i]) for key, values in c.numbers if math.isfinite(values[i])}
    named_texts = {key: values[i] for (key, _), values in zip(c.texts, texts, strict=True)}
    return LogRecord(
        time_unix_nano=int(c.time_ns[i]), observed_time_unix_nano=c.observed_ns, severity_number=9,
        severity_text="INFO", body=AnyValue(string_value=f"begin: {ends[i]} 0.2500"), event_name=c.event,
        trace_id=c.trace_ids[i].tobytes(), span_id=c.span_ids[i].tobytes(), flags=int(c.sampled[i]),
        attributes=[
            *pairs(c.attributes), *pairs(named(c.trace_ids[i], c.span_ids[i])), *pairs(numbers),
            *pairs(named_texts), *pairs({"switch": bool(c.flags[0][1][i])}),
        ],
    )  # fmt: skip


@given(log_columns())
@settings(deadline=None)
def test_columnar_logs_read_as_the_records_that_they_are(made):
    columns, texts, ends = made
    encoded = logs.encode(AROUND, columns)
    read = ExportLogsServiceRequest.FromString(b"".join(records.request(encoded)))
    found = [record for each in read.resource_logs for record in each.scope_logs[0].log_records]
    expected = [expected_log(columns, texts, ends, i) for i in range(len(columns.trace_ids))]
    assert sorted(map(str, found)) == sorted(map(str, expected))  # records may be sorted by length


@given(attributes, names, times, st.lists(st.tuples(names, attributes, times), max_size=2),
       st.lists(st.tuples(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans(),
                          st.sampled_from(["", "a=b"]), attributes), max_size=2),
       st.integers(0, 2), words)  # fmt: skip
@settings(deadline=None)
def test_a_span_by_hand_reads_as_the_span_that_it_is(  # noqa: PLR0917 - hypothesis passes them in order
    own, name, time, events, links, status, said
):
    encoded = spans.encode_one(spans.OneSpan(
        name=name, trace_id=7, span_id=2**64 - 1, parent_id=5, parent_remote=True, trace_state="k=v",
        started_ns=time, ended_ns=time, attributes=own, events=tuple(events), links=tuple(links),
        status=status, status_text=said,
    ))  # fmt: skip
    assert Span.FromString(encoded) == Span(
        trace_id=(7).to_bytes(16, "big"), span_id=b"\xff" * 8, parent_span_id=(5).to_bytes(8, "big"),
        trace_state="k=v", name=name, kind=1, start_time_unix_nano=time, end_time_unix_nano=time,
        flags=0x300, attributes=pairs(own), status={"code": status, "message": said},
        events=[{"name": n, "attributes": pairs(a), "time_unix_nano": t} for n, a, t in events],
        links=[
            {"trace_id": t.to_bytes(16, "big"), "span_id": s.to_bytes(8, "big"), "trace_state": state,
             "flags": 0x300 if remote else 0x100, "attributes": pairs(a)}
            for t, s, remote, state, a in links
        ],
    )  # fmt: skip


@given(attributes, words, names, times, st.booleans())
@settings(deadline=None)
def test_a_record_by_hand_reads_as_the_record_that_it_is(own, body, event, time, sampled):
    encoded = logs.encode_one(logs.OneLog(
        event=event, body=body, attributes=own, severity=17, severity_text="ERROR", time_ns=time,
        observed_ns=time, trace_id=3, span_id=4, sampled=sampled,
    ))  # fmt: skip
    assert LogRecord.FromString(encoded) == LogRecord(
        time_unix_nano=time, observed_time_unix_nano=time, severity_number=17, severity_text="ERROR",
        body=AnyValue(string_value=body), event_name=event, attributes=pairs(own), flags=int(sampled),
        trace_id=(3).to_bytes(16, "big"), span_id=(4).to_bytes(8, "big"),
    )  # fmt: skip


@given(st.integers(0, 2**64 - 1))
def test_a_varint_is_what_protobuf_writes(value):
    reader = AnyValue.FromString(b"\x18" + wire.varint(value))
    assert reader.int_value == struct.unpack("<q", struct.pack("<Q", value))[0]


@given(span_columns())
@settings(deadline=None)
def test_the_halves_hold_the_records_of_the_whole(columns):
    parts = spans.encode(AROUND, columns)
    while any(len(part) > 1 for part in parts):
        parts = [half for part in parts for half in (part.halves() if len(part) > 1 else (part,))]
    read = ExportTraceServiceRequest.FromString(b"".join(records.request(parts)))
    alone = [span for resource in read.resource_spans for span in resource.scope_spans[0].spans]
    whole = ExportTraceServiceRequest.FromString(b"".join(records.request(records.merged(parts))))
    (scope,) = (resource.scope_spans[0] for resource in whole.resource_spans)
    assert alone == list(scope.spans) == [expected_span(columns, i) for i in range(len(columns.trace_ids))]

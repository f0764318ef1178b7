"""Requests that are damaged, too large, hostile or of another language."""

import gzip
import json
import os
import re
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import pytest
from google.rpc.status_pb2 import Status
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from modelspan.viewer import bodies
from modelspan.viewer.bodies import JSON, MAX_BODY, MAX_INFLATED, PROTOBUF
from modelspan.viewer.bounds import Refused
from modelspan.viewer.otlp import decode_logs, decode_traces
from modelspan.viewer.otlp_metrics import decode_metrics

MB = 1024**2


def one_span():
    request = ExportTraceServiceRequest()
    span = (
        request.resource_spans.add()
        .scope_spans.add()
        .spans.add(name="x", trace_id=b"t" * 16, span_id=b"s" * 8)
    )
    span.start_time_unix_nano, span.end_time_unix_nano = 10**18, 10**18 + 5
    return request


def field(number, payload):
    """One length-delimited protobuf field, encoded by hand."""
    size, length = b"", len(payload)
    while length > 127:
        size += bytes([length & 127 | 128])
        length >>= 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + payload


EMPTY_SPANS = field(1, field(2, b"\x12\x00" * (7 * MB)))
EMPTY_ATTRIBUTES = field(1, field(2, field(2, b"\x4a\x00" * (7 * MB))))
BOMBS = {
    "zeros": (gzip.compress(bytes(2048 * MB // 8), 9), PROTOBUF),
    "empty spans": (gzip.compress(EMPTY_SPANS), PROTOBUF),
    "empty attributes": (gzip.compress(EMPTY_ATTRIBUTES), PROTOBUF),
    "empty objects": (gzip.compress(b'{"resourceSpans":[' + b"{}," * (5 * MB) + b"{}]}"), JSON),
    "empty lists": (gzip.compress(b'{"resourceSpans":[' + b"[]," * (5 * MB) + b"{}]}"), JSON),
    "a long text": (gzip.compress(b'{"a":"' + b"x" * (40 * MB) + b'"}'), JSON),
}


def test_an_answer_is_in_the_encoding_of_its_request(client):
    reply = client.post("traces", one_span().SerializeToString())
    assert (reply.status, reply.headers["Content-Type"]) == (200, PROTOBUF)
    assert ExportTraceServiceResponse.FromString(reply.body) == ExportTraceServiceResponse()
    reply = client.post("traces", b"{}", JSON)
    assert (reply.status, reply.headers["Content-Type"], reply.json()) == (200, JSON, {})


@pytest.mark.parametrize("content_type", [f"{JSON}; charset=utf-8", JSON.upper()])
def test_parameters_and_case_of_the_content_type_do_not_matter(client, content_type):
    assert client.post("logs", b"{}", content_type).status == 200


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_damaged_protobuf_gets_400_with_a_status_message_of_one_line(client, signal):
    reply = client.post(signal, b"\xff\xff\xff")
    assert (reply.status, reply.headers["Content-Type"]) == (400, PROTOBUF)
    status = Status.FromString(reply.body)
    assert status.code == 3
    assert "not an OTLP protobuf message" in status.message
    assert "\n" not in status.message


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"5", b'{"resourceSpans": 5}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": {}}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\\ud800"}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"endTimeUnixNano": "99999999999999999999"}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": NaN}]}]}]}',
        b"[" * 100_000, b'{"a":' * 50_000, b"1" * 10_000, b"\xff\xfe",
    ],
)  # fmt: skip
def test_damaged_json_gets_400_with_a_reason_of_one_line(client, body):
    reply = client.post("traces", body, JSON)
    assert reply.status == 400
    answer = reply.json()
    assert answer["code"] == 3
    assert len(answer["message"]) < 500
    assert "\n" not in answer["message"]


def test_a_cut_or_damaged_gzip_body_gets_400(client):
    whole = gzip.compress(one_span().SerializeToString())
    assert client.post("traces", whole, Content_Encoding="gzip").status == 200
    for body in (whole[:-1], whole[: len(whole) // 2], whole[:3], b"", b"no gzip", whole + b"tail"):
        reply = client.post("traces", body, Content_Encoding="gzip")
        assert reply.status == 400, body
        assert Status.FromString(reply.body).message


def test_unknown_content_types_and_encodings_get_415_other_paths_404_other_methods_405(client):
    body = one_span().SerializeToString()
    assert client.post("traces", body, "text/plain").status == 415
    assert client.post("traces", body, "").status == 415
    assert client.post("traces", body, Content_Encoding="br").status == 415
    assert client.post("profiles", body).status == 404
    assert client.post("traces/", body).status == 404
    reply = client.get("/healthz").json()
    assert reply["rejected"] == {"content_type": 2, "content_encoding": 1}
    from urllib.error import HTTPError
    from urllib.request import urlopen

    with pytest.raises(HTTPError, match="405") as refused:
        urlopen(client.otlp + "/v1/traces", timeout=10)
    refused.value.close()


def test_a_body_over_the_limit_gets_413_and_one_below_it_is_stored(client):
    request = one_span()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.name = "x" * (MAX_BODY - len(request.SerializeToString()) - 40)
    assert client.post("traces", request.SerializeToString()).status == 200
    span.name += "x" * 100
    reply = client.post("traces", request.SerializeToString())
    assert (reply.status, "smaller batches" in Status.FromString(reply.body).message) == (413, True)
    assert client.get("/healthz").json()["received"]["spans"] == 1


def test_a_body_of_ordinary_spans_fits_up_to_the_sizes_that_collectors_send():
    request = one_span()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for number in range(12):
        span.attributes.add(key=f"attribute.{number}").value.string_value = "value " * 5
    request.resource_spans[0].scope_spans[0].spans.extend([span] * 8191)
    assert (
        len(
            bodies.parse("traces", PROTOBUF, request.SerializeToString())
            .resource_spans[0]
            .scope_spans[0]
            .spans
        )
        == 8192
    )


@pytest.mark.parametrize("name", BOMBS)
def test_s13_a_gzip_bomb_gets_413_and_costs_less_than_20_mb(name):
    body, content_type = BOMBS[name]
    assert len(body) < MAX_BODY
    bodies.parse("traces", JSON, b"{}")
    tracemalloc.start()
    try:
        with pytest.raises(Refused) as refused:
            bodies.parse("traces", content_type, bodies.inflate(body, "gzip"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.status == 413
    assert peak < 20 * MB


def test_bombs_do_not_grow_a_running_backend_by_20_mb(tmp_path):
    # The resident size of a process of its own also sees what protobuf takes outside of Python's allocator.
    command = [sys.executable, "-m", "modelspan", "up", "--port=0", "--otlp-port=0", f"--data={tmp_path}"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        url = next(line.split()[1] for line in process.stdout if line.startswith("OTLP"))
        post(url, gzip.compress(one_span().SerializeToString()), PROTOBUF)
        post(url, b"{}", JSON, encoding="identity")
        before = resident(process.pid, "VmRSS")
        statuses = [post(url, *bomb) for bomb in BOMBS.values()]
        after = resident(process.pid, "VmHWM")
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()
    assert statuses == [413] * len(BOMBS)
    assert after - before < 20 * MB


def post(url, body, content_type, encoding="gzip"):
    import http.client
    import urllib.parse

    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
    try:
        connection.request(
            "POST", "/v1/traces", body, {"Content-Type": content_type, "Content-Encoding": encoding}
        )
        return connection.getresponse().status
    finally:
        connection.close()


def resident(pid, name):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", status)[1]) * 1024


@given(st.binary(max_size=200_000), st.sampled_from(["gzip", "deflate"]), st.integers(1, 1000))
def test_inflating_gives_back_what_was_deflated_in_any_number_of_members(data, encoding, members):
    if encoding == "deflate":
        packed = zlib.compress(data)
    else:
        step = max(len(data) // members, 1)
        packed = b"".join(gzip.compress(data[at : at + step]) for at in range(0, max(len(data), 1), step))
    assert bodies.inflate(packed, encoding) == data


@given(st.integers(0, 3000), st.integers(1, 3000))
def test_inflating_stops_at_the_limit_and_not_before(size, limit):
    packed = gzip.compress(b"x" * size)
    if size <= limit:
        assert len(bodies.inflate(packed, "gzip", limit)) == size
    else:
        with pytest.raises(Refused, match="inflates to more than"):
            bodies.inflate(packed, "gzip", limit)


MESSAGES = {
    "traces": (one_span().SerializeToString(), decode_traces),
    "logs": (ExportLogsServiceRequest().SerializeToString(), decode_logs),
    "metrics": (ExportMetricsServiceRequest().SerializeToString(), decode_metrics),
}


@given(st.sampled_from(list(MESSAGES)), st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a02_any_bytes_are_decoded_or_refused_and_never_fail_otherwise(signal, data):
    start, decode = MESSAGES[signal]
    cut = data.draw(st.integers(0, len(start)))
    body = start[:cut] + data.draw(st.binary(max_size=200)) + start[cut:]
    try:
        batch = decode(bodies.parse(signal, PROTOBUF, body))
    except Refused as refused:
        status, batch = refused.status, ()
    else:
        status = 200
    assert (status == 200 and len(batch) <= len(body)) or status in (400, 413)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "resourceSpans",
                    "scopeSpans",
                    "spans",
                    "traceId",
                    "attributes",
                    "key",
                    "value",
                    "doubleValue",
                    "kind",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_decoded_or_refused_and_never_fails_otherwise(document):
    status = 200
    try:
        decode_traces(bodies.parse("traces", JSON, json.dumps(document).encode()))
    except Refused as refused:
        status = refused.status
    assert status == 400 or (status == 200 and isinstance(document, dict))


def test_the_limits_are_those_that_the_documentation_names():
    assert (MAX_BODY, MAX_INFLATED) == (8 * MB, 16 * MB)

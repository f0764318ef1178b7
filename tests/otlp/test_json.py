"""OTLP JSON: what protobuf stores, JSON stores."""

import base64

from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from modelspan.viewer import bodies

# From the OTLP specification's examples: hex ids, enums as numbers, 64-bit integers as strings.
TRACES = b"""{"resourceSpans": [{"resource": {"attributes": [
  {"key": "service.name", "value": {"stringValue": "my.service"}}]},
 "scopeSpans": [{"scope": {"name": "my.library", "version": "1.0.0"}, "spans": [{
  "traceId": "5B8EFFF798038103D269B633813FC60C",
  "spanId": "EEE19B7EC3C1B174", "parentSpanId": "EEE19B7EC3C1B173",
  "name": "I'm a server span", "startTimeUnixNano": "1544712660000000000",
  "endTimeUnixNano": "1544712661000000000",
  "kind": 2, "droppedLinksCount": 0, "aFieldOfTomorrow": {"traceId": 5},
  "attributes": [{"key": "my.span.attr", "value": {"stringValue": "some value"}},
                 {"key": "big", "value": {"intValue": "9007199254740993"}},
                 {"key": "bytes", "value": {"bytesValue": "AAEC"}},
                 {"key": "map", "value":
                   {"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": true}}]}}}],
  "events": [{"timeUnixNano": "1544712660500000000", "name": "e"}],
  "status": {"code": 2, "message": "no"}}]}]}]}"""
LOGS = b"""{"resourceLogs": [{"scopeLogs": [{"logRecords": [{
  "timeUnixNano": "1544712660300000000", "observedTimeUnixNano": "1544712660300000001", "severityNumber": 10,
  "severityText": "Information", "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174",
  "eventName": "an.event", "body": {"stringValue": "Example log record"}}]}]}]}"""


def test_a_span_sent_as_json_is_stored_with_hex_ids_and_exact_integers(client):
    assert client.post("traces", TRACES, bodies.JSON).status == 200
    found = client.queries.trace("5b8efff798038103d269b633813fc60c")
    (span,) = found["spans"]
    assert (span["span_id"], span["parent_span_id"]) == ("eee19b7ec3c1b174", "eee19b7ec3c1b173")
    assert (span["start"], span["duration_ms"], span["kind"]) == (1544712660.0, 1000.0, "server")
    assert (span["status"], span["status_message"], span["scope"]) == ("error", "no", "my.library")
    assert span["attributes"] == {
        "my.span.attr": "some value",
        "big": 9007199254740993,
        "bytes": base64.b64encode(b"\x00\x01\x02").decode(),
        "map": {"a": True},
    }
    assert span["events"] == [{"time": 1544712660.5, "name": "e", "attributes": {}}]


def test_a_log_record_sent_as_gzipped_json_is_found_by_its_trace(client):
    assert client.post_gzip("logs", LOGS, bodies.JSON).status == 200
    (log,) = client.queries.logs(trace_id="5b8efff798038103d269b633813fc60c")["logs"]
    assert (log["time"], log["event"], log["body"]) == (1544712660.3, "an.event", "Example log record")
    assert (log["severity"], log["severity_number"], log["service"]) == ("Information", 10, "unknown_service")


def test_a_metric_stores_the_same_series_from_json_and_from_protobuf(client):
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="requests", unit="1")
    metric.sum.is_monotonic = True
    metric.sum.data_points.add(as_int=2**53 + 2, time_unix_nano=10**18)
    assert client.post("metrics", request.SerializeToString()).status == 200
    assert client.post("metrics", json_format.MessageToJson(request).encode(), bodies.JSON).status == 200
    (series,) = client.queries.metrics("requests")["series"]
    assert series["points"] == [{"time": 1e9, "value": 2.0**53 + 2}] * 2


def test_records_without_valid_ids_are_named_in_a_partial_success(client):
    body = TRACES.replace(b'"spanId": "EEE19B7EC3C1B174"', b'"spanId": "EEE1"')
    reply = client.post("traces", body, bodies.JSON)
    assert reply.status == 200
    partial = reply.json()["partialSuccess"]
    assert (partial["rejectedSpans"], "span id of 8" in partial["errorMessage"]) == ("1", True)
    assert client.get("/healthz").json()["rejected"] == {"invalid_id": 1}
    assert client.queries.traces() == {"traces": []}

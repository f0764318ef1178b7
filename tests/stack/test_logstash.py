"""The Logstash pipeline, as far as it goes without Logstash: its configuration parses, its filter runs.

What is not tested here: that Logstash starts with it, reads files and Kafka, and writes to Elasticsearch.
"""

import base64
import json
import subprocess
from pathlib import Path

import pytest
import yaml
from elastic import bulk, count
from google.protobuf.json_format import MessageToDict
from logstash_pipeline_parser import Pipeline
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

FOLDER = Path(__file__).parents[2] / "collector" / "logstash"
COLLECTOR = FOLDER.parent / "config.yaml"
IDS = ("traceId", "spanId", "parentSpanId")
TIMES = ("@timestamp", "observed_timestamp")


def otlp_json(message):
    """A request as OTLP's own JSON: like protobuf's, but ids are hexadecimal and enumerations numbers."""

    def mended(part):
        if isinstance(part, list):
            return [mended(each) for each in part]
        if not isinstance(part, dict):
            return part
        return {k: base64.b64decode(v).hex() if k in IDS else mended(v) for k, v in part.items()}

    return json.dumps(mended(MessageToDict(message, use_integers_for_enums=True)))


def run_filter(ruby, lines):
    """Events that the filter makes of each line, as Logstash would hand them to its outputs."""
    harness = str(Path(__file__).parent / "logstash_events.rb")
    done = subprocess.run(
        [*ruby, harness, str(FOLDER / "otlp.rb")], input="".join(line + "\n" for line in lines),
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def without_times(document):
    return {name: value for name, value in document.items() if name not in TIMES}


@pytest.fixture(scope="session")
def filtered(requests, ruby):
    """Events by what they were made from, all by one run: a JVM takes its time to start."""
    lines = {
        "all": otlp_json(full_log()),
        "span event": otlp_json(span_with_event()),
        "not otlp": '{"message": "hello"}',
    }
    sent = [otlp_json(message) for path, message in requests if path != "/v1/metrics"]
    made = run_filter(ruby, [*lines.values(), *sent])
    return {**dict(zip(lines, made, strict=False)), "sent": [e for each in made[len(lines) :] for e in each]}


@pytest.fixture
def events(filtered):
    """What Logstash makes of the logs and spans that a real process sent."""
    return filtered["sent"]


def key(document):
    return json.dumps(without_times(document), sort_keys=True)


def test_events_are_the_documents_of_the_exporters_form(events, documents):
    wanted = [doc for action, doc in documents if "metrics" not in action["create"]["_index"]]
    made = sorted(events, key=key)
    assert [without_times(each) for each in made] == [without_times(each) for each in sorted(wanted, key=key)]
    assert all(set(each) & set(TIMES) for each in made)


def test_times_keep_their_nanoseconds(requests, events):
    groups = [group for path, message in requests if path == "/v1/logs" for group in message.resource_logs]
    records = [record for group in groups for scope in group.scope_logs for record in scope.log_records]
    stamps = {each["@timestamp"] for each in events if each["data_stream"]["type"] == "logs"}
    assert {stamp.rpartition(".")[2] for stamp in stamps} == {
        f"{record.time_unix_nano % 1_000_000_000:09d}Z" for record in records
    }


def test_elasticsearch_accepts_them_in_streams_of_their_own(client, events):
    pairs = []
    for event in events:
        index = f"{event['data_stream']['type']}-logstash.otel-default"
        old = f"2020{event['@timestamp'][4:]}"  # out of the range that the tests of dashboards ask for
        pairs.append(({"create": {"_index": index}}, {**event, "@timestamp": old}))
    assert bulk(client, pairs) == []
    total = count(client, "logs-logstash.otel-default") + count(client, "traces-logstash.otel-default")
    assert total == len(events)


def full_log():
    """A record with everything that a process of ours never sends."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add(schema_url="https://r")
    group.resource.attributes.add(key="data_stream.dataset").value.string_value = "credit"
    record = group.scope_logs.add().log_records.add(observed_time_unix_nano=1_700_000_000_000_000_007)
    record.body.kvlist_value.values.add(key="a").value.int_value = 2**60
    values = record.attributes.add(key="mixed").value.array_value.values
    values.add().double_value = 0.5
    values.add().bool_value = True
    record.attributes.add(key="whole").value.int_value = -3
    record.attributes.add(key="event.name").value.string_value = "old.way"
    return request


def test_structured_bodies_arrays_large_integers_and_routing_attributes(filtered):
    (event,) = filtered["all"]
    assert event["@timestamp"] == "2023-11-14T22:13:20.000000007Z"
    assert event["body"] == {"structured": {"a": 2**60}}
    assert event["attributes"] == {"mixed": [0.5, True], "whole": -3, "event.name": "old.way"}
    assert event["event_name"] == "old.way"
    assert event["data_stream"] == {"type": "logs", "dataset": "credit.otel", "namespace": "default"}
    assert event["resource"] == {"schema_url": "https://r"}


def span_with_event():
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(
        trace_id=b"\x01" * 16, span_id=b"\x02" * 8, name="s", kind=2,
        start_time_unix_nano=10**18, end_time_unix_nano=10**18,
    )  # fmt: skip
    span.status.code = 2
    happened = span.events.add(name="exception", time_unix_nano=10**18 + 5)
    happened.attributes.add(key="exception.type").value.string_value = "KeyError"
    return request


def test_an_event_of_a_span_is_a_document_among_the_logs(filtered):
    first, second = filtered["span event"]
    assert (first["kind"], first["status"], first["duration"]) == ("Server", {"code": "Error"}, 0)
    assert second["data_stream"]["type"] == "logs"
    assert second["attributes"] == {"exception.type": "KeyError", "event.name": "exception"}
    assert second["trace_id"] == first["trace_id"] == "01" * 16


def test_what_is_not_otlp_comes_out_tagged(filtered):
    (event,) = filtered["not otlp"]
    assert event["tags"] == ["_otlpfailure"]
    assert event["message"] == "hello"


@pytest.mark.parametrize("name", ["otlp.conf", "input-file.conf", "input-kafka.conf"])
def test_a_configuration_parses_and_takes_secrets_from_the_environment(name):
    text = (FOLDER / name).read_text()
    sections = [section for section, _ in Pipeline(text).parse()]
    assert sections == (["filter", "output"] if name == "otlp.conf" else ["input"])
    if name == "otlp.conf":
        assert 'password => "${ELASTICSEARCH_PASSWORD}"' in text


@pytest.mark.parametrize("name", ["collector-file.yaml", "collector-kafka.yaml"])
def test_the_collectors_part_replaces_the_exporter_in_pipelines_that_exist(name):
    ours, base = yaml.safe_load((FOLDER / name).read_text()), yaml.safe_load(COLLECTOR.read_text())
    (exporter,) = ours["exporters"]
    for pipeline, parts in ours["service"]["pipelines"].items():
        assert base["service"]["pipelines"][pipeline]["receivers"] == parts["receivers"]
        assert base["service"]["pipelines"][pipeline]["exporters"] == ["elasticsearch"]
        assert parts["exporters"] == [exporter]


def test_the_pipeline_names_files_that_are_there():
    (pipeline,) = yaml.safe_load((FOLDER / "pipelines.yml").read_text())
    folder, _, names = pipeline["path.config"].rpartition("/")
    assert folder == "/usr/share/logstash/modelspan"
    for name in names.removeprefix("{").removesuffix("}.conf").split(","):
        assert (FOLDER / f"{name}.conf").is_file()

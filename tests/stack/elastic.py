"""What the tests on Elasticsearch share: the server set up as users do it, telemetry in it, questions."""

import importlib.util
import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import builtin_templates
import elastic_traffic
import otel_documents
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from stack_servers import Elasticsearch, OtlpSink

from modelspan import Reference
from modelspan.dashboards import write
from modelspan.dashboards.plan import Plan

SETUP = Path(__file__).parents[2] / "collector" / "elasticsearch" / "setup.py"
CONVERTERS = {
    "/v1/logs": (ExportLogsServiceRequest, otel_documents.log_documents),
    "/v1/traces": (ExportTraceServiceRequest, otel_documents.span_documents),
    "/v1/metrics": (ExportMetricsServiceRequest, otel_documents.metric_documents),
}
NOW = datetime.now(UTC)
RANGE = {"range": {"@timestamp": {"gte": (NOW - timedelta(hours=1)).isoformat(),
                                  "lte": (NOW + timedelta(hours=1)).isoformat()}}}  # fmt: skip
# Fifty buckets over fifty years: one for each year, so that a test's minute falls into one of them.
PARAMS = [{"_tstart": f"{NOW.year - 25}-01-01T00:00:00Z"}, {"_tend": f"{NOW.year + 24}-12-31T00:00:00Z"}]


def load_setup():
    spec = importlib.util.spec_from_file_location("elasticsearch_setup", SETUP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


setup = load_setup()


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """The folder that `modelspan dashboards` fills, for a model with a reference."""
    folder = tmp_path_factory.mktemp("dashboards")
    elastic_traffic.build(folder / "reference.json")
    plan = Plan(references=(Reference.load(folder / "reference.json"),))
    write.write(write.make(plan, ["kibana"]), folder)
    return folder


@pytest.fixture(scope="session")
def client(elasticsearch, made):
    """The server with built-in templates, then ours by the set-up script."""
    client = setup.Client("Elasticsearch", elasticsearch.url, {})
    builtin_templates.install(client, Elasticsearch.resources())
    done = run_setup(elasticsearch, made)
    assert done.returncode == 0, done.stderr
    assert "logs-otel@custom, traces-otel@custom, metrics-otel@custom" in done.stdout
    return client


def run_setup(elasticsearch, made, **env):
    command = [sys.executable, str(SETUP), "--templates", str(made / "elasticsearch"), "--dashboards",
               str(made / "kibana")]  # fmt: skip
    settings = {"ELASTICSEARCH_URL": elasticsearch.url, "ELASTIC_WAIT_SECONDS": "60", **env}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **settings}
    )


@pytest.fixture(scope="session")
def requests(made):
    """What a real process sent by OTLP, as `(path, message)`; of metrics the last, whole, collection."""
    sink = OtlpSink()
    thread = threading.Thread(target=sink.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    command = [sys.executable, elastic_traffic.__file__, sink.url, str(made / "reference.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    sink.shutdown()
    sink.server_close()
    thread.join()
    assert done.returncode == 0, done.stderr
    kept = [each for each in sink.requests if each.path != "/v1/metrics"]
    kept.append([each for each in sink.requests if each.path == "/v1/metrics"][-1])
    return [(each.path, CONVERTERS[each.path][0].FromString(each.body)) for each in kept]


@pytest.fixture(scope="session")
def documents(requests):
    """The same as `(action, document)`."""
    return [pair for path, message in requests for pair in CONVERTERS[path][1](message)]


def bulk(client, pairs):
    """Index, and give the errors."""
    lines = "".join(json.dumps(part) + "\n" for pair in pairs for part in pair)
    answer = client.call("POST", "/_bulk?refresh=true", lines.encode(), "application/x-ndjson")
    return [item["create"] for item in answer["items"] if item["create"]["status"] >= 300]


@pytest.fixture(scope="session")
def indexed(client, documents):
    """The server with the documents in it."""
    assert bulk(client, documents) == []
    return client


def esql(client, query):
    """Rows as Kibana gets them: with the dashboard's time range as parameters and as a filter."""
    used = [each for each in PARAMS if f"?{next(iter(each))}" in query]
    answer = client.call("POST", "/_query", {"query": query, "filter": RANGE, "params": used})
    names = [column["name"] for column in answer["columns"]]
    return [dict(zip(names, row, strict=True)) for row in answer["values"]]


def count(client, index):
    return client.call("GET", f"/{index}/_count")["count"]

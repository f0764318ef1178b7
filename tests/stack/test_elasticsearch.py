"""Templates, documents in the exporter's form and mapping conflicts on a real Elasticsearch."""

import json
import re
import urllib.error
import urllib.request
from collections import Counter

import pytest
from elastic import bulk, count, run_setup

from tests.serving import Answers, serving


def test_every_document_of_the_exporters_form_is_accepted_and_found(indexed, documents):
    sent = Counter(action["create"]["_index"].split("-")[0] for action, _ in documents)
    assert sent["logs"] == 150 + 30 + 5 + sum(
        doc.get("event_name", "").startswith("ml.drift") for _, doc in documents
    )
    assert sent["traces"] == 12 + 5 + 20 + 10
    for signal in ("logs", "traces", "metrics"):
        assert count(indexed, f"{signal}-generic.otel-default") == sent[signal]


def test_setting_up_again_changes_nothing(client, elasticsearch, made):
    done = run_setup(elasticsearch, made)
    assert (done.returncode, done.stdout) == (0, "setup: templates are as they should be\n")


class Front(Answers):
    """Passes everything on but what has a canned answer."""

    def handle_any(self):
        body = self.body()
        self.server.seen.append((self.command, self.path, self.headers.get("Authorization"), body))
        canned = next((answer for part, answer in self.server.canned.items() if part in self.path), None)
        if canned is not None:
            status, answer = 200, json.dumps(canned).encode()
        else:
            request = urllib.request.Request(
                self.server.behind + self.path, body or None, method=self.command
            )
            request.add_header("Content-Type", "application/json")
            try:
                with urllib.request.urlopen(request, timeout=60) as got:
                    status, answer = got.status, got.read()
            except urllib.error.HTTPError as refused:
                status, answer = refused.code, refused.read()
        self.answer(status, answer)

    do_GET = do_PUT = do_POST = handle_any  # noqa: N815 - the base class looks for these


@pytest.fixture
def front(elasticsearch):
    lacking = {"/_lifecycle": {"acknowledged": True}}  # an API that the server of the tests has not
    with serving(Front, behind=elasticsearch.url, seen=[], canned=lacking) as server:
        yield server


def test_another_retention_reaches_the_streams_that_exist(indexed, front, made):
    for retention in ("90d", "30d"):
        front.seen.clear()
        done = run_setup(front, made, ELASTIC_RETENTION=retention, ELASTIC_API_KEY="s3cret-key")
        assert done.returncode == 0, done.stderr
        puts = {path: json.loads(body) for method, path, _, body in front.seen if "_lifecycle" in path}
        assert puts["/_data_stream/logs-generic.otel-default/_lifecycle"] == {"data_retention": retention}
        assert {key for _, _, key, _ in front.seen} == {"ApiKey s3cret-key"}
        assert "s3cret" not in done.stdout + done.stderr
        rolled = [path for method, path, _, _ in front.seen if "_rollover" in path]
        assert "/traces-generic.otel-default/_rollover?lazy=true" in rolled


def test_the_built_in_definitions_survive_our_additions(indexed):
    simulated = indexed.call("POST", "/_index_template/_simulate_index/logs-new.otel-default")["template"]
    properties = simulated["mappings"]["properties"]
    assert properties["attributes"]["dynamic"] == "true"
    assert properties["attributes"]["properties"]["exception.type"]["type"] == "keyword"
    assert properties["attributes"]["properties"]["ml.prediction.score"]["type"] == "double"
    assert properties["resource"]["properties"]["attributes"]["type"] == "passthrough"
    assert simulated["settings"]["index"]["mode"] == "logsdb"


def test_a_template_of_somebody_else_is_not_replaced(client, elasticsearch, made):
    ours = client.call("GET", "/_component_template/traces-otel@custom")["component_templates"][0][
        "component_template"
    ]
    client.call("PUT", "/_component_template/traces-otel@custom", {"template": {}})
    try:
        done = run_setup(elasticsearch, made)
        assert done.returncode == 1
        assert "traces-otel@custom is there and not ours" in done.stderr
    finally:
        client.call("PUT", "/_component_template/traces-otel@custom", ours)


def test_a_cluster_without_the_built_in_templates_is_told_what_it_lacks(front, made):
    front.canned["_simulate_index"] = {"template": {"mappings": {}}}
    done = run_setup(front, made)
    assert done.returncode == 1
    assert "Elasticsearch 8.16 or newer brings them" in done.stderr


OLD = 1_600_000_000_000
"""Outside the time range that the tests of dashboards ask for."""


def conflict(client, values, name="amount", stream="logs-conflict.otel-default"):
    pairs = [
        (
            {"create": {"_index": stream}},
            {
                "@timestamp": f"{OLD + i}.0",
                "event_name": "ml.prediction",
                "attributes": {"ml.model.name": "conflict", f"ml.feature.value.{name}": value},
                "resource": {"attributes": {"service.name": "s"}},
            },
        )
        for i, value in enumerate(values)
    ]  # fmt: skip
    return bulk(client, pairs)


@pytest.mark.parametrize(("name", "values"), [
    ("amount", [5, "five", 5.75, True, [1, "two"], None]),
    ("level", ["low", 3, 2.5, False, "x" * 40_000]),
    ("client_ip", ["10.0.0.1", "unknown", 7]),
    ("income.net", [1, "one"]),
    ("flag", [True, "perhaps", 3]),
    ("message", ["text", 5]),
])  # fmt: skip
def test_a_feature_of_changing_type_loses_no_document(client, name, values):
    stream = f"logs-{name.replace('.', '_')}.otel-default"
    assert conflict(client, values, name, stream) == []
    assert count(client, stream) == len(values)
    found = client.call("POST", f"/{stream}/_search", {"size": 100, "sort": ["@timestamp"]})["hits"]["hits"]
    kept = [hit["_source"]["attributes"].get(f"ml.feature.value.{name}") for hit in found]
    for sent, got in zip(values, kept, strict=True):
        assert texts(got) == texts(sent)


def texts(value):
    """Values as text; such an index gives arrays back in any order, and 5 as its field holds it."""
    values = value if isinstance(value, list) else [value]
    return sorted(re.sub(r"\.0$", "", str(v)).lower() for v in values)


def test_a_whole_number_seen_first_does_not_cut_later_fractions(client):
    assert conflict(client, [5, 5.75, "five"], "price", "logs-price.otel-default") == []
    query = "FROM logs-price.otel-default | STATS top = MAX(ml.feature.value.price), n = COUNT(*)"
    assert client.call("POST", "/_query", {"query": query})["values"] == [[5.75, 3]]
    ignored = "FROM logs-price.otel-default METADATA _ignored | WHERE _ignored IS NOT NULL | KEEP _ignored"
    answer = client.call("POST", "/_query", {"query": ignored})
    assert answer["values"] == [["attributes.ml.feature.value.price"]]


def test_more_features_than_an_index_has_fields_lose_no_document(client):
    names = {f"ml.feature.value.f{i}": float(i) for i in range(1500)}
    pair = (
        {"create": {"_index": "logs-wide.otel-default"}},
        {"@timestamp": f"{OLD}.0", "event_name": "ml.prediction", "attributes": names},
    )
    assert bulk(client, [pair]) == []
    (hit,) = client.call("POST", "/logs-wide.otel-default/_search", {})["hits"]["hits"]
    assert len(hit["_source"]["attributes"]) == 1500

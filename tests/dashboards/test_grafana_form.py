"""The JSON of Grafana's dashboards: fields of the documented schema only, and what a reader needs.

Grafana Labs' own typed models of the schema read each dashboard and write it again; a field that they do not
know would be gone. No Grafana server runs in these tests.
"""

import json
import re
import warnings

import numpy as np
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins

from modelspan import Reference
from modelspan.dashboards import grafana, provisioning
from modelspan.dashboards.alerts import all_alerts
from modelspan.dashboards.plan import Plan

with warnings.catch_warnings():
    # The classic schema is the one that every Grafana imports; the newer one needs version 13.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.models.dashboard import Dashboard
register_default_plugins()


@pytest.fixture(scope="module")
def reference():
    rng = np.random.default_rng(1)
    frame = {"age": rng.normal(40, 9, 500), 'the "$rate"': rng.choice(["a", "b"], 500)}
    return Reference.build(frame, score=rng.random(500), model="credit", version="2")


@pytest.fixture(scope="module", params=["plain", "with a reference"])
def documents(request, reference):
    references = (reference,) if request.param == "with a reference" else ()
    made = grafana.files(Plan(references=references))
    return {name.rsplit("/", 1)[1]: json.loads(text) for name, text in made.items()}


def panels(document):
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def lost(ours, theirs, path=""):
    """What of our JSON is not in theirs."""
    if isinstance(ours, dict):
        if not isinstance(theirs, dict):
            return [path]
        pairs = ((key, ours[key], theirs.get(key)) for key in ours)
        return [each for key, a, b in pairs for each in lost(a, b, f"{path}.{key}")]
    if isinstance(ours, list):
        if not isinstance(theirs, list) or len(ours) != len(theirs):
            return [path] if ours else []
        pairs = zip(ours, theirs, strict=True)
        return [each for i, (a, b) in enumerate(pairs) for each in lost(a, b, f"{path}[{i}]")]
    return [] if ours == theirs else [path]


def test_every_field_is_one_of_the_documented_schema(documents):
    for name, document in documents.items():
        again = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(document)))
        assert not lost(document, again), f"{name}: {lost(document, again)}"


def test_a_field_that_the_schema_does_not_know_would_be_found(documents):
    document = json.loads(json.dumps(documents["modelspan-service.json"]))
    document["panels"][1]["options"]["colorfulMode"] = "value"
    document["panels"][1]["gridpos"] = {}
    again = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(document)))
    assert lost(document, again) == [".panels[1].options.colorfulMode", ".panels[1].gridpos"]


def test_panels_lie_side_by_side_within_the_page_and_cover_one_another_nowhere(documents):
    for document in documents.values():
        taken = set()
        for place in (panel["gridPos"] for panel in document["panels"]):
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken
            assert place["x"] + place["w"] <= 24
            taken |= cells
        numbers = [panel["id"] for panel in document["panels"]]
        assert len(set(numbers)) == len(numbers)


def test_every_panel_says_what_it_shows_and_every_series_has_a_name(documents):
    for document in documents.values():
        for panel in panels(document):
            assert panel["title"]
            if panel["type"] == "text":
                continue
            assert panel["description"].endswith((".", "?"))
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["targets"]
            several = len(panel["targets"]) > 1 or " by " in panel["targets"][0]["expr"]
            if panel["type"] == "timeseries" and several:
                assert all(target["legendFormat"] != "__auto" for target in panel["targets"])
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {provisioning.PROMETHEUS}


def test_every_variable_in_a_query_is_one_of_the_page(documents):
    for document in documents.values():
        known = {each["name"] for each in document["templating"]["list"]} | {"__rate_interval"}
        used = set(re.findall(r"\$(\w+)", json.dumps([p.get("targets", []) for p in document["panels"]])))
        assert used <= known, used - known


def test_latency_panels_show_exemplars_that_open_the_trace_in_jaeger(documents):
    with_exemplars = [
        panel["title"]
        for panel in panels(documents["modelspan-service.json"])
        if any(target["exemplar"] for target in panel["targets"])
    ]
    assert {"Latency", "All durations"} <= set(with_exemplars)
    jump = provisioning._prometheus()["jsonData"]["exemplarTraceIdDestinations"]
    assert [(each["name"], each["datasourceUid"]) for each in jump] == [("trace_id", provisioning.JAEGER)]
    assert provisioning._jaeger()["uid"] == provisioning.JAEGER


def test_a_reference_names_the_panels_of_its_features(reference):
    text = grafana.files(Plan(references=(reference,)))["grafana/dashboards/modelspan-drift.json"]
    titles = [panel["title"] for panel in json.loads(text)["panels"]]
    assert "Histograms of credit 2" in titles
    assert titles[-3:] == ["score", "age", 'the "$rate"']
    (shares,) = [p for p in json.loads(text)["panels"] if p["title"] == 'the "$rate"']
    assert r'ml_feature_name="the \"\x24rate\""' in shares["targets"][0]["expr"]


def test_each_runbook_is_the_panel_to_which_its_alert_leads(documents):
    runbooks = panels(documents["modelspan-runbooks.json"])
    for number, alert in enumerate(all_alerts(Plan()), 1):
        (panel,) = [panel for panel in runbooks if panel["id"] == number]
        assert panel["title"] == alert.name
        link = alert.rule(Plan(), number)["annotations"]["dashboard_url"]
        assert re.search(r"/d/([\w-]+)", link)[1] + ".json" in documents

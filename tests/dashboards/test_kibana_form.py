"""Saved objects have the form of Kibana's own exports; no Kibana runs here, so the form is what is tested."""

import json
import uuid

import pytest

from modelspan import Reference
from modelspan.dashboards import write
from modelspan.dashboards.plan import Plan

COLUMNS = 48


@pytest.fixture(scope="module")
def plan():
    rows = {"age": [float(i % 50) for i in range(500)], 'say "hi" `now`': ["a\\b", 'c"d'] * 250}
    reference = Reference.build(rows, score=[0.5] * 500, model="credit-risk", version="1")
    return Plan(references=(reference,))


@pytest.fixture(scope="module")
def boards(plan):
    """Saved objects by file."""
    files = write.make(plan, ["kibana"])
    return {
        name: [json.loads(line) for line in text.splitlines()]
        for name, text in files.items()
        if name.endswith(".ndjson")
    }


def dashboards(boards):
    return [each for objects in boards.values() for each in objects if each["type"] == "dashboard"]


def panels(board):
    return json.loads(board["attributes"]["panelsJSON"])


def test_there_are_dashboards_of_predictions_errors_and_audit(boards):
    assert set(boards) == {f"kibana/{name}.ndjson" for name in ("predictions", "errors", "audit")}
    assert [board["id"] for board in dashboards(boards)] == [
        "modelspan-audit",
        "modelspan-errors",
        "modelspan-predictions",
    ]


def test_the_same_plan_gives_the_same_bytes_and_ids(plan):
    assert write.make(plan, ["kibana"]) == write.make(plan, ["kibana"])


def test_versions_are_those_of_kibana_8_which_9_migrates(boards):
    versions = {"dashboard": "10.2.0", "index-pattern": "8.0.0"}
    for objects in boards.values():
        for saved in objects:
            assert saved["typeMigrationVersion"] == versions[saved["type"]]
            assert saved["coreMigrationVersion"] == "8.8.0"


def test_every_reference_leads_to_an_object_of_the_same_file(boards):
    for objects in boards.values():
        there = {(each["type"], each["id"]) for each in objects}
        assert {(r["type"], r["id"]) for each in objects for r in each["references"]} <= there


def test_ids_are_unique_and_panels_lie_side_by_side_without_overlap(boards):
    for board in dashboards(boards):
        idents = [panel["panelIndex"] for panel in panels(board)]
        assert len(set(idents)) == len(idents)
        assert all(uuid.UUID(each).version == 5 for each in idents)
        taken = set()
        for panel in panels(board):
            grid = panel["gridData"]
            assert grid["i"] == panel["panelIndex"]
            assert grid["x"] + grid["w"] <= COLUMNS
            cells = {
                (x, y)
                for x in range(grid["x"], grid["x"] + grid["w"])
                for y in range(grid["y"], grid["y"] + grid["h"])
            }
            assert not cells & taken
            taken |= cells


def test_every_accessor_of_a_chart_is_a_column_of_its_layer(boards):
    for board in dashboards(boards):
        for panel in panels(board):
            state = panel["embeddableConfig"]["attributes"]["state"]
            (name, layer), *others = state["datasourceStates"]["textBased"]["layers"].items()
            assert not others
            assert layer["index"] in state["adHocDataViews"]
            assert layer["query"] == state["query"]
            assert accessors(state["visualization"], name) <= {each["columnId"] for each in layer["columns"]}


def accessors(drawn, layer):
    """Columns that the visualization uses; its layers are the one that asks."""
    parts = drawn.get("layers", [drawn])
    assert [part["layerId"] for part in parts] == [layer]
    (part,) = parts
    single = [part[name] for name in ("xAccessor", "splitAccessor", "metricAccessor") if name in part]
    listed = [each["columnId"] for each in part.get("columns", [])]
    return {
        *single,
        *listed,
        *part.get("accessors", []),
        *(y["forAccessor"] for y in part.get("yConfig", [])),
    }


def test_panels_name_the_models_own_features_whatever_their_name(boards):
    (board,) = (each for each in dashboards(boards) if each["id"] == "modelspan-predictions")
    titles = [panel["title"] for panel in panels(board)]
    assert "credit-risk: age by bin, with the reference's share in %" in titles
    queries = [panel["embeddableConfig"]["attributes"]["state"]["query"]["esql"] for panel in panels(board)]
    assert any('ml.feature.name == "say \\"hi\\" `now`"' in query for query in queries)
    assert any('`ml.feature.value.say "hi" ``now```' in query for query in queries)


def test_templates_add_the_features_with_their_types(plan):
    fields = json.loads(write.make(plan, ["kibana"])["elasticsearch/fields.json"])["logs"]["attributes"]
    assert fields["ml.feature.value.age"]["type"] == "double"
    assert fields['ml.feature.value.say "hi" `now`']["type"] == "keyword"


def test_a_component_template_never_names_the_objects_that_the_built_in_ones_define(plan):
    for name, text in write.make(plan, ["kibana"]).items():
        if "@custom" in name:
            assert "properties" not in json.loads(text)["template"].get("mappings", {})

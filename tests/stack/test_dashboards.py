"""Every query of every dashboard, and every rule, gives data on a real Prometheus after traffic."""

import re

import pytest
import yaml
from panels import WINDOW, filled, pages
from prometheus_api import get

from modelspan.dashboards import alerts, recording
from modelspan.dashboards.plan import Plan

SERIES = re.compile(r"modelspan:\w+:\w+|\bml_(?:drift_detected|performance_coverage|threshold_crossed)\b")


@pytest.fixture(scope="module")
def plan(panels):
    return panels.plan


def queries(*plans):
    """Every query of the dashboards, by page and panel."""
    return {
        (page["uid"], panel["title"], target["expr"])
        for page in pages(*plans)
        for panel in page["panels"]
        for target in panel.get("targets", [])
    }


def test_every_query_of_every_dashboard_gives_data(panels, plan):
    asked = queries(plan, Plan(windows=(WINDOW,), step="2s"))
    assert len(asked) > 40
    empty = [(page, title) for page, title, expr in sorted(asked) if not panels.query(filled(expr))]
    assert not empty, "\n".join(map(str, empty))


def test_every_variable_of_every_dashboard_offers_something(panels, plan):
    for page in pages(plan):
        for variable in page["templating"]["list"]:
            if variable["type"] != "query":
                continue
            asked = filled(variable["query"]["query"])
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", asked).groups()
            found = get(panels.server, "series", **{"match[]": series})
            assert {each.get(label) for each in found} - {None}, asked


def test_every_recording_rule_has_recorded(panels):
    (text,) = recording.files(Plan(windows=(WINDOW,), step="2s")).values()
    names = {rule["record"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]}
    empty = [name for name in sorted(names) if not panels.query(f"last_over_time({name}[2m])")]
    assert not empty


def test_every_series_that_an_alert_reads_exists_and_no_rule_failed(panels, plan):
    (text,) = alerts.files(plan).values()
    for rule in yaml.safe_load(text)["groups"][0]["rules"]:
        read = set(SERIES.findall(rule["expr"]))
        assert read
        for name in read:
            assert panels.query(f"last_over_time({name}[2m])"), (rule["alert"], name)
    for group in get(panels.server, "rules")["groups"]:
        assert [rule["name"] for rule in group["rules"] if rule["health"] == "err"] == []


def test_exemplars_of_the_duration_carry_trace_ids(panels):
    name = "ml_inference_duration_seconds_bucket"
    found = get(panels.server, "query_exemplars", query=name, start=panels.time - 300, end=panels.time)
    exemplars = [each for series in found for each in series["exemplars"]]
    assert exemplars
    assert all(re.fullmatch(r"[0-9a-f]{32}", each["labels"]["trace_id"]) for each in exemplars)

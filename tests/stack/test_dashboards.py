"""Every query of every dashboard, and every rule, gives data on a real Prometheus after traffic."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from stack_servers import Prometheus

from modelspan import Reference
from modelspan.dashboards import alerts, grafana, recording
from modelspan.dashboards.plan import Plan

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from prometheus_api import get, query, wait_for  # noqa: E402 - found by the path above

WINDOW = "2m"
SERIES = re.compile(r"modelspan:\w+:\w+|\bml_(?:drift_detected|performance_coverage)\b")
CHOSEN = {"window": WINDOW, "method": "psi", "feature": "age", "measure": "accuracy", "span": "last"}
EVERYTHING = ("service", "model", "version", "instance")


@pytest.fixture(scope="module")
def reference():
    rng = np.random.default_rng(1)
    return Reference.build(
        {"age": rng.normal(40, 9, 3000)}, score=rng.random(3000), model="credit", version="1"
    )


@pytest.fixture(scope="module")
def plan(reference):
    return Plan(references=(reference,), windows=(WINDOW,), step="2s")


@pytest.fixture(scope="module")
def server(serve, reference, plan, tmp_path_factory):
    """A Prometheus with the rules, after some seconds of traffic."""
    folder = tmp_path_factory.mktemp("dashboards")
    reference.save(folder / "ref.json")
    paths = []
    for name, text in {**recording.files(plan), **alerts.files(plan)}.items():
        paths.append(folder / Path(name).name)
        paths[-1].write_text(text)
    running = serve(Prometheus(rules=paths, interval="1s"))
    arguments = [HERE / "traffic.py", folder / "ref.json", f"{running.url}/api/v1/otlp", 8]
    # Spans and records are sent too, to where nobody takes them: so some telemetry is lost.
    subprocess.run([sys.executable, *map(str, arguments)], check=True, env={**os.environ}, timeout=120)
    for last in (f'{recording.SCORE}{{ml_drift_method="ks"}}', recording.DROPPED):
        wait_for(last, lambda series=last: query(running, series), 30)
    return running


def filled(expression):
    """The expression with the variables that Grafana would put in."""
    for name in EVERYTHING:
        expression = expression.replace(f"${name}", ".*")
    for name, value in CHOSEN.items():
        expression = expression.replace(f"${name}", value)
    return expression.replace("$__rate_interval", "1m")


def queries(*plans):
    """Every query of the dashboards, by page and panel."""
    pages = [json.loads(text) for plan in plans for text in grafana.files(plan).values()]
    return {
        (page["uid"], panel["title"], target["expr"])
        for page in pages
        for panel in page["panels"]
        for target in panel.get("targets", [])
    }


def test_every_query_of_every_dashboard_gives_data(server, plan):
    asked = queries(plan, Plan(windows=(WINDOW,), step="2s"))
    assert len(asked) > 40
    empty = [(page, title) for page, title, expr in sorted(asked) if not query(server, filled(expr))]
    assert not empty, "\n".join(map(str, empty))


def test_every_variable_of_every_dashboard_offers_something(server, plan):
    for text in grafana.files(plan).values():
        for variable in json.loads(text)["templating"]["list"]:
            if variable["type"] != "query":
                continue
            asked = filled(variable["query"]["query"])
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", asked).groups()
            found = get(server, "series", **{"match[]": series})
            assert {each.get(label) for each in found} - {None}, asked


def test_every_recording_rule_has_recorded(server):
    (text,) = recording.files(Plan(windows=(WINDOW,), step="2s")).values()
    names = {rule["record"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]}
    empty = [name for name in sorted(names) if not query(server, f"last_over_time({name}[2m])")]
    assert not empty


def test_every_series_that_an_alert_reads_exists_and_no_rule_failed(server, plan):
    (text,) = alerts.files(plan).values()
    for rule in yaml.safe_load(text)["groups"][0]["rules"]:
        read = set(SERIES.findall(rule["expr"]))
        assert read
        for name in read:
            assert query(server, f"last_over_time({name}[2m])"), (rule["alert"], name)
    for group in get(server, "rules")["groups"]:
        assert [rule["name"] for rule in group["rules"] if rule["health"] == "err"] == []


def test_exemplars_of_the_duration_carry_trace_ids(server):
    name = "ml_inference_duration_seconds_bucket"
    ((_, now),) = query(server, "time()")
    found = get(server, "query_exemplars", query=name, start=now - 300, end=now)
    exemplars = [each for series in found for each in series["exemplars"]]
    assert exemplars
    assert all(re.fullmatch(r"[0-9a-f]{32}", each["labels"]["trace_id"]) for each in exemplars)

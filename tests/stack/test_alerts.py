"""A drift reaches a person through the real Prometheus and Alertmanager, and so does its end."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from stack_servers import Alertmanager, Prometheus

from modelspan import Reference
from modelspan.dashboards import alerts, recording
from modelspan.dashboards.plan import Plan
from tests.serving import Answers, serving

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from prometheus_api import CALM, query, wait_for  # noqa: E402 - found by the path above

PLAN = Plan(windows=("10s",), step="2s")
ALERTS = ("ModelDrift", "ModelFleetDrift")


@pytest.fixture
def receiver():
    """What a webhook was told: each alert as Alertmanager sends it, in order."""
    told = []

    class Handler(Answers):
        def do_POST(self):
            told.extend(json.loads(self.body())["alerts"])
            self.answer(200)

    with serving(Handler) as server:
        yield f"{server.url}/", told


def routes(url, folder):
    """The shipped configuration with its webhook alone, at our address, and without waiting."""
    config = yaml.safe_load((HERE.parents[1] / "collector" / "alertmanager.yml").read_text())
    (webhook,) = [each for each in config["receivers"] if each["name"] == "webhook"]
    (settings,) = webhook["webhook_configs"]
    settings["url"] = url
    del settings["http_config"]
    route = {"receiver": "webhook", "group_by": config["route"]["group_by"], "group_wait": "0s"}
    route |= {"group_interval": "1s", "repeat_interval": "1h"}
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump({"route": route, "receivers": [webhook]}))
    return path


@pytest.fixture
def stack(serve, receiver, tmp_path):
    """Prometheus with the rules, which tells Alertmanager, which tells the receiver."""
    paths = []
    for name, text in {**recording.files(PLAN), **alerts.files(PLAN)}.items():
        paths.append(tmp_path / Path(name).name)
        paths[-1].write_text(text)
    manager = serve(Alertmanager(routes(receiver[0], tmp_path)))
    return serve(Prometheus(rules=paths, alertmanager=manager.url, interval="1s"))


@pytest.fixture
def phase(stack, tmp_path):
    """A running service; writing to the file changes its data."""
    rng = np.random.default_rng(1)
    frame = {"age": rng.normal(40, 9, 5000), "income": rng.normal(size=5000)}
    Reference.build(frame, score=rng.random(5000)).save(tmp_path / "ref.json")
    file = tmp_path / "phase"
    file.write_text("calm")
    arguments = [HERE / "phases.py", tmp_path / "ref.json", f"{stack.url}/api/v1/otlp", file]
    process = subprocess.Popen([sys.executable, *map(str, arguments)], env={**os.environ, **CALM})
    yield file
    file.write_text("end")
    assert process.wait(60) == 0


def states(told):
    """The newest state of each alert by its name and feature."""
    return {(a["labels"]["alertname"], a["labels"].get("ml_feature_name")): a["status"] for a in told}


def test_a_drift_fires_through_to_the_webhook_and_recovery_resolves_it(stack, receiver, phase):
    _, told = receiver
    wait_for("a full window", lambda: query(stack, f"{recording.WINDOW_ROWS} >= 500"))
    time.sleep(4)
    assert told == []

    phase.write_text("drift")
    firing = dict.fromkeys([(name, "age") for name in ALERTS], "firing")
    wait_for(f"{firing}", lambda: states(told) == firing)
    one = told[0]
    assert one["labels"]["ml_model_name"] == "credit"
    assert "age of credit 1" in one["annotations"]["summary"]
    assert one["annotations"]["runbook_url"].startswith(f"{PLAN.grafana}/d/modelspan-runbooks?viewPanel=")
    assert one["annotations"]["dashboard_url"].endswith("?var-model=credit")

    phase.write_text("calm")
    wait_for("both resolved", lambda: states(told) == dict.fromkeys(firing, "resolved"), 120)

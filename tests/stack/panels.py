"""What dashboards, rules and alerts are asked of: a Prometheus with the rules, after traffic of all kinds."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from prometheus_api import query, wait_for
from stack_servers import Collector, Prometheus

from modelspan import Reference
from modelspan.dashboards import alerts, grafana, recording
from modelspan.dashboards.plan import Plan

HERE = Path(__file__).parent
WINDOW = "2m"
THRESHOLDS = """
thresholds:
  - {name: accuracy falls, model: loans, metric: accuracy, kind: static, lower: 0.99}
  - {name: accuracy is kept, model: loans, metric: accuracy, kind: static, lower: 0.1}
"""
CHOSEN = {"window": WINDOW, "method": "psi", "feature": "age", "measure": "accuracy", "span": "last"}
EVERYTHING = ("service", "model", "version", "instance")


def filled(expression, **chosen):
    """The expression with the variables that Grafana would put in."""
    for name, value in {**dict.fromkeys(EVERYTHING, ".*"), **CHOSEN, **chosen}.items():
        expression = expression.replace(f"${name}", value)
    return expression.replace("$__rate_interval", "1m")


def pages(*plans):
    """The dashboards."""
    return [json.loads(text) for plan in plans for text in grafana.files(plan).values()]


class Panels(NamedTuple):
    """The server, the plan of its rules, what happened to rows with outcomes, and when all had arrived."""

    server: Prometheus
    plan: Plan
    loans: Reference
    rows: dict[str, list[dict]]
    time: float

    def query(self, expression):
        """The answer as of then: the tests of a folder may run minutes apart."""
        return query(self.server, expression, time=self.time)


@pytest.fixture(scope="session")
def panels(serve, sink, tmp_path_factory):
    """Traffic straight to Prometheus, and rows with outcomes to it by a Collector."""
    folder = tmp_path_factory.mktemp("panels")
    rng = np.random.default_rng(1)
    credit = Reference.build(
        {"age": rng.normal(40, 9, 3000)}, score=rng.random(3000), model="credit", version="1"
    )
    chances = rng.beta(2, 2, 3000)
    truths = np.where(rng.random(3000) < chances, "bad", "good")
    loans = Reference.build(
        {"amount": rng.normal(size=3000), "p": chances, "truth": truths}, score="p", target="truth"
    )
    credit.save(folder / "credit.json")
    loans.save(folder / "loans.json")
    (folder / "thresholds.yaml").write_text(THRESHOLDS)

    plan = Plan(references=(credit,), windows=(WINDOW,), step="4s")  # samples may come 2 s late
    rules = []
    for name, text in {**recording.files(plan), **alerts.files(plan)}.items():
        rules.append(folder / Path(name).name)
        rules[-1].write_text(text)
    server = serve(Prometheus(rules=rules, interval="1s"))
    collector = serve(
        Collector(
            env={
                "PROMETHEUS_URL": server.url, "JAEGER_URL": f"{sink.url}/panels",
                "ELASTICSEARCH_URL": f"{sink.url}/panels", "BATCH_TIMEOUT": "200ms",
            }
        )
    )  # fmt: skip
    # Spans and records of the first are sent too, to where nobody takes them: so some telemetry is lost.
    traffic = started("traffic.py", folder / "credit.json", f"{server.url}/api/v1/otlp", 6)
    files = (folder / name for name in ("data", "thresholds.yaml", "rows.json"))
    outcomes = started("outcomes.py", folder / "loans.json", collector.url, *files)
    assert [process.wait(120) for process in (traffic, outcomes)] == [0, 0]
    rows = json.loads((folder / "rows.json").read_text())
    told = sum("truth" in row for row in (*rows["loans"], *rows["rare"]))
    alert = 'ALERTS{{alertname="{}", alertstate="{}"}}'
    for what, expression in (
        ("the last drift", f'{recording.SCORE}{{ml_drift_method="ks"}}'),
        ("lost telemetry", recording.DROPPED),
        ("all outcomes", f"sum(sum_over_time({recording.OUTCOMES}[{WINDOW}])) == {told}"),
        ("a crossed threshold", alert.format("ModelThresholdCrossed", "firing")),
        ("low coverage", alert.format("ModelCoverageLow", "pending")),
    ):
        wait_for(what, lambda asked=expression: query(server, asked))
    ((_, now),) = query(server, "time()")
    return Panels(server, plan, loans, rows, now)


def started(program, *arguments):
    return subprocess.Popen([sys.executable, *map(str, (HERE / program, *arguments))], env={**os.environ})

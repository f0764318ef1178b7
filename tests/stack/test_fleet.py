"""Drift of a fleet on a real Prometheus equals the drift of all its rows in one process."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from stack_servers import Prometheus

from modelspan import Reference
from modelspan.dashboards import fleet, recording
from modelspan.dashboards.plan import Plan
from modelspan.drift.compare import compare_counts

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from prometheus_api import CALM, query, wait_for  # noqa: E402 - found by the path above
from replica import ROWS, batch  # noqa: E402 - see above

WINDOW = "5m"
METHODS = ("psi", "js", "ks")


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    rng = np.random.default_rng(5)
    frame = {"age": rng.normal(40, 9, 3000), "city": rng.choice(["Ulm", "Bonn", "Kiel"], 3000)}
    built = Reference.build(frame, score=rng.beta(2, 2, 3000), model="credit", version="1")
    built.save(tmp_path_factory.mktemp("reference") / "ref.json")
    return built


@pytest.fixture(scope="module")
def fleet_server(serve, reference, tmp_path_factory):
    """A Prometheus to which four replicas have sent: one has restarted, one has forked, all have ended."""
    folder = tmp_path_factory.mktemp("fleet")
    rules = folder / "rules.yaml"
    (text,) = recording.files(Plan(windows=(WINDOW,), step="10s")).values()
    rules.write_text(text)
    reference.save(folder / "ref.json")
    server = serve(Prometheus(rules=[rules], interval="1s"))

    def replica(seeds, instance=""):
        named = {"OTEL_RESOURCE_ATTRIBUTES": f"service.instance.id={instance}"} if instance else {}
        arguments = [folder / "ref.json", f"{server.url}/api/v1/otlp", 4, *seeds]
        command = [sys.executable, HERE / "replica.py", *arguments]
        return subprocess.Popen([str(part) for part in command], env={**os.environ, **CALM, **named})

    first = [replica([1], "replica-1"), replica([2]), replica([3, 4]), replica([5])]
    assert [process.wait(120) for process in first] == [0, 0, 0, 0]
    assert replica([6]).wait(120) == 0  # the second replica, started again
    total = f'sum({recording.WINDOW_ROWS}{{ml_feature_name="age"}})'
    wait_for("all rows", lambda: [v for _, v in query(server, total)] == [6.0 * ROWS])
    return server


def all_rows(seeds, reference):
    """Counts of each column over the rows of these seeds, by the code that runs in a process."""
    columns = {**reference.features, "score": reference.score}
    return {
        name: (column, sum(column.count(batch(seed)[name]) for seed in seeds))
        for name, column in columns.items()
    }


def in_process(seeds, reference):
    """Distances by column and method."""
    return {
        (name, method): compare_counts(column, counts).distances()[method]
        for name, (column, counts) in all_rows(seeds, reference).items()
        for method in METHODS
    }


def test_the_rules_give_what_one_process_with_all_rows_gives(fleet_server, reference):
    wanted = in_process(range(1, 7), reference)

    def scores():
        found = query(fleet_server, recording.SCORE)
        got = {(m["ml_feature_name"], m["ml_drift_method"]): value for m, value in found}
        return got if got == pytest.approx(wanted, abs=1e-6) else None

    wait_for("equal scores", scores, 30)
    assert len(wanted) == 9
    assert wanted["age", "psi"] > 0.1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("matchers", "seeds"),
    [("", range(1, 7)), ('instance="replica-1"', [1]), ('instance!="replica-1"', range(2, 7))],
)
def test_any_set_of_replicas_and_any_window_gives_it_too(fleet_server, reference, method, matchers, seeds):
    found = query(fleet_server, fleet.drift(method, matchers, "7m"))
    wanted = {n: value for (n, of), value in in_process(seeds, reference).items() if of == method}
    assert {m["ml_feature_name"]: value for m, value in found} == pytest.approx(wanted, abs=1e-6)


def test_no_count_is_lost_or_made_up(fleet_server, reference):
    found = query(fleet_server, fleet.current_counts("", "7m"))
    got = {(m["ml_feature_name"], m["ml_feature_bin"]): value for m, value in found}
    wanted = {
        (name, label): count
        for name, (column, counts) in all_rows(range(1, 7), reference).items()
        for label, count in zip(column.labels, counts.tolist(), strict=True)
    }
    assert got == wanted


def test_the_bound_on_the_p_value_is_that_of_the_counts(fleet_server, reference):
    """Worked out with numpy from its definition."""
    wanted = {}
    for name, (column, counts) in all_rows(range(1, 7), reference).items():
        table = np.array([column.counts, counts], dtype=float)
        expected = table.sum(0) * table.sum(1, keepdims=True) / table.sum()
        x = np.sum(table * np.log(np.where(table > 0, table / np.where(expected > 0, expected, 1), 1)))
        m = 2 * (counts.size - 1)
        wanted[name] = np.log(3) + (min(m - x + m * np.log(x / m), 0) if x > m else 0.0)

    def bounds():
        found = {m["ml_feature_name"]: v for m, v in query(fleet_server, recording.LOG_P)}
        return found == pytest.approx(wanted, abs=1e-6)

    wait_for("equal bounds", bounds, 30)

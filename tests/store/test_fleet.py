"""Eight processes, late outcomes out of order, twice and corrected, and SIGKILL: nothing lost, sums exact.

The experiment is the one of benchmarks/feedback.py, which is also run with a million predictions.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "feedback.py"


@pytest.fixture(scope="module")
def experiment():
    spec = importlib.util.spec_from_file_location("benchmark_feedback", FILE)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_twenty_thousand_predictions_by_processes_that_are_killed(experiment, tmp_path):
    found = experiment.run(20_000, 8, 0.8, "", tmp_path)
    assert found["joined"] > 18_000
    assert min(found[state] for state in ("pending", "superseded", "orphan", "duplicates")) > 100


def test_the_same_on_postgresql(experiment, tmp_path, postgres_url):
    assert experiment.run(2_000, 3, 1.0, postgres_url, tmp_path)["joined"] > 1_800

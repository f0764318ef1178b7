"""Intervals hold the truth as often as they say; `benchmarks/coverage.py` shows the whole table."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SPEC = importlib.util.spec_from_file_location(
    "coverage_table", Path(__file__).parents[2] / "benchmarks/coverage.py"
)
TABLE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(TABLE)
REPEATS = 400
SLACK = 0.033
"""Three standard deviations of a share of 95 % in 400 windows."""


@pytest.mark.parametrize("rows", [50, 200])
@pytest.mark.parametrize("model", TABLE.MODELS, ids=lambda model: model.__name__)
def test_an_interval_of_95_per_cent_holds_the_truth_in_93_to_97_windows_of_100(model, rows):
    random = np.random.default_rng(7)
    found = TABLE.covered(model, rows, REPEATS, random, true=TABLE.truths(model, random))
    wrong = {name: share for name, share in found.items() if not 0.93 - SLACK <= share <= 0.97 + SLACK}
    assert found
    assert not wrong

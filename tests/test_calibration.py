"""Alarms are as rare as their setting says, by the benchmark's own functions on fewer windows and streams.

The bounds cannot flake: a level that is right exceeds them once in a million runs, and seeds are fixed.
"""

import importlib.util
from pathlib import Path

import pytest
from scipy import stats

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "calibration.py"


@pytest.fixture(scope="module")
def calibration():
    spec = importlib.util.spec_from_file_location("calibration", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", ["normal, log-normal, heavy-tailed", "8 levels", "1,000 Zipf levels"])
@pytest.mark.parametrize(("reference", "rows"), [(1_000, 50), (5_000, 200), (5_000, 5_000)])
def test_windows_of_twenty_columns_alarm_at_most_as_often_as_set(calibration, kind, reference, rows):
    windows = 100
    hits = calibration.alarmed_windows(3, kind, reference, rows, windows)
    assert hits <= stats.binom.ppf(1 - 1e-6, windows, calibration.NOMINAL)


@pytest.mark.parametrize("kind", ["normal, log-normal, heavy-tailed", "8 levels", "1,000 Zipf levels"])
def test_streams_of_five_columns_alarm_at_most_as_often_as_set(calibration, kind):
    streams = 40
    hits = calibration.alarmed_streams(
        5, kind, streams=streams, columns=5, looks=150, look_rows=50, reference_rows=1_000
    )
    assert hits <= stats.binom.ppf(1 - 1e-6, streams, calibration.NOMINAL)


def test_the_simulated_streams_have_the_e_values_of_the_rule_itself(calibration):
    import numpy as np

    from modelspan.drift.evidence import Evidence, start_weight
    from modelspan.drift.feature import numeric_feature

    rng = np.random.default_rng(2)
    reference = np.append(rng.multinomial(500, [0.1] * 10), 0)
    held = Evidence(numeric_feature("x", np.arange(9.0), reference), smallest_effect=0.05, window_rows=1000)
    pool, prior = reference.astype(float), calibration.log_prior(11, ordered=True)
    stakes = np.full(prior.size, -np.inf)
    for look, counts in enumerate(rng.multinomial(50, [0.3] + [0.7 / 9] * 9, 20)):
        new = np.append(counts, 0)
        held.look(new)
        pool = pool + new
        stakes = np.logaddexp(stakes, np.log(start_weight(look)))
        stakes = stakes + calibration.log_payoffs(pool, new, 0.05, ordered=True)
    assert held.log_e == pytest.approx(np.log(np.exp(stakes + prior).sum()))
    assert held.log_e > 1

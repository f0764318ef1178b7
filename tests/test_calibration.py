"""Alarms are as rare as their setting says, by the benchmark's own functions on fewer windows and streams.

The bounds cannot flake: a level that is right exceeds them once in a million runs, and seeds are fixed.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "calibration.py"


@pytest.fixture(scope="module")
def calibration():
    spec = importlib.util.spec_from_file_location("calibration", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


KINDS = ["normal, log-normal, heavy-tailed", "8 levels", "1,000 Zipf levels"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reference", [1_000, 5_000])
def test_windows_of_twenty_columns_alarm_at_most_as_often_as_set(calibration, kind, reference):
    windows = 200
    for rows, hits in calibration.alarmed_windows(3, kind, reference, windows).items():
        assert hits <= stats.binom.ppf(1 - 1e-6, windows, calibration.NOMINAL), rows


@pytest.mark.parametrize("rows", [10, 50])
@pytest.mark.parametrize("kind", KINDS)
def test_streams_of_five_columns_alarm_at_most_as_often_as_set(calibration, kind, rows):
    streams = 100
    hits = calibration.alarmed_streams(
        5, kind, streams=streams, columns=5, looks=200, look_rows=rows, reference_rows=1_000
    )
    assert hits <= stats.binom.ppf(1 - 1e-6, streams, calibration.NOMINAL)


def test_streams_that_drift_do_alarm(calibration):
    """Else the tests above would pass with a rule that is asleep."""
    rng = np.random.default_rng(1)
    reference = rng.multinomial(2_500, calibration.eight_levels(rng, 0, 50))
    held = calibration.Streams(reference, streams=10, ordered=False, rate=calibration.NOMINAL)
    for _ in range(60):
        held.look(rng.multinomial(10, [0.1, 0.3, *[0.1] * 6, 0, 0], 50))
    assert held.ever.all()


@pytest.mark.parametrize("name", ["values and groups of rows", "duplicate rows"])
def test_checks_of_data_quality_alarm_at_most_as_often_as_set(calibration, name):
    function, case = calibration.CHECKS[name]
    streams, looks = (100, 200) if "values" in name else (20, 50)
    hits = function(6, streams=streams, **{**case, "looks": looks})
    assert hits <= stats.binom.ppf(1 - 1e-6, streams, calibration.NOMINAL)


def test_parts_that_are_done_are_not_done_again_and_all_parts_are_shown_together(
    calibration, tmp_path, monkeypatch, capsys
):
    results = tmp_path / "results.jsonl"
    for runs, lines in (("10", 9), ("20", 18), ("20", 18)):
        monkeypatch.setattr("sys.argv", ["", "windows", "--results", str(results), "--runs", runs])
        calibration.main()
        assert len(results.read_text().splitlines()) == lines
    assert "| 8 levels | 1,000 | 20 |" in capsys.readouterr().out

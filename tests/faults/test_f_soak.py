"""Row F02 in short: `benchmarks/soak.py` under quick faults, and that it notices what is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def balance(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import fault_balance

    return fault_balance.Balance


def test_f02_twelve_seconds_of_faults_break_no_promise():
    command = [sys.executable, BENCHMARKS / "soak.py", "--minutes", "0.2", "--period", "3", "--rate", "100"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kept" in done.stdout


class Arrived:
    """A far end that has accepted these."""

    def __init__(self, spans, logs):
        from collections import Counter

        self.both = {"spans": Counter(spans), "logs": Counter(logs)}

    def received(self):
        return self.both, {"spans": set(), "logs": set()}


@pytest.mark.parametrize(
    ("spans", "logs", "broken"),
    [
        ("ab", "ab", []),
        ("abc", "ab", ["spans: delivered = accepted at the far end"]),
        ("ab", "abc", []),  # the thread of logs was killed before it had read the answer
        ("ab", "abcd", ["logs: delivered = accepted at the far end"]),
        ("a", "ab", ["spans: delivered = accepted at the far end"]),
        ("ab", "aa", ["logs: accepted twice / never made"]),
        ("ab", "ax", ["logs: accepted twice / never made"]),
    ],
)
def test_f02_the_balance_names_what_is_lost_doubled_or_strange(balance, tmp_path, spans, logs, broken):
    (tmp_path / "ids-1").write_text("a\nb\nc\nd\n")
    two = {"predictions": 2, "spans": 2, "logs": 2}
    emitted, dropped = two | {"logs": 3}, {"logs fault": 1}
    account = {
        "calls": 2, "harmed": 0, "emitted": emitted, "delivered": two, "dropped": dropped, "stored": {}
    }  # fmt: skip
    (tmp_path / "ledger-1").write_text(json.dumps(account))
    promises = balance(tmp_path, Arrived(spans, logs)).promises()
    assert [each.what for each in promises if not each.kept] == broken

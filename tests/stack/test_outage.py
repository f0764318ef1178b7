"""The Collector dies by SIGKILL under load: what it had accepted is delivered by its successor."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "collector_outage.py"


def test_c16_what_a_killed_collector_had_accepted_is_delivered_from_its_queue(otelcol):
    """The benchmark with a short outage: its figures for 30 s are in collector/README.md."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--before=2", "--outage=3", "--after=2", "--json"],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["queue_on_disk_at_kill_kib"] > 0
    assert figures["spans_accepted_by_collector"] > 0
    assert figures["accepted_and_lost"] == 0, figures
    assert (
        figures["predictions"] == figures["spans_accepted_by_collector"] + figures["spans_dropped_by_client"]
    )

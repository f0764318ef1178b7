"""Outcomes of a file and of HTTP arrive as events of their traces, with the model that the store knows."""

import json
import os
import subprocess
import sys
import time

from typer.testing import CliRunner

from modelspan import semconv
from modelspan.cli import app, feedback_events
from modelspan.store.opening import open_store
from modelspan.store.rows import Awaiting, ModelFacts

ROWS = 3
AWAY = "http://127.0.0.1:9"
FACTS = ModelFacts("credit", "1", classes=("good", "bad"))


def ids():
    return [f"{number + 1:032x}-{number + 1:016x}" for number in range(ROWS)]


def stored(client):
    folder = client.backend.path.parent
    store = open_store(data=folder)
    made = [Awaiting(bytes.fromhex(each.replace("-", "")), 0, FACTS, 10**18, "good") for each in ids()]
    store.commit(made, [], 10**18)
    store.close()
    return folder


def events(client):
    found = client.queries._database.rows(
        "SELECT * FROM logs WHERE event = ?1 ORDER BY id", (semconv.FEEDBACK_EVENT.name,)
    )
    return [(row["prediction_id"], row["model"], row["label"], row["time_ns"]) for row in found]


def run_import(folder, path, endpoint):
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "MODELSPAN_"))
    }
    command = [sys.executable, "-m", "modelspan", "feedback", "import", path, "--data", folder,
               "--endpoint", endpoint]  # fmt: skip
    return subprocess.run(command, check=False, env=clean, capture_output=True, text=True, timeout=120)


def labels(tmp_path):
    path = tmp_path / "labels.csv"
    lines = [f"{each},bad" for each in ids()] + [f"{99:032x}-{99:016x},bad"]
    path.write_text("\n".join(["prediction_id,outcome", *lines]) + "\n")
    return path


def test_imported_outcomes_are_events_of_the_traces_of_their_predictions(client, tmp_path):
    done = run_import(stored(client), labels(tmp_path), client.otlp)
    assert done.returncode == 0, done.stderr
    assert "4 events were sent." in done.stdout
    deadline = time.monotonic() + 30
    while len(found := events(client)) < ROWS + 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [(each[0], each[1], each[2]) for each in found[:ROWS]] == [(i, "credit", "bad") for i in ids()]
    assert found[ROWS][1] is None  # nobody knows its model yet


def test_an_endpoint_that_is_away_does_not_stop_an_import(client, tmp_path, monkeypatch, stopped):
    monkeypatch.setattr(feedback_events, "SEND_SECONDS", 0.2)
    folder = stored(client)
    command = ["feedback", "import", str(labels(tmp_path)), "--data", str(folder), "--endpoint", AWAY]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert f"0 events were sent; {AWAY} stopped taking them" in done.output
    store = open_store(data=folder)
    assert store.totals()["outcome.joined"] == ROWS
    store.close()


def test_an_outcome_by_http_is_an_event_with_its_model_and_its_time(client):
    stored(client)
    body = json.dumps({"prediction_id": ids()[0], "outcome": "bad", "at": "2026-01-02T03:04:05Z"})
    for state in ("joined", "rejected"):  # the second time it is no news
        assert client.tell(body, {"Content-Type": "application/json"}).json()["state"] == state
    assert events(client) == [(ids()[0], "credit", "bad", 1_767_323_045 * 10**9)]

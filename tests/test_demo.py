"""`modelspan demo` for real: its own processes, its own ports, what it says against what the backend says."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from typer.testing import CliRunner

from modelspan.cli import app
from modelspan.demo import scoring
from modelspan.demo.backend import local_backend
from modelspan.demo.traffic import (
    CALLS_PER_SECOND,
    DRIFT_FROM,
    DRIFTED,
    Traffic,
    calls_per_second,
    clock,
    phase,
    planned_rows,
)

OTHERS = ("OTEL_", "MODELSPAN_", "SENTRY_")
ALONE = {name: os.environ[name] for name in os.environ if not name.startswith(OTHERS)}


def demo(data, *options):
    ports = ["--port", "0", "--otlp-port", "0"]
    return [sys.executable, "-m", "modelspan", "demo", *ports, "--data", str(data), *options]


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """One short day that ended by itself, and a backend on the data that it left."""
    data = tmp_path_factory.mktemp("day")
    done = subprocess.run(
        demo(data, "--seconds", "12", "--exit"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=ALONE,
    )
    with local_backend(port=0, otlp_port=0, data=data) as backend:
        yield done, backend


def test_the_day_ends_with_status_0_and_no_complaint(day):
    done, _ = day
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("Page: http://127.0.0.1:")
    assert "NOT FOUND" not in done.stdout
    assert "LOST" not in done.stdout
    assert "FALSE" not in done.stdout


def test_the_drifted_features_come_first_and_only_they_alarm(day):
    _, backend = day
    features = backend.ask("/api/drift", model="credit-risk")["features"]
    assert len(features) == 19
    assert {each["feature"] for each in features[:2]} == set(DRIFTED)
    assert {each["feature"] for each in features if each["detected"]} == set(DRIFTED)
    assert features[1]["psi"] > 5 * features[2]["psi"]
    assert {each["feature"] for each in backend.ask("/api/alerts")["alerts"]} <= {*DRIFTED, "score"}


def test_every_outcome_that_became_known_joined_its_prediction_in_the_store(day):
    done, backend = day
    told = number(re.search(r"outcomes +([\d,]+) became known", done.stdout)[1])
    states = backend.ask("/api/feedback")["states"]
    assert states["outcome.joined"] == told
    assert states["prediction.pending"] > 0  # not every credit is ever settled
    assert not [name for name, count in states.items() if count and "rejected" in name]


def test_the_counts_of_the_summary_are_those_of_the_backend(day):
    done, backend = day
    rows, calls = map(
        number, re.search(r"predictions +([\d,]+) rows in ([\d,]+) calls", done.stdout).groups()
    )
    errors = number(re.search(r"errors +(\d+) calls raised", done.stdout)[1])
    outcomes = number(re.search(r"outcomes +([\d,]+) became known", done.stdout)[1])
    model = backend.ask("/api/models")["models"][0]
    assert (model["predictions"], model["calls"], model["errors"]) == (rows, calls, errors)
    assert 0 < errors < calls / 10
    performance = backend.ask("/api/performance", model="credit-risk")
    assert performance["outcomes"] == outcomes
    assert 0.3 < performance["coverage"] < 1


def number(text):
    return int(text.replace(",", ""))


def test_the_link_of_the_summary_leads_to_a_failed_call_with_its_exception(day):
    done, backend = day
    trace_id = re.search(r"/traces/([0-9a-f]{32})\b", done.stdout)[1]
    trace = backend.ask(f"/api/traces/{trace_id}")
    spans = {span["name"]: span for span in trace["spans"]}
    ours = spans["predict_proba credit-risk"]
    assert ours["status"] == "error"
    assert spans["validate"]["parent_span_id"] == ours["span_id"]
    exceptions = [log for log in trace["logs"] if log["event"] == "ml.inference.exception"]
    assert [log["attributes"]["exception.type"] for log in exceptions] == ["ValueError"]


def test_spans_and_log_records_of_the_service_are_under_the_predictions_trace(day):
    _, backend = day
    refusals = [
        log for log in backend.ask("/api/logs", limit="1000")["logs"] if "without review" in str(log["body"])
    ]
    trace = backend.ask(f"/api/traces/{refusals[0]['trace_id']}")
    names = [span["name"] for span in trace["spans"]]
    assert names[0] == "predict_proba credit-risk"
    assert {"validate", "pipeline"} < set(names)


@pytest.mark.parametrize("number_of_signal", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_termination_end_it_with_status_0_and_stop_the_backend(tmp_path, number_of_signal):
    process = subprocess.Popen(
        demo(tmp_path, "--seconds", "60"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ALONE,
    )
    try:
        page = re.search(r"http://\S+", process.stdout.readline())[0]
        process.stdout.readline()
        time.sleep(1.0)
        assert json.load(urllib.request.urlopen(f"{page}/healthz"))["status"] == "ok"
        process.send_signal(number_of_signal)
        rest, complaint = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, complaint
    assert rest.endswith("Stopped.\n")
    assert "Traceback" not in complaint
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{page}/healthz")


def test_a_taken_port_is_named_and_nothing_is_left_running(tmp_path):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            demo(tmp_path, "--port", port), capture_output=True, text=True, timeout=60, check=False, env=ALONE
        )
    assert done.returncode == 2
    assert port in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "way_out"),
    [("--seconds", "2", "5 to"), ("--port", "70000", "65535"), ("--seed", "-1", "from 0")],
)
def test_a_wrong_option_is_refused_with_the_way_out(tmp_path, option, value, way_out):
    done = CliRunner().invoke(app, ["demo", "--data", str(tmp_path), option, value])
    assert done.exit_code == 2
    assert value in done.stderr
    assert way_out in done.stderr


@pytest.fixture(scope="module")
def halves():
    return scoring.split(scoring.load(), seed=1)


def test_the_data_are_the_published_ones():
    """Counts and ranges as in the description of the Statlog German credit data."""
    frame = scoring.load()
    assert frame.shape == (1000, 20)
    assert frame["creditability"].value_counts().to_dict() == {"good": 700, "bad": 300}
    assert frame["purpose"].nunique() == 10
    assert (frame["credit_amount"].min(), frame["credit_amount"].max()) == (250, 18424)
    assert (frame["age"].min(), frame["age"].max()) == (19, 75)
    assert not frame.isna().any().any()


def test_the_model_is_better_than_guessing_and_its_second_column_is_bad(halves):
    pipeline = scoring.train(halves.train)
    assert 0.7 < scoring.auc(pipeline, halves.held_out) < 0.9
    answer = scoring.CreditService(pipeline, seed=1, slow_share=0).predict_proba(
        halves.held_out.drop(columns="creditability")
    )
    assert answer.shape == (500, 2)
    bad = halves.held_out["creditability"] == "bad"
    assert answer[bad, 1].mean() > answer[~bad, 1].mean()


def test_quiet_traffic_is_drawn_from_the_reference_and_drifted_traffic_differs_in_two_columns_only(halves):
    pool = halves.held_out.drop(columns="creditability")
    rows = {tuple(row) for row in pool.itertuples(index=False)}
    rest = [name for name in pool.columns if name not in DRIFTED]
    parts = {tuple(row) for row in pool[rest].itertuples(index=False)}
    traffic = Traffic(halves.held_out, seed=3)
    quiet = [f for _ in range(200) if clean(f := traffic.request(0.1).frame)]
    late = [f for _ in range(200) if clean(f := traffic.request(0.9).frame)]
    assert all(tuple(row) in rows for frame in quiet for row in frame.itertuples(index=False))
    assert all(tuple(row) in parts for frame in late for row in frame[rest].itertuples(index=False))
    amounts = [np.concatenate([frame["credit_amount"] for frame in frames]) for frames in (quiet, late)]
    assert np.median(amounts[1]) > 2 * np.median(amounts[0])


def clean(frame):
    return "duration_months" in frame and (frame["credit_amount"] > 0).all()


def test_outcomes_come_late_once_and_not_for_every_row(halves):
    traffic = Traffic(halves.held_out, seed=5)
    sent = 0
    for _ in range(400):
        request = traffic.request(0.0)
        traffic.answered(request, "id", 0.0)
        sent += len(request.truth)
    assert traffic.due(0.0) == []
    early, late = traffic.due(0.1), traffic.due(100.0)
    # a share of 0.7, and of those 1 - 1/e within one mean delay: five standard deviations of a binomial each
    assert abs(len(early + late) / sent - 0.7) < 5 * np.sqrt(0.21 / sent)
    assert abs(len(early) / len(early + late) - (1 - np.exp(-1))) < 5 * np.sqrt(0.2325 / len(early + late))
    assert traffic.due(100.0) == []


def test_a_slow_machine_makes_fewer_calls_but_serves_the_planned_rows(halves):
    # a batch of 1, 2, 4 or 8 rows with shares 0.55, 0.2, 0.15 and 0.1 has 2.35 rows on average
    assert planned_rows(1.0, 20.0) == pytest.approx(2.35 * CALLS_PER_SECOND * 20.0)
    grid = np.linspace(0, 0.3, 10_001)
    rate = np.array([calls_per_second(p) for p in grid])
    assert planned_rows(0.3, 1.0) == pytest.approx(2.35 * np.trapezoid(rate, grid), rel=1e-6)
    traffic = Traffic(halves.held_out, seed=7)
    served = 0
    for call in range(1, 101):  # in place of the 480 that the day is planned for
        served += len(traffic.request(call / 100, planned_rows(call / 100, 8.0) - served).truth)
    assert abs(served - planned_rows(1.0, 8.0)) < 20


def test_the_clock_runs_through_one_day():
    assert [clock(p) for p in (0.0, 0.25, 0.5, 1.0, 1.2)] == ["00:00", "06:00", "12:00", "24:00", "24:00"]
    assert phase(DRIFT_FROM - 0.01) == "normal"
    assert phase(DRIFT_FROM) == "drifted"


def test_with_nobody_listening_the_summary_says_what_was_lost_or_still_waits(tmp_path):
    with contextlib.closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        done = subprocess.run(
            demo(tmp_path, "--seconds", "5", "--exit", "--endpoint", endpoint),
            capture_output=True, text=True, timeout=60, check=False, env=ALONE,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"LOST|[\d,]+ records still wait", done.stdout), done.stdout
    assert "not known: --endpoint names another backend" in done.stdout
    assert "modelspan dropped" in done.stderr

"""The examples run as their headers say, and their telemetry arrives at a real backend."""

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.resources import files
from pathlib import Path

import pytest

from modelspan.demo.backend import local_backend

EXAMPLES = Path(__file__).parents[1] / "examples"
CREDIT = EXAMPLES / "credit_risk"
ID = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}")


@pytest.fixture(scope="module")
def backend(tmp_path_factory):
    with local_backend(port=0, otlp_port=0, data=tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def environment(backend):
    clean = {name: os.environ[name] for name in os.environ if not name.startswith(("OTEL_", "MODELSPAN_"))}
    return {**clean, "OTEL_EXPORTER_OTLP_ENDPOINT": backend.endpoint, "MODELSPAN_TICK_SECONDS": "0.05"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, environment):
    made = tmp_path_factory.mktemp("model")
    done = run([CREDIT / "train.py", made], environment)
    assert re.fullmatch(
        r"AUC 0\.7\d\d on 500 held-out applications\n"
        r"wrote credit-risk\.joblib and credit-risk\.reference\.json "
        r"\(19 features and the score, [\d,]+ bytes\)\n",
        done.stdout,
    )
    return made


def run(arguments, environment):
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done


def until(ask, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, "nothing arrived"
        time.sleep(0.1)
    return answer


def application():
    with (files("modelspan.demo") / "data" / "german_credit.csv").open() as file:
        row = next(csv.DictReader(file))
    del row["creditability"]
    return {name: int(value) if value.isdigit() else value for name, value in row.items()}


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or "null")
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def service(folder, environment):
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(CREDIT), "service:app", "--port", str(port)]
    process = subprocess.Popen(
        command,
        env={**environment, "MODEL_FOLDER": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        until(lambda: process.poll() is not None or reachable(port), seconds=30)
        assert process.poll() is None, process.stdout.read().decode()
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def reachable(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_script_prints_what_it_promises_and_its_predictions_and_outcomes_arrive(
    folder, environment, backend
):
    done = run([CREDIT / "script.py", folder], environment)
    ids = ID.findall(done.stdout)
    assert len(set(ids)) == 3
    assert "delivered: True\n" in done.stdout
    logs = [log for each in ids for log in backend.ask("/api/logs", trace_id=each[:32], limit="1000")["logs"]]
    events = [log["event"] for log in logs]
    assert events.count("ml.prediction") == 36
    assert events.count("ml.prediction.feedback") == 36
    values = [log["attributes"] for log in logs if log["event"] == "ml.prediction"]
    sent = {name.removeprefix("ml.feature.value.") for each in values for name in each if "feature" in name}
    assert sent == {"credit_amount", "purpose"}


def test_the_service_answers_with_an_id_that_leads_to_its_trace_and_takes_feedback(service, backend):
    process, url = service
    status, answer = post(f"{url}/score", application())
    assert status == 200
    assert 0 < answer["bad"] < 1
    assert ID.fullmatch(answer["prediction_id"])
    told, _ = post(f"{url}/feedback", {"prediction_id": answer["prediction_id"], "outcome": "good"})
    assert told == 204
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=15) in (0, -signal.SIGTERM)
    trace = until(lambda: backend.ask(f"/api/traces/{answer['prediction_id'][:32]}"))
    assert "predict_proba credit-risk" in [span["name"] for span in trace["spans"]]
    assert {"ml.prediction", "ml.prediction.feedback"} <= {log["event"] for log in trace["logs"]}


def test_the_service_refuses_a_bad_application_and_the_exception_arrives(service, backend):
    process, url = service
    broken = application()
    del broken["duration_months"]
    status, answer = post(f"{url}/score", broken)
    assert status == 422
    assert "duration_months" in answer["detail"]
    assert post(f"{url}/feedback", {"prediction_id": "nonsense", "outcome": "good"})[0] == 422
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=15)
    failed = until(lambda: backend.ask("/api/traces", model="credit-risk", errors="true")["traces"])[0]
    assert failed["error_type"] == "ValueError"
    events = [log["event"] for log in backend.ask("/api/logs", trace_id=failed["trace_id"])["logs"]]
    assert events.count("ml.inference.exception") == 1


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short_and_says_what_it_shows_how_to_run_it_and_what_to_expect(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 60
    header = text.split('"""')[1]
    assert all(word in header for word in ("Shows:", "Run:", "Expect:"))

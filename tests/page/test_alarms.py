"""An alarm from the process that raised it to the page, and from there to a prediction that caused it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from modelspan.viewer import alarm_query

from .conftest import running

DRIFT = """
import sys, time
import numpy as np
import modelspan

rng = np.random.default_rng(3)
reference = modelspan.Reference.build({"age": rng.normal(40, 8, 4000), "income": rng.normal(size=4000)})
modelspan.configure(service_name="credit", metric_interval_seconds=0.5)

@modelspan.monitor(model="credit", version="1", reference=reference, log_features=["age"], drift_window=300)
def predict(x):
    return 1.0

for shift in (0.0, 16.0):
    for i in range(900):
        predict({"age": float(rng.normal(40 + shift, 8)), "income": float(rng.normal())})
        if i % 300 == 299:
            modelspan.flush(timeout=30)  # one drain of all would be one look
print("served", flush=True)
time.sleep(300)
"""


@pytest.fixture
def alarmed(tmp_path_factory):
    """A backend, and a process that raised an alarm about the age and is still there."""
    with running(tmp_path_factory.mktemp("alarmed")) as (backend, queries):
        env = {
            name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "MODELSPAN_"))
        }
        process = subprocess.Popen(
            [sys.executable, "-c", DRIFT], stdout=subprocess.PIPE, text=True,
            env={**env, "OTEL_EXPORTER_OTLP_ENDPOINT": backend.otlp_url},
        )  # fmt: skip
        try:
            assert process.stdout.readline() == "served\n"
            yield backend, queries, process
        finally:
            process.kill()
            process.communicate()


def ask(backend, path):
    with urllib.request.urlopen(backend.page_url + path, timeout=10) as answer:
        return json.load(answer)


def opened(backend, severity="critical"):
    """The open alarms; so large a drift escalates, a look after it was found."""
    deadline = time.monotonic() + 30
    while True:
        alerts = ask(backend, "/api/alerts")["alerts"]
        found = [each for each in alerts if (each["state"], each["severity"]) == ("open", severity)]
        if found:
            return found
        assert time.monotonic() < deadline, alerts
        time.sleep(0.1)


def test_the_alarm_carries_evidence_and_predictions_of_the_bins_that_grew(alarmed):
    (alert,) = opened(alarmed[0])
    assert (alert["feature"], alert["severity"]) == ("age", "critical")
    assert alert["e_value"] > 100
    grown = alert["top_bins"][0]  # "50.4 \u2013 73", or "> 73"
    edge = float(grown.removeprefix("> ").partition(" ")[0])
    assert edge > 45
    newest = ask(alarmed[0], f"/api/traces/{alert['trace_ids'][0]}")
    (age,) = [
        log["attributes"]["ml.feature.value.age"] for log in newest["logs"] if log["event"] == "ml.prediction"
    ]
    assert age > edge


@pytest.mark.browser
@pytest.mark.skipif(
    not (shutil.which("chromium") or shutil.which("google-chrome")), reason="no chromium or google-chrome"
)
def test_one_click_leads_from_the_alarm_to_a_prediction_in_a_bin_that_grew(alarmed):
    sync_api = pytest.importorskip("playwright.sync_api")
    backend = alarmed[0]
    (alert,) = opened(backend)
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(backend.page_url + "/alerts")
        page.wait_for_selector("table.alerts")
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/alerts.png")
        page.click(f"a:text-is('{alert['trace_ids'][0][:8]}')")
        page.wait_for_url(f"**/traces/{alert['trace_ids'][0]}")
        page.wait_for_selector("text=predict credit")
        if folder:
            page.screenshot(path=f"{folder}/trace.png")
        browser.close()


def test_an_alarm_lives_with_the_pulse_of_its_process_and_is_over_when_that_fell_silent(alarmed, monkeypatch):
    backend, queries, process = alarmed
    opened(backend)
    before = time.time()
    time.sleep(2)  # four metric intervals in which nothing but the pulse is sent
    pulse = queries._database.rows("SELECT MAX(seen) AS seen FROM resources")[0]["seen"]
    assert pulse / 1e9 > before
    process.send_signal(signal.SIGKILL)
    process.wait()
    later = time.time() + alarm_query.SILENT_SECONDS + 5
    monkeypatch.setattr(alarm_query.time, "time", lambda: later)
    (alert,) = queries.alerts("credit")["alerts"]
    assert (alert["state"], alert["reason"]) == ("closed", "its process fell silent")
    assert alert["opened"] <= alert["closed"] < later
    assert queries.drift("credit")["features"][0]["detected"] is False

"""What the package shows, and what importing it costs."""

import json
import subprocess
import sys

import pytest

import modelspan

DESIGNED = {
    "Config", "Prediction", "Reference", "configure", "current_prediction", "feedback", "flush", "instrument",
    "kpi", "monitor", "shutdown", "testing",
}  # fmt: skip
NOW = {
    "Config", "Prediction", "Reference", "configure", "current_prediction", "feedback", "flush", "kpi",
    "monitor", "shutdown", "testing",
}  # fmt: skip

WATCH = """
import builtins, json, socket, sys, threading
touched = []
def audit(event, args):
    if event in ("socket.__new__", "socket.connect", "socket.bind") or event.startswith("subprocess"):
        touched.append(event)
    elif event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        touched.append(f"{event} {args[0]}")
sys.dont_write_bytecode = True
sys.addaudithook(audit)
import modelspan
print(json.dumps({"threads": threading.active_count(), "touched": touched, "modules": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module")
def fresh_import():
    done = subprocess.run(
        [sys.executable, "-c", WATCH], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_the_public_names_are_the_designed_ones_that_exist_and_at_most_twelve():
    assert set(modelspan.__all__) == NOW
    assert NOW <= DESIGNED
    assert len(DESIGNED) <= 12


def test_the_public_names_are_sorted_and_resolve():
    assert list(modelspan.__all__) == sorted(modelspan.__all__)
    assert all(getattr(modelspan, name) is not None for name in modelspan.__all__)


def test_every_public_name_explains_itself():
    assert not [name for name in modelspan.__all__ if not (getattr(modelspan, name).__doc__ or "").strip()]


def test_importing_starts_no_thread(fresh_import):
    assert fresh_import["threads"] == 1


def test_importing_opens_no_socket_writes_no_file_and_starts_no_process(fresh_import):
    assert fresh_import["touched"] == []


HEAVY = (
    "asyncio", "dash", "google.protobuf", "http.client", "numpy.ma", "pandas", "plotly", "polars", "pyarrow",
    "requests", "rich", "rollbar", "scipy", "sentry_sdk", "sklearn", "sqlite3", "typer",
    "urllib3", "wrapt", "modelspan.performance.estimate",
)  # fmt: skip


@pytest.mark.parametrize("heavy", HEAVY)
def test_importing_does_not_load_what_only_some_users_need(fresh_import, heavy):
    assert heavy not in fresh_import["modules"]

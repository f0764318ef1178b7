"""Exceptions in Rollbar: a server on this machine speaks its item API and checks what the API documents."""

import json
import logging
import subprocess
import sys
import textwrap
import threading
import time
import uuid

import pytest

import modelspan
from modelspan import config_rules
from modelspan.config import Config
from modelspan.errors import ConfigError
from tests.serving import Answers, serving

TOKEN = "0123456789abcdef-t0ken"
LEVELS = ("critical", "error", "warning", "info", "debug")


def check_item(payload):
    """The rules of https://docs.rollbar.com/reference/create-item for what a server sends of an exception."""
    assert set(payload) <= {"data", "access_token"}
    data = payload["data"]
    assert isinstance(data["environment"], str)
    assert 0 < len(data["environment"]) <= 255
    (kind,) = set(data["body"]) & {"trace", "trace_chain", "message", "crash_report"}
    for trace in data["body"][kind] if kind == "trace_chain" else [data["body"][kind]]:
        assert trace["exception"]["class"]
        assert isinstance(trace["exception"]["message"], str)
        assert trace["frames"]
        for frame in trace["frames"]:
            assert isinstance(frame["filename"], str)
            assert isinstance(frame["lineno"], int)
            assert set(frame) <= {"filename", "lineno", "method", "code"}
    assert data["level"] in LEVELS
    assert isinstance(data["timestamp"], int)
    assert len(data["code_version"]) <= 40
    assert len(data["context"]) <= 255
    assert isinstance(data["custom"], dict)
    assert uuid.UUID(data["uuid"])
    assert set(data["notifier"]) == {"name", "version"}


class Items(Answers):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.body()
        if self.server.hangs.is_set():
            self.server.let_go.wait(30)
        known = self.headers["X-Rollbar-Access-Token"] == TOKEN
        if known and self.path == "/api/1/item/":
            self.server.items.append(json.loads(body))
            self.answer(200, {"err": 0, "result": {"id": None, "uuid": json.loads(body)["data"].get("uuid")}})
        else:
            self.answer(401, {"err": 1, "message": "invalid access token"})


@pytest.fixture
def api():
    with serving(Items, items=[], hangs=threading.Event(), let_go=threading.Event()) as server:
        server.settings = {"rollbar_token": TOKEN, "rollbar_endpoint": f"{server.url}/api/1"}
        yield server
        server.let_go.set()


@modelspan.monitor(model="credit-risk", version="1.4.2")
def predict(x):
    secret_income = x["income"]
    raise LookupError(f"no rate for {type(secret_income).__name__}")


def test_an_exception_is_one_item_of_the_documented_form_with_the_predictions_ids(api):
    settings = {
        **api.settings,
        "service_name": "credit-api",
        "service_version": "7",
        "environment": "staging",
    }
    with modelspan.testing.record(**settings) as telemetry:
        with pytest.raises(LookupError):
            predict({"income": int("12345" + "6789")})
        (span,) = telemetry.spans
    (item,) = api.items
    check_item(item)
    data = item["data"]
    assert data["environment"] == "staging"
    assert data["code_version"] == "7"
    assert data["context"] == "predict credit-risk"
    assert data["custom"]["trace_id"] == f"{span.context.trace_id:032x}"
    assert data["custom"]["span_id"] == f"{span.context.span_id:016x}"
    assert data["custom"]["ml.model.name"] == "credit-risk"
    assert data["custom"]["ml.model.version"] == "1.4.2"
    assert data["body"]["trace"]["exception"] == {"class": "LookupError", "message": "no rate for int"}
    assert data["body"]["trace"]["frames"][-1]["method"] == "predict"
    assert "12345" + "6789" not in json.dumps(item)
    assert TOKEN not in json.dumps(item)


def test_without_a_version_the_code_is_the_models(api):
    with modelspan.testing.record(**api.settings), pytest.raises(LookupError):
        predict({"income": 1})
    assert api.items[0]["data"]["code_version"] == "credit-risk@1.4.2"
    assert api.items[0]["data"]["environment"] == "production"


def test_a_cancelled_or_exiting_call_is_no_item(api):
    @modelspan.monitor(model="m")
    def leave(x):
        raise SystemExit(1)

    with modelspan.testing.record(**api.settings), pytest.raises(SystemExit):
        leave({})
    assert api.items == []


def test_a_hostile_exception_is_an_item_too(api):
    class Hostile(Exception):  # noqa: N818 - it is no error
        def __str__(self):
            raise RuntimeError("no text")

    @modelspan.monitor(model="m")
    def fail(x):
        raise Hostile("\ud800")

    with modelspan.testing.record(**api.settings), pytest.raises(Hostile):
        fail({})
    (item,) = api.items
    check_item(item)


def test_a_server_that_hangs_holds_up_neither_predictions_nor_the_end(api, caplog):
    api.hangs.set()
    with modelspan.testing.record(**api.settings) as telemetry:
        for _ in range(300):
            with pytest.raises(LookupError):
                predict({"income": 1})
        assert len(telemetry.spans) == 300
        began = time.monotonic()
        modelspan.shutdown(2)
        assert time.monotonic() - began < 10
    said = [r.getMessage() for r in caplog.records if "Rollbar" in r.getMessage()]
    assert said == [
        "modelspan cannot deliver errors to Rollbar: more than 100 are waiting. Predictions are unaffected",
        "modelspan could not send 100 errors to Rollbar",
    ]


def test_a_wrong_token_is_said_once_and_never_shown(api, caplog):
    wrong = "wr0ng-" + TOKEN
    with modelspan.testing.record(**{**api.settings, "rollbar_token": wrong}):
        for _ in range(3):
            with pytest.raises(LookupError):
                predict({"income": 1})
    assert caplog.text.count("cannot deliver errors to Rollbar: HTTP 401; check rollbar_token") == 1
    assert wrong not in caplog.text


def test_an_address_where_nobody_listens_is_said_once(api, caplog, unused_port):
    address = f"http://127.0.0.1:{unused_port}/api/1"
    with modelspan.testing.record(**{**api.settings, "rollbar_endpoint": address}):
        for _ in range(3):
            with pytest.raises(LookupError):
                predict({"income": 1})
    assert caplog.text.count("cannot deliver errors to Rollbar: ConnectionError") == 1
    assert [r.name for r in caplog.records if r.levelno >= logging.WARNING] == ["modelspan"]


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


APPLICATION = """
import sys, time
import modelspan
endpoint, token = sys.argv[1:]

@modelspan.monitor(model="m", version="2")
def predict(x):
    raise KeyError(x)

def fail(x):
    try:
        predict(x)
    except KeyError as error:
        return error

with modelspan.testing.record(rollbar_token=token, rollbar_endpoint=endpoint) as telemetry:
    import rollbar
    # after ours, as an application may do it: its settings must hold
    rollbar.init(token, "qa", endpoint=endpoint + "/", handler="blocking", allow_logging_basic_config=False)
    fail("handled")
    error = fail("reported")
    rollbar.report_exc_info((type(error), error, error.__traceback__))  # as a framework's middleware does
    telemetry.flush()
    error = fail("late")
    telemetry.flush()
    rollbar.report_exc_info((type(error), error, error.__traceback__))
assert rollbar.SETTINGS["environment"] == "qa"
"""


def test_with_the_applications_own_rollbar_each_exception_is_reported_once_and_has_our_ids(api):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(APPLICATION),
         api.settings["rollbar_endpoint"], TOKEN],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    traces = [item["data"]["body"]["trace"]["exception"]["message"] for item in api.items]
    assert sorted(traces) == ["'handled'", "'late'", "'reported'"]
    custom = [item["data"]["custom"] for item in api.items]
    assert all(each["ml.model.version"] == "2" for each in custom)
    assert len({each["trace_id"] for each in custom}) == 3
    environments = {item["data"]["environment"] for item in api.items}
    assert environments == {"qa", "production"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rollbar_endpoint": "http://rollbar.example/api/1"}, "rollbar_endpoint is not an https address"),
        ({"rollbar_token": "a b\nc"}, "rollbar_token holds a character"),
        ({"rollbar_token": 5}, "rollbar_token is a int; it must be a str"),
    ],
)
def test_a_wrong_setting_names_the_rule_and_no_secret(settings, said):
    with pytest.raises(ConfigError, match=said) as error:
        Config(**settings)
    assert "a b" not in str(error.value)


def test_the_token_is_never_shown_and_comes_from_rollbars_own_variable():
    config = Config.resolve({"ROLLBAR_ACCESS_TOKEN": TOKEN})
    assert config.rollbar_token == TOKEN
    assert TOKEN not in repr(config)


def test_a_token_without_the_package_is_an_error_at_start_with_both_ways_out(monkeypatch):
    monkeypatch.setattr(config_rules.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'modelspan\[rollbar\]', or unset the token"):
        Config(rollbar_token=TOKEN)

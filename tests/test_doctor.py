"""`modelspan doctor` against real answers over real sockets."""

import email.utils
import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from modelspan.doctor import examine
from modelspan.doctor.checks import mask

ENV = {"OTEL_SERVICE_NAME": "shop"}


class Receiver(ThreadingHTTPServer):
    """Answers every POST with one status, headers and body; keeps what it got."""

    def __init__(self, status=200, headers=(), body=b"", skew=0.0):
        self.answer, self.skew, self.got = (status, dict(headers), body), skew, {}
        self.statuses, self.before_answer = {}, lambda: None
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.got[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.before_answer()
        status, headers, body = self.server.answer
        status = self.server.statuses.get(self.path, status)
        self.send_response_only(status)
        self.send_header("Date", email.utils.formatdate(time.time() + self.server.skew, usegmt=True))
        for name, value in {
            "Content-Type": "application/x-protobuf",
            "Content-Length": len(body),
            **headers,
        }.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
    running = []

    def start(**answer):
        server = Receiver(**answer)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def look(endpoint, env=ENV):
    return {check.name: check for check in examine(env, endpoint=endpoint)}


def test_one_real_record_of_each_signal_is_sent_and_reported_as_accepted(receiver):
    server = receiver()
    checks = look(server.url)
    assert set(server.got) == {"/v1/traces", "/v1/logs", "/v1/metrics"}
    spans = ExportTraceServiceRequest.FromString(server.got["/v1/traces"])
    logs = ExportLogsServiceRequest.FromString(server.got["/v1/logs"])
    assert spans.resource_spans[0].scope_spans[0].spans[0].name == "modelspan doctor"
    assert logs.resource_logs[0].scope_logs[0].log_records[0].body.string_value == "modelspan doctor"
    assert [checks[f"{signal} delivery"].state for signal in ("traces", "logs", "metrics")] == ["ok"] * 3
    assert checks["accounting"].found == (
        "spans: 1 emitted = 1 delivered + 0 dropped; logs: 1 emitted = 1 delivered + 0 dropped"
    )
    assert not [check for check in checks.values() if check.state == "failed"]


@pytest.mark.parametrize(
    ("status", "headers", "found", "todo"),
    [
        (
            302,
            {"Location": "https://login.example/"},
            "redirected to https://login.example/",
            "does not follow",
        ),
        (401, {}, "401 Unauthorized", "OTEL_EXPORTER_OTLP_HEADERS"),
        (404, {}, "404 Not Found", "without /v1/traces"),
        (200, {"Content-Type": "text/html"}, "the answer is text/html, not OTLP", "its message says why"),
    ],
)
def test_an_answer_that_loses_telemetry_fails_and_says_what_to_do(receiver, status, headers, found, todo):
    check = look(receiver(status=status, headers=headers).url)["traces delivery"]
    assert check.state == "failed"
    assert found in check.found
    assert todo in check.todo


def test_a_partial_success_is_a_failure_although_the_status_is_200(receiver):
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 1
    answer.partial_success.error_message = "quota exceeded"
    check = look(receiver(body=answer.SerializeToString()).url)["traces delivery"]
    assert check.state == "failed"
    assert "1 refused: quota exceeded" in check.found


def test_all_signals_are_sent_side_by_side(receiver, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "15")
    server, together = receiver(), threading.Condition()

    def wait_for_all():
        with together:
            together.notify_all()
            together.wait_for(lambda: len(server.got) == 3, timeout=10)

    server.before_answer = wait_for_all
    started = time.monotonic()
    checks = look(server.url)
    assert [checks[f"{signal} delivery"].state for signal in ("traces", "logs", "metrics")] == ["ok"] * 3
    assert time.monotonic() - started < 10


def test_each_signal_is_told_its_own_answer_in_the_usual_order(receiver):
    server = receiver()
    server.statuses = {"/v1/traces": 401, "/v1/logs": 404}
    checks = look(server.url)
    assert "401" in checks["traces delivery"].found
    assert "404" in checks["logs delivery"].found
    assert checks["metrics delivery"].state == "ok"
    named = [name for name in checks if "delivery" in name or name in ("accounting", "clock")]
    assert named == ["traces delivery", "logs delivery", "metrics delivery", "accounting", "clock"]


@pytest.fixture
def grpc_server(monkeypatch):
    """Address of a gRPC server that knows no method."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"http://127.0.0.1:{port}"
        server.stop(None).wait()


def test_each_signal_is_told_what_its_grpc_exporter_said(grpc_server):
    checks = look(grpc_server, {**ENV, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    for signal in ("traces", "logs", "metrics"):
        assert f"Failed to export {signal}" in checks[f"{signal} delivery"].found


def test_a_port_of_grpc_is_told_from_one_where_nothing_listens(grpc_server):
    checks = look(grpc_server)
    for signal in ("traces", "logs", "metrics"):
        check = checks[f"{signal} delivery"]
        assert check.found.isprintable()
        assert "OTEL_EXPORTER_OTLP_PROTOCOL=grpc" in check.todo


@pytest.mark.parametrize(("skew", "state"), [(0.0, "ok"), (-3600.0, "failed"), (120.0, "failed")])
def test_a_wrong_clock_is_seen_in_the_date_of_the_answer(receiver, skew, state):
    check = look(receiver(skew=skew).url)["clock"]
    assert check.state == state
    assert state == "ok" or f"{skew:+.0f}" in check.found or f"{skew - 1:+.0f}" in check.found


def test_the_command_exits_with_1_and_names_the_cause_when_nothing_listens():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://user:secret@127.0.0.1:{unused.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-m", "modelspan", "doctor", "--json", "--endpoint", url],
            capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "OTEL_EXPORTER_OTLP_TIMEOUT": "0.3"},
        )  # fmt: skip
    assert done.returncode == 1
    failed = {check["name"]: check for check in json.loads(done.stdout) if check["state"] == "failed"}
    assert set(failed) == {"traces delivery", "logs delivery", "metrics delivery", "accounting"}
    assert "spans: 1 emitted = 0 delivered + 1 dropped (exit_timeout)" in failed["accounting"]["found"]
    assert "Connection refused" in failed["traces delivery"]["found"]
    assert "modelspan up" in failed["traces delivery"]["todo"]
    assert "secret" not in done.stdout
    assert done.stderr == ""


def test_the_command_exits_with_0_when_all_is_well(receiver):
    done = subprocess.run(
        [sys.executable, "-m", "modelspan", "doctor", "--endpoint", receiver().url],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything is fine" in done.stdout


@pytest.mark.parametrize(
    ("env", "name", "todo"),
    [
        ({"OTEL_SDK_DISABLED": "true"}, "OTEL_SDK_DISABLED", "unset"),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, "OTEL_TRACES_SAMPLER", "unset"),
        ({"SENTRY_DSN": "https://sentry.example/1"}, "sentry", "https://KEY@HOST/PROJECT"),
        ({"MODELSPAN_SAMPLE_ROWS": "many"}, "settings", "correct that setting"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "carrier-pigeon"}, "logs delivery", "correct that variable"),
    ],
)
def test_a_variable_that_stops_telemetry_is_named_with_the_way_out(receiver, env, name, todo):
    check = look(receiver().url, {**ENV, **env})[name]
    assert check.state == "failed"
    assert todo in check.todo


def test_the_address_of_a_signal_comes_from_where_the_exporter_takes_it(receiver):
    server = receiver()
    env = {**ENV, "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{server.url}/elsewhere"}
    from modelspan.config import Config
    from modelspan.doctor.checks import targets

    found = targets(Config.resolve(env), env, argument=False)
    assert found["logs"].url == f"{server.url}/elsewhere"
    assert found["logs"].source == "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"
    assert (found["traces"].url, found["traces"].source) == ("http://localhost:4318/v1/traces", "default")


def test_credentials_over_plain_http_to_another_host_fail_before_anything_else():
    from modelspan.config import Config
    from modelspan.doctor.checks import Target, check_credentials

    env = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20abc"}
    plain = {"logs": Target(url="http://collector.example:4318/v1/logs", source="argument")}
    closed = {"logs": Target(url="https://collector.example:4318/v1/logs", source="argument")}
    assert check_credentials(plain, env, Config()).state == "failed"
    assert check_credentials(closed, env, Config()).state == "ok"
    assert check_credentials(plain, env, Config(insecure=True)).state == "ok"
    assert check_credentials(plain, {}, Config()).state == "ok"


def test_a_shown_address_has_no_credentials():
    assert mask("https://user:secret@host:4318/v1/logs?key=abc") == "https://***@host:4318/v1/logs?***"

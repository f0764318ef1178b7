"""The sender against a real endpoint: what arrives, what is tried again, what is dropped and counted."""

import socket
import subprocess
import sys
import threading
import time
from functools import partial

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import TracerProvider

from modelspan.delivery import attempts, transfer
from modelspan.delivery import sender as sender_module
from modelspan.delivery.http import Answer, Post
from modelspan.delivery.shelf import Shelf

from .conftest import Endpoint, names_in, span


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(attempts, "PAUSE_SECONDS", (0.02, 0.1))


def numbered(count):
    return [f"s{i}" for i in range(count)]


def test_c09_what_was_added_before_a_flush_has_been_accepted_after_it_over_one_connection(sending, endpoint):
    out = sending()
    for name in numbered(200):
        out.add(name)
        if name.endswith("9"):
            assert out.flush()
            assert name in endpoint.names
    assert endpoint.names == numbered(200)
    assert len(endpoint.sockets) == 1
    assert out.close()
    assert (out.ledger.delivered["spans"], out.balanced) == (200, True)


@pytest.mark.parametrize("status", [401, 403, 404, 408, 418, 429, 500, 502, 503, 504, 301, 302, 307])
def test_c07_what_may_pass_is_tried_again_and_a_redirect_is_neither_followed_nor_a_success(
    sending, endpoint, status
):
    answers = iter([(status, {"location": "/elsewhere"}, b"no")] * 3)
    endpoint.script = lambda body: next(answers, 200)
    out = sending()
    out.add(*numbered(5))
    assert out.flush()
    assert {path for path, _, _ in endpoint.bodies} == {"/v1/traces"}
    assert len(endpoint.bodies) == 4
    assert out.ledger.delivered["spans"] == 5


@pytest.mark.parametrize("status", [400, 413])
def test_c06_a_refused_batch_is_halved_until_the_bad_record_is_alone(sending, endpoint, status):
    endpoint.script = lambda body: status if "s77" in names_in(body) else 200
    out = sending()
    out.add(*numbered(512))
    assert out.flush() is False
    assert sorted(endpoint.names) == sorted(set(numbered(512)) - {"s77"})
    assert out.dropped == {"rejected": 1}
    assert out.balanced


def test_c08_records_that_an_accepting_endpoint_rejects_are_counted(sending, endpoint):
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 3
    kind = {"content-type": "application/x-protobuf"}
    endpoint.script = lambda body: (200, kind, answer.SerializeToString())
    out = sending()
    out.add(*numbered(10))
    assert out.flush() is False
    assert (out.ledger.delivered["spans"], out.dropped) == (7, {"partial": 3})


def test_a_web_page_is_no_success(sending, endpoint):
    endpoint.script = lambda body: (200, {"content-type": "text/html"}, b"<html>")
    out = sending()
    out.add("a")
    assert out.flush(0.5) is False
    assert out.ledger.delivered["spans"] == 0


@pytest.mark.parametrize(("header", "least"), [("1", 0.9), ("-5", 0.0), ("junk", 0.0), ("0", 0.0)])
def test_c05_retry_after_is_kept(sending, endpoint, header, least):
    answers = iter([(429, {"retry-after": header}, b"")])
    endpoint.script = lambda body: next(answers, 200)
    out = sending(delay_seconds=0.01)
    began = time.monotonic()
    out.add("a")
    while not endpoint.names:
        assert time.monotonic() - began < 10
        time.sleep(0.01)
    assert time.monotonic() - began >= least


def drip(handler):
    for _ in range(200):
        handler.wfile.write(b"H")
        handler.wfile.flush()
        time.sleep(0.05)


def garbage(handler):
    handler.wfile.write(b"\0\xff not http\r\n\r\n")
    handler.close_connection = True


def endless_headers(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(100_000):
        handler.wfile.write(b"x-filler: " + b"y" * 1000 + b"\r\n")


def endless_body(handler):
    handler.wfile.write(b"HTTP/1.1 503 no\r\ncontent-length: 1000000000\r\n\r\n")
    for _ in range(10_000):
        handler.wfile.write(b"y" * 100_000)


def reset(handler):
    handler.close_connection = True


@pytest.mark.parametrize("fault", [drip, garbage, endless_headers, endless_body, reset])
def test_c15_a_faulty_answer_ends_by_the_deadline_and_the_records_arrive_after_it(sending, endpoint, fault):
    answers = iter([fault])
    endpoint.script = lambda body: next(answers, 200)
    out = sending(timeout=0.5)
    began = time.monotonic()
    out.add(*numbered(3))
    assert out.flush()
    assert time.monotonic() - began < 9  # the drip takes 10 s
    assert endpoint.names == numbered(3)
    assert out.balanced


def test_c04_a_black_hole_holds_neither_flush_nor_close_past_their_time(sending):
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        out = sending(f"http://127.0.0.1:{server.getsockname()[1]}")
        out.add(*numbered(100))
        began = time.monotonic()
        assert out.flush(0.5) is False
        assert 0.4 < time.monotonic() - began < 5  # a request alone may take 10 s
        began = time.monotonic()
        assert out.close(1.0) is False
        assert time.monotonic() - began < 5
        assert out.dropped == {"exit_timeout": 100}
        assert out.balanced


def test_c04_an_attempt_over_a_kept_connection_that_began_before_the_end_is_counted_too(sending, endpoint):
    out = sending()
    out.add("a")
    assert out.flush()
    asked, over = threading.Event(), threading.Event()
    endpoint.script = lambda _: (asked.set(), over.wait(20), 200)[-1]
    out.add("b")
    assert out.flush(0) is False
    assert asked.wait(20)
    assert out.close(1.0) is False
    assert (out.dropped, out.balanced) == ({"exit_timeout": 1}, True)
    over.set()


@pytest.mark.parametrize("spool", [False, True])
def test_c04_what_a_thread_hangs_in_at_the_end_is_counted_once_and_stored_where_there_is_a_spool(
    sending, endpoint, monkeypatch, tmp_path, spool
):
    asked, over = threading.Event(), threading.Event()

    def hangs(*_):  # as looking up a host name may, which nothing breaks off
        asked.set()
        over.wait(20)
        return Answer(status=200)

    monkeypatch.setattr(Post, "send", hangs)
    shelf = {"make_shelf": partial(Shelf, tmp_path / "spool", "spans", 2**20)} if spool else {}
    out = sending(**shelf)
    out.add("a")
    assert out.flush(0) is False
    assert asked.wait(20)
    assert out.close(0.5) is False
    over.set()
    out.sender._thread.join(20)
    assert (out.ledger.delivered["spans"], out.ledger.stored["spans"]) == (0, int(spool))
    assert out.dropped == ({} if spool else {"exit_timeout": 1})


def test_c04_what_is_on_disk_stays_there_once_when_a_thread_hangs_in_sending_it(
    sending, endpoint, monkeypatch, tmp_path
):
    make_shelf = partial(Shelf, tmp_path / "spool", "spans", 2**20)
    endpoint.script = lambda _: 503
    first = sending(make_shelf=make_shelf)
    first.add("a")
    assert first.flush() is False
    first.close()
    asked, over = threading.Event(), threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(Post, "send", lambda *_: (asked.set(), over.wait(20), Answer(status=200))[-1])
        second = sending(make_shelf=make_shelf)
        second.add("b")
        assert asked.wait(20)
        assert second.close(0.5) is False
        over.set()
        second.sender._thread.join(20)
    endpoint.script = None
    third = sending(make_shelf=make_shelf)
    third.add("c")
    assert third.flush()
    assert sorted(endpoint.names) == ["a", "b", "c"]


def test_c03_an_endpoint_that_never_listened_gets_one_last_attempt_and_a_short_close(sending):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    out = sending(f"http://127.0.0.1:{port}")
    out.add(*numbered(10))
    assert out.flush(0.2) is False
    began = time.monotonic()
    assert out.close(20.0) is False
    assert time.monotonic() - began < 10
    assert out.dropped == {"exit_timeout": 10}


def test_c13_after_an_outage_everything_arrives_at_the_endpoint_that_came_back(sending, until):
    first = Endpoint()
    port = first.server_address[1]
    out = sending(first.url)
    out.add(*numbered(10))
    assert out.flush()
    first.stop()
    out.add(*numbered(20)[10:])
    assert out.flush(0.3) is False
    second = Endpoint(port)
    try:
        until(lambda: len(second.names) == 10)
        assert out.flush()
        assert first.names + second.names == numbered(20)
        assert out.balanced
    finally:
        second.stop()


def test_f01_a_full_queue_refuses_the_newest_and_counts(sending, endpoint):
    gate = threading.Event()
    endpoint.script = lambda body: 200 if gate.wait(10) else 500
    out = sending(capacity_bytes=20_000)
    out.add(*numbered(1000))
    kept = 1000 - out.dropped["queue_full"]
    assert 100 < kept < 900
    assert out.sender.held_bytes <= 20_000
    gate.set()
    out.flush()
    assert endpoint.names == numbered(kept)
    assert out.balanced


def test_spans_of_the_sdk_travel_too_and_a_bad_one_spoils_no_neighbour(sending, endpoint):
    out = sending()
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("app")
    for name in ("a", "bad \ud800", "b"):
        made = tracer.start_span(name)
        made.end()
        out.sender.add(made)
    out.sender.add(span("c"))
    assert out.flush() is False
    assert sorted(endpoint.names) == ["a", "b", "c"]
    assert out.dropped == {"encoding": 1}


def test_d13_a_sending_thread_that_something_kills_goes_on_with_the_next_record(
    sending, endpoint, monkeypatch
):
    said = []
    monkeypatch.setattr(sender_module, "fault", said.append)
    out = sending()

    def exits(*_):
        monkeypatch.undo()
        monkeypatch.setattr(sender_module, "fault", said.append)
        raise SystemExit

    monkeypatch.setattr(transfer, "request", exits)
    out.add("lost")
    assert out.flush() is False
    out.add("kept")
    assert out.flush()
    assert endpoint.names == ["kept"]
    assert (said, out.dropped, out.balanced) == (["sending spans"], {"fault": 1}, True)


def test_bodies_are_gzipped_when_asked_and_headers_sent(endpoint):
    from modelspan.config import Config
    from modelspan.delivery.endpoint import resolve
    from modelspan.delivery.http import Post

    env = {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_HEADERS": "x-token=t%20k"}
    post = Post(resolve("spans", Config(endpoint=endpoint.url), env))
    assert post.send(span("a").envelope.request(span("a").body * 50), 5).status == 200
    _, headers, body = endpoint.bodies[0]
    assert headers["content-encoding"] == "gzip"
    assert headers["x-token"] == "t k"
    assert names_in(body) == ["a"] * 50
    post.close()


def test_d01_judging_an_answer_imports_nothing_so_that_no_fork_meets_an_import(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "from modelspan.delivery import http, verdict\n"
        "before = set(sys.modules)\n"
        "judged = verdict.judge(http.Answer(status=200, body=bytes([10, 2, 8, 3]), protobuf=True))\n"
        "assert judged.rejected == 3, judged\n"
        "assert set(sys.modules) == before, set(sys.modules) - before\n"
    )
    subprocess.run([sys.executable, str(program)], check=True, timeout=120)

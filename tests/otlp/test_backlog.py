"""A writer that can't keep up, and what its clients hear."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from modelspan.viewer import receiver, schema, storage


@pytest.fixture
def span(tmp_path):
    def make(number):
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        request = ExportTraceServiceRequest()
        spans = request.resource_spans.add().scope_spans.add().spans
        spans.add(
            name="x", trace_id=number.to_bytes(16, "big"), span_id=b"s" * 8, start_time_unix_nano=10**18
        )
        return request.SerializeToString()

    return make


class Locked:
    """Holds the database's write lock, as a backup tool would: the writer waits for it."""

    def __init__(self, path):
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("BEGIN IMMEDIATE")

    def release(self):
        self.connection.execute("ROLLBACK")
        self.connection.close()


def test_requests_over_the_backlog_get_503_with_retry_after_and_every_200_is_stored(client, span):
    locked = Locked(client.backend.path)
    senders = storage.MAX_WAITING + 6
    with ThreadPoolExecutor(senders) as pool:
        replies = [pool.submit(client.post, "traces", span(number + 1)) for number in range(senders)]
        deadline = time.monotonic() + 10
        while sum(reply.done() for reply in replies) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        early = [reply.result() for reply in replies if reply.done()]
        health = client.get("/healthz").json()
        locked.release()
        answers = [reply.result() for reply in replies]
    assert {reply.status for reply in early} == {503}
    assert {reply.headers["Retry-After"] for reply in early} == {"1"}
    assert health["backlog"] == storage.MAX_WAITING
    stored = client.queries.traces(limit=1000)["traces"]
    assert len(stored) == sum(reply.status == 200 for reply in answers)
    assert {reply.status for reply in answers} == {200, 503}
    assert client.get("/healthz").json()["rejected"]["backlog"] == sum(
        reply.status == 503 for reply in answers
    )


def test_a_request_that_was_told_503_after_waiting_is_never_stored(client, span, monkeypatch):
    monkeypatch.setattr(receiver, "STORE_SECONDS", 0.2)
    locked = Locked(client.backend.path)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(
            client.post, "traces", span(1)
        )  # the writer has begun with it and waits for the lock
        time.sleep(0.3)
        assert client.post("traces", span(2)).status == 503
        locked.release()
        assert first.result().status == 200
    assert [each["trace_id"] for each in client.queries.traces()["traces"]] == [f"{1:032x}"]


def test_a_storage_fault_is_answered_with_503_and_the_next_request_is_stored(client, span, caplog):
    client.backend._writer._database.execute("ALTER TABLE spans RENAME TO hidden")
    reply = client.post("traces", span(1))
    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
    assert b"no such table" in reply.body
    assert "could not store" in caplog.text
    client.backend._writer._database.execute("ALTER TABLE hidden RENAME TO spans")
    assert client.post("traces", span(1)).status == 200
    assert client.get("/healthz").json()["rejected"] == {"storage": 1}


def test_a_span_sent_twice_is_stored_once(client, span):
    assert [client.post("traces", span(7)).status for _ in range(2)] == [200, 200]
    (trace,) = client.queries.traces()["traces"]
    assert trace["spans"] == 1


def test_closing_answers_what_is_under_way_and_keeps_it(start, span, tmp_path):
    client = start()
    locked = Locked(client.backend.path)
    with ThreadPoolExecutor(4) as pool:
        replies = [pool.submit(client.post, "traces", span(number + 1)) for number in range(4)]
        time.sleep(0.3)  # long enough for all four to reach the writer, which waits for the lock
        closing = threading.Thread(target=client.backend.close)
        closing.start()
        locked.release()
        closing.join(20)
        assert not closing.is_alive()
        assert [reply.result().status for reply in replies] == [200] * 4
    with sqlite3.connect(tmp_path / "data" / schema.FILE_NAME) as database:
        assert database.execute("SELECT COUNT(*) FROM spans").fetchone() == (4,)
    database.close()

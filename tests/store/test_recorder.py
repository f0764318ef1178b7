"""The thread that writes: while the store cannot be written nobody waits, and nothing is lost in silence."""

import logging
import sqlite3
import threading
import time

import pytest
from store_rows import awaiting, counts, new_id, outcome

from modelspan.delivery.accounting import Ledger
from modelspan.store import recorder as recording
from modelspan.store.database import UnavailableError
from modelspan.store.outcomes import OutcomeStore
from modelspan.store.recorder import Recorder
from modelspan.store.sqlite_database import SqliteDatabase


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
def recorder(tmp_path, ledger, monkeypatch):
    monkeypatch.setattr(recording, "RETRY_SECONDS", 0.02)
    store = OutcomeStore(SqliteDatabase(tmp_path / "data", busy_seconds=0.02))
    made = Recorder(store, ledger, tick_seconds=0.01, window_days=90, max_bytes=10**10)
    made.start()
    yield made
    made.close(time.monotonic() + 10)


@pytest.fixture
def locked(recorder):
    """The file, held by another program until it lets go."""
    assert recorder.flush(time.monotonic() + 30)
    recorder.store.totals()
    other = sqlite3.connect(recorder.store.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def test_what_waits_is_committed_in_one_go_and_accounted(recorder, ledger):
    pids = [new_id() for _ in range(300)]
    recorder.await_truth([awaiting(pid) for pid in pids])
    receipts = recorder.ask([outcome(pid) for pid in pids], 30)
    assert {receipt.state for receipt in receipts} == {"joined"}
    assert counts(recorder.store) == {"outcome.joined": 300}
    assert dict(ledger.emitted) == dict(ledger.delivered) == {"keys": 300, "outcomes": 300}
    assert ledger.lost() == ""


def test_e04_while_it_cannot_be_written_outcomes_are_unacknowledged_then_stored(recorder, locked, caplog):
    pid = new_id()
    with caplog.at_level(logging.WARNING):
        recorder.await_truth([awaiting(pid)])
        started = time.monotonic()
        (receipt,) = recorder.ask([outcome(pid)], 0.2)
        assert (receipt.state, receipt.committed) == ("unacknowledged", False)
        assert time.monotonic() - started < 10
        assert recorder.tell(outcome(pid)).state == "queued"
        locked.execute("ROLLBACK")
        assert recorder.flush(time.monotonic() + 30)
    assert counts(recorder.store) == {"outcome.joined": 1, "outcome.rejected:duplicate": 1}
    said = [record.message for record in caplog.records]
    assert len([line for line in said if "cannot write" in line]) == 1
    assert len([line for line in said if "again" in line]) == 1


def test_memory_is_bounded_while_it_cannot_be_written_and_the_loss_is_counted(
    recorder, locked, ledger, monkeypatch
):
    monkeypatch.setattr(recording, "MAX_WAITING", 10)
    recorder.await_truth([awaiting() for _ in range(25)])
    lost = [recorder.tell(outcome(new_id())).state for _ in range(25)].count("unacknowledged")
    locked.execute("ROLLBACK")
    assert recorder.flush(time.monotonic() + 30)
    dropped = ledger.dropped["keys", "store_unavailable"]
    assert dropped >= 10
    assert lost >= 5  # as many as may wait can be under way in a commit besides
    assert counts(recorder.store) == {"prediction.pending": 25 - dropped, "outcome.orphan": 25 - lost}
    assert ledger.emitted["keys"] == ledger.delivered["keys"] + dropped


def test_predictions_are_committed_when_they_come_not_at_the_next_tick(tmp_path, ledger):
    store = OutcomeStore(SqliteDatabase(tmp_path / "data", busy_seconds=20))
    slow = Recorder(store, ledger, tick_seconds=3600, window_days=90, max_bytes=10**10)
    slow.start()
    slow.await_truth([awaiting(), awaiting()])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not ledger.delivered["keys"]:
        time.sleep(0.01)
    assert ledger.delivered["keys"] == 2
    slow.close(time.monotonic() + 30)


def test_what_is_left_at_the_end_is_counted(recorder, locked, ledger):
    recorder.await_truth([awaiting()])
    recorder.tell(outcome(new_id()))
    assert not recorder.close(time.monotonic() + 0.3)
    assert ledger.dropped == {("keys", "exit_timeout"): 1, ("outcomes", "exit_timeout"): 1}
    locked.execute("ROLLBACK")


def test_what_is_left_is_given_up_once_and_closing_again_waits_for_nothing(recorder, locked, ledger):
    recorder.await_truth([awaiting()])
    recorder.tell(outcome(new_id()))
    recorder.close(time.monotonic() + 0.3)
    before = time.monotonic()
    recorder.close(before + 120)
    assert recorder.flush(before + 120)
    assert time.monotonic() - before < 60
    assert ledger.dropped == {("keys", "exit_timeout"): 1, ("outcomes", "exit_timeout"): 1}


def test_after_the_end_nothing_is_taken_nobody_waits_and_the_loss_is_counted(recorder, ledger):
    assert recorder.close(time.monotonic() + 30)
    before = time.monotonic()
    recorder.await_truth([awaiting(), awaiting()])
    assert recorder.ask([outcome(new_id())], 120)[0].state == "unacknowledged"
    assert recorder.tell(outcome(new_id())).state == "unacknowledged"
    assert time.monotonic() - before < 60
    assert ledger.dropped == {("keys", "store_unavailable"): 2, ("outcomes", "store_unavailable"): 2}
    assert ledger.emitted == {"keys": 2, "outcomes": 2}


def test_a_commit_that_outlives_the_end_accounts_for_its_rows(recorder, ledger, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def commit(*_):
        begun.set()
        go_on.wait(60)
        raise UnavailableError("the disk is full")

    monkeypatch.setattr(recorder.store, "commit", commit)
    recorder.await_truth([awaiting()])
    assert begun.wait(30)
    assert not recorder.close(time.monotonic() + 0.1)
    assert ledger.lost() == ""
    go_on.set()
    recorder._thread.join(30)
    assert ledger.dropped == {("keys", "exit_timeout"): 1}


def test_a_wall_clock_set_forward_at_run_time_expires_nothing(recorder, monkeypatch):
    recorder.await_truth([awaiting()])
    assert recorder.flush(time.monotonic() + 30)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 200 * 86_400 * 10**9)
    recorder._next_sweep = 0.0
    assert recorder.flush(time.monotonic() + 30)
    time.sleep(0.1)
    assert counts(recorder.store) == {"prediction.pending": 1}

"""One signal's way out: bounded, counted, honest about what was accepted."""

import threading
import time

import pytest

from modelspan.delivery.accounting import Ledger
from modelspan.delivery.outbox import Outbox


class Result:
    def __init__(self, name):
        self.name = name


class Endpoint:
    """An exporter under the test's control."""

    def __init__(self, accept=True):
        self.accept = accept
        self.got = []
        self.open = threading.Event()
        self.open.set()
        self.stopped = threading.Event()

    def export(self, batch):
        while not self.open.wait(0.01):
            if self.stopped.is_set():
                return Result("FAILURE")
        self.got.extend(batch)
        return Result("SUCCESS" if self.accept else "FAILURE")

    def shutdown(self):
        self.stopped.set()


def made(endpoint, **settings):
    ledger = Ledger()
    return Outbox("spans", lambda: endpoint, ledger, **settings), ledger


def soon(seconds=5.0):
    return time.monotonic() + seconds


def balance(ledger, waiting=0):
    dropped = sum(count for (signal, _), count in ledger.dropped.items() if signal == "spans")
    return ledger.emitted["spans"] == ledger.delivered["spans"] + dropped + waiting


def test_what_was_added_before_a_flush_has_been_accepted_after_it():
    endpoint = Endpoint()
    outbox, ledger = made(endpoint, batch=7)
    for i in range(100):
        outbox.add(i)
    assert outbox.flush(soon())
    assert endpoint.got == list(range(100))
    assert ledger.delivered["spans"] == 100
    assert outbox.close(soon())


def test_a_flush_from_many_threads_never_says_yes_too_early():
    endpoint = Endpoint()
    outbox, _ = made(endpoint, batch=3)
    wrong = []

    def work(name):
        for i in range(200):
            outbox.add((name, i))
            if i % 20 == 19 and not (outbox.flush(soon()) and (name, i) in endpoint.got):
                wrong.append((name, i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sorted(endpoint.got) == sorted((n, i) for n in range(6) for i in range(200))
    outbox.close(soon())


def test_a_refused_batch_makes_the_flush_false_and_is_counted():
    endpoint = Endpoint(accept=False)
    outbox, ledger = made(endpoint)
    outbox.add(1)
    assert outbox.flush(soon()) is False
    assert ledger.dropped["spans", "export_failed"] == 1
    assert balance(ledger)
    outbox.close(soon())


def test_a_raising_exporter_loses_its_batch_and_nothing_else(monkeypatch):
    monkeypatch.setattr("modelspan.delivery.outbox.guard", quiet)
    endpoint = Endpoint()
    outbox, ledger = made(endpoint, batch=1)
    export, endpoint.export = endpoint.export, lambda batch: 1 / 0
    outbox.add(1)
    assert outbox.flush(soon()) is False
    endpoint.export = export
    outbox.add(2)
    assert outbox.flush(soon())
    assert endpoint.got == [2]
    assert balance(ledger)
    outbox.close(soon())


class quiet:  # noqa: N801 - stands in for the function `guard`, which would count the fault
    def __init__(self, doing):
        pass

    def __enter__(self):
        pass

    def __exit__(self, *_):
        return True


def test_a_full_outbox_drops_and_counts():
    endpoint = Endpoint()
    endpoint.open.clear()
    outbox, ledger = made(endpoint, capacity=10, batch=5)
    for i in range(100):
        outbox.add(i)
    assert ledger.dropped["spans", "queue_full"] >= 80
    endpoint.open.set()
    assert outbox.flush(soon())
    assert balance(ledger)
    outbox.close(soon())


@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.0])
def test_a_close_keeps_its_deadline_and_the_balance_while_the_endpoint_hangs(seconds):
    endpoint = Endpoint()
    endpoint.open.clear()
    outbox, ledger = made(endpoint, batch=10)
    for i in range(95):
        outbox.add(i)
    time.sleep(0.05)
    began = time.monotonic()
    assert outbox.close(soon(seconds)) is False
    assert time.monotonic() - began < seconds + 5
    assert ledger.dropped["spans", "exit_timeout"] == 95
    assert balance(ledger)


def test_after_a_close_records_are_counted_as_lost_and_an_adoption_starts_anew():
    endpoint = Endpoint()
    outbox, ledger = made(endpoint)
    outbox.close(soon())
    outbox.add(1)
    assert ledger.dropped["spans", "shutdown"] == 1
    second, fresh = Ledger(), Endpoint()
    outbox.adopt(second, lambda: fresh)
    outbox.add(2)
    assert outbox.flush(soon())
    assert fresh.got == [2]
    assert balance(second)
    outbox.close(soon())

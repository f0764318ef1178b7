"""When the worker drains, and which calls it must take care of because somebody else has them too."""

import threading

import pytest

from modelspan.delivery.accounting import Ledger
from modelspan.pipeline.block import held
from modelspan.pipeline.budget import Budget
from modelspan.pipeline.call import Call
from modelspan.pipeline.queue import Queue
from modelspan.pipeline.worker import BATCH, Worker


@pytest.fixture
def worker():
    ledger = Ledger()
    return Worker(
        Queue(2**20, ledger), [], ledger, tick_seconds=1.0, sample_rows=1, crowded=lambda: False,
        budget=Budget(1.0, ledger),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rate", "seconds"), [(0, 1.0), (10, 1.0), (2000, 1.0), (10_000, 0.41), (50_000, 0.082), (10**7, 0.02)]
)
def test_the_worker_waits_a_tick_or_for_about_a_batch_of_calls(worker, rate, seconds):
    assert worker._pause(rate // 2, 0.5) == pytest.approx(seconds, rel=0.01)
    assert BATCH == 4096


def test_a_call_that_somebody_keeps_is_told_from_those_that_only_the_queue_has():
    queue = Queue(2**20, Ledger())
    kept = []
    for index in range(30):
        call = Call(None, None)
        queue.put(call)
        if index % 10 == 0:
            kept.append(call)
    del call
    queue.put(print, 1)
    queue.put_marker(threading.Event())
    assert held(queue.drain(100)) == kept

import threading

import numpy as np
import pytest

from modelspan.delivery.accounting import Ledger
from modelspan.pipeline.call import Call
from modelspan.pipeline.queue import CALL_BYTES, Queue
from modelspan.snapshot import Snapshot

MIB = 2**20


def a_call(row=None, features=None, cost=0):
    call = Call(None, features)
    call.row, call.cost = row, cost
    return call


def fill(queue, call, most=100_000):
    """How many of the same call the queue takes in."""
    before = len(queue)
    for _ in range(most):
        queue.put(call, call.cost)
    return len(queue) - before


@pytest.mark.parametrize(
    ("row", "smallest", "largest"),
    [
        (np.ones(20).tobytes(), 300, 500),
        ({f"f{i}": i + 0.5 for i in range(20)}, 2_000, 3_000),
        ({"text": "x" * 100_000}, 100_000, 101_000),
        ({"number": 1 << 800_000}, 100_000, 110_000),
        ({}, 256, 400),
    ],
    ids=["array", "dict", "text", "large integer", "empty"],
)
def test_calls_of_one_row_are_counted_with_what_the_last_ones_held(row, smallest, largest):
    queue = Queue(MIB, Ledger())
    for _ in range(20):
        assert fill(queue, a_call(row), 5) == 5
        queue.drain(5)
    assert smallest <= queue.each <= largest
    assert fill(queue, a_call(row), 5_000) == min(5_000, MIB // queue.each)


def test_the_room_of_a_queue_that_is_never_empty_is_what_its_items_leave():
    queue = Queue(MIB, Ledger())
    table = Snapshot("matrix", np.ones((10, 10)), 10)
    heavy, light = {f"f{i}": i + 0.5 for i in range(40)}, b"x" * 160
    for round_ in range(300):
        fill(queue, a_call(heavy if round_ % 2 else light), 20)
        fill(queue, a_call(features=table, cost=800), 2)
        queue.put(print, 2048, "logs")
        queue.put_marker(threading.Event())
        queue.drain(24 if round_ else 12)
    assert len(queue) == 12
    ones = [item for item in queue._items if type(item) is Call and not item.cost]
    own = sum(getattr(item, "cost", 2048) for item in queue._items if item not in ones)
    bytes_, marker = len(ones) * queue.each + own, queue.each
    assert MIB - bytes_ - marker <= queue.room <= MIB - bytes_


def test_what_two_threads_did_to_the_room_at_once_is_over_with_the_next_drain():
    queue = Queue(MIB, Ledger())
    fill(queue, a_call(b"x"), 600)
    before = queue.room
    queue.drain(500)
    queue.room = before - queue.each  # another thread had read it before the drain, and wrote it after
    queue.put(a_call(b"x"))
    queue.drain(1)
    assert queue.room == MIB - 100 * queue.each


def test_calls_that_became_heavy_count_as_such_while_they_wait():
    queue = Queue(MIB, Ledger())
    fill(queue, a_call({"text": "x" * 10_000}), 1_000)
    queue.drain(10)
    assert fill(queue, a_call(b"light"), 1) == 0


def test_a_full_queue_counts_each_call_that_it_does_not_take():
    ledger = Ledger()
    queue = Queue(MIB, ledger)
    taken = fill(queue, a_call(b"x" * 160), 2_000)
    assert taken == MIB // CALL_BYTES
    assert ledger.dropped["predictions", "queue_full"] == 2_000 - taken


def test_one_drain_of_light_calls_does_not_make_heavy_ones_fit():
    queue = Queue(MIB, Ledger())
    for row in ({"text": "x" * 10_000}, b"light"):
        fill(queue, a_call(row), 10)
        queue.drain(10)
    assert queue.each > 7_000


def test_what_is_taken_out_makes_room_for_as_much():
    queue = Queue(MIB, Ledger())
    queue.each = 1000
    call = a_call(b"x" * 711)  # weighs 1000 bytes
    taken = fill(queue, call, 2_000)
    assert len(queue.drain(500)) == 500
    assert queue.each == 1000
    assert fill(queue, call, 2_000) == 500
    assert len(queue) == taken


def test_calls_of_many_rows_are_counted_by_their_own_cost_and_change_no_mean():
    queue = Queue(MIB, Ledger())
    table = Snapshot("matrix", np.ones((256, 30)), 100_000)
    assert fill(queue, a_call(features=table, cost=table.payload.nbytes), 100) == MIB // (256 * 30 * 8)
    queue.drain(100)
    assert queue.each == CALL_BYTES

"""Turns of writers in several processes: nobody waits for ever, and nobody is passed over."""

import threading
import time

import pytest

from modelspan.store.database import UnavailableError
from modelspan.store.locks import Locks


@pytest.fixture
def three(tmp_path):
    made = [Locks(tmp_path, "feedback") for _ in range(3)]
    yield made
    for each in made:
        each.close()


def test_a_writer_that_never_ends_its_turn_makes_the_others_give_up_in_time(three):
    with three[0].turn(1.0), pytest.raises(UnavailableError, match="too long"), three[1].turn(0.05):
        pass
    with three[1].turn(1.0), pytest.raises(UnavailableError, match="too long"), three[2].turn(0.05):
        pass  # the one that gave up holds nothing


def test_who_waits_comes_before_the_one_that_has_just_written(three):
    order, begun = [], threading.Event()

    def wait():
        begun.set()
        with three[1].turn(60.0):
            order.append("who waited")

    with three[0].turn(60.0):
        waiting = threading.Thread(target=wait)
        waiting.start()
        begun.wait()
        time.sleep(0.2)  # it holds the place behind us by now
    with three[0].turn(60.0):
        order.append("who wrote before")
    waiting.join()
    assert order == ["who waited", "who wrote before"]


def test_a_folder_is_entered_by_many_or_by_one_alone(three):
    three[0].enter(alone=False)
    three[1].enter(alone=False)
    entered = threading.Event()
    alone = threading.Thread(target=lambda: (three[2].enter(alone=True), entered.set()))
    alone.start()
    assert not entered.wait(0.1)
    three[0].leave()
    three[1].leave()
    assert entered.wait(60.0)
    alone.join()

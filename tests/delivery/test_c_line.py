"""Row C10 of the fault catalogue: a line of 1 Mbit/s, 400 ms late, that loses packets and connections."""

import pytest

from .relay import Relay

CAPACITY = 300_000


@pytest.mark.parametrize("broken", [0, 2], ids=["pauses", "breaks"])
def test_c10_a_bad_line_delivers_what_was_queued_and_what_did_not_fit_is_counted(sending, endpoint, broken):
    relay = Relay(endpoint.server_address[1], broken=broken)
    try:
        sender = sending(relay.url, timeout=60, capacity_bytes=CAPACITY)
        made, most = [], 0
        for i in range(2000):
            made.append(f"{i}-{'x' * 200}")
            sender.add(made[-1])
            most = max(most, sender.sender.held_bytes)
        assert sender.flush(120)
    finally:
        relay.stop()
    assert sender.balanced
    assert most <= CAPACITY
    assert set(sender.dropped) <= {"queue_full"}
    assert sender.ledger.delivered["spans"] == len(set(endpoint.names))
    assert set(endpoint.names) <= set(made)
    assert relay.breaks == broken
    assert relay.pauses

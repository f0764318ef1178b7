"""Row C11 of the fault catalogue: the name of the endpoint, looked up in this process; no server is asked."""

import contextlib
import socket
import threading
import time

import pytest

from .conftest import Endpoint

NAME = "collector.test"
RECOVERY_SECONDS = 30


class Names:
    """What the one name leads to; no addresses: the look-up fails."""

    def __init__(self):
        self.addresses, self.asked = (), 0

    def look_up(self, host, port, *_args, **_kwargs):
        assert host == NAME, host
        self.asked += 1
        if not self.addresses:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in self.addresses
        ]


@pytest.fixture
def names(monkeypatch):
    made = Names()
    monkeypatch.setattr(socket, "getaddrinfo", made.look_up)
    return made


@pytest.fixture
def on():
    """Start an endpoint on an address of this machine."""
    made = []

    def start(host, port=0):
        made.append(Endpoint(port, host))
        return made[-1]

    yield start
    for each in made:
        each.stop()


def url(endpoint):
    return f"http://{NAME}:{endpoint.server_address[1]}"


def test_c11_a_name_that_cannot_be_looked_up_for_a_while_loses_nothing(sending, endpoint, names, until):
    out = sending(url(endpoint))
    out.add("a", "b")
    assert out.flush(0.3) is False
    until(lambda: names.asked >= 3)
    names.addresses = ("127.0.0.1",)
    until(lambda: endpoint.names == ["a", "b"], RECOVERY_SECONDS)  # by itself
    out.add("c")
    assert out.flush()
    assert endpoint.names == ["a", "b", "c"]
    assert (out.dropped, out.balanced) == ({}, True)


def test_c11_a_flush_cuts_short_the_pause_after_a_failed_look_up(
    sending, endpoint, names, until, monkeypatch
):
    monkeypatch.setattr("modelspan.delivery.attempts.PAUSE_SECONDS", (600.0, 600.0))
    out = sending(url(endpoint))
    out.add("a")
    until(lambda: names.asked >= 1)
    names.addresses = ("127.0.0.1",)
    assert out.flush(RECOVERY_SECONDS)
    assert endpoint.names == ["a"]


def test_c11_a_name_whose_address_changes_is_looked_up_anew(sending, names, on, until):
    first = on("127.0.0.1")
    names.addresses = ("127.0.0.1",)
    out = sending(url(first))
    out.add("a")
    assert out.flush()
    port = first.server_address[1]
    second = on("127.0.0.2", port)
    first.stop()
    out.add("b")
    assert out.flush(0.3) is False  # the old address refuses
    names.addresses = ("127.0.0.2",)
    until(lambda: second.names == ["b"], RECOVERY_SECONDS)
    assert first.names == ["a"]
    assert out.flush()
    assert (out.dropped, out.balanced) == ({}, True)


def test_c11_of_several_addresses_the_one_that_answers_is_taken(sending, endpoint, names):
    names.addresses = ("127.0.0.3", "127.0.0.1")  # nobody listens on the first
    out = sending(url(endpoint))
    out.add("a")
    assert out.flush()
    assert endpoint.names == ["a"]


def test_c11_a_name_with_an_ipv6_address_only_that_leads_nowhere_is_an_outage_like_others(
    sending, endpoint, names
):
    names.addresses = ("::1",)
    out = sending(url(endpoint))  # which listens on IPv4
    out.add("a")
    assert out.flush(0.3) is False
    names.addresses = ("::1", "127.0.0.1")
    assert out.flush(RECOVERY_SECONDS)
    assert endpoint.names == ["a"]
    assert out.balanced


def has_ipv6():
    with socket.socket(socket.AF_INET6) as probe, contextlib.suppress(OSError):
        probe.bind(("::1", 0))
        return True
    return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1; the test above runs everywhere")
def test_c11_a_name_that_has_an_ipv6_address_only_is_reached_there(sending, names, on):
    six = on("::1")
    names.addresses = ("::1",)
    out = sending(url(six))
    out.add("a")
    assert out.flush()
    assert six.names == ["a"]
    assert out.balanced


def test_c11_a_look_up_that_hangs_holds_neither_flush_nor_close(sending, endpoint, names, monkeypatch):
    over, began = threading.Event(), threading.Event()

    def hangs(*_args, **_kwargs):
        began.set()
        over.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "too late")

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    out = sending(url(endpoint))
    out.add("a")
    assert out.flush(0.2) is False
    assert began.wait(20)
    started = time.monotonic()
    assert out.close(0.5) is False
    assert time.monotonic() - started < 20  # it would be 60
    assert (out.dropped, out.balanced) == ({"exit_timeout": 1}, True)
    over.set()

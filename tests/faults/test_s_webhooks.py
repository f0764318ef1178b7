"""Rows S10 and S11 of the security catalogue: where webhooks may go, and which messages are genuine."""

import socket
import time

import pytest
import urllib3
from standardwebhooks.webhooks import Webhook
from urllib3.util import connection as connecting

from modelspan.config import Config
from modelspan.delivery.addresses import guarded_pool, is_loopback, is_public
from modelspan.errors import ConfigError
from modelspan.signing import Verifier, decode_secret, sign

SECRET, NEXT_SECRET = "whsec_" + "a" * 32, "whsec_" + "b" * 32
PRIVATE = [
    "127.0.0.1", "127.8.9.10", "0.0.0.0", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255",
    "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "fd00::1", "fc00::1",
    "fe80::1", "fe80::1%eth0", "ff02::1", "2001:db8::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::", "2002:a9fe:a9fe::", "2001:0:53aa:64c:0:0:80ff:fffe", "100::1",
]  # fmt: skip
PUBLIC = [
    "93.184.216.34",
    "8.8.8.8",
    "2606:2800:220:1:248:1893:25c8:1946",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]
REFUSED_AT_START = [
    "http://example.org/", "ftp://example.org/", "gopher://example.org/", "file:///etc/passwd",
    "//example.org/",
    "javascript:alert(1)", "https://", "https:///path", "https://user@example.org/", "https://a:b@example.org/",
    "https://example.org:22/", "https://example.org:25/", "https://example.org:99999/", "https://example.org:x/",
    "https://exa\r\nmple.org/", "https://example.org/\r\nHost: x", "https://example.org/a b", "http://10.0.0.1/",
    "http://169.254.169.254/latest/meta-data", "http://2130706433/", "http://localhost.example.org/", "https://[::1",
]  # fmt: skip
NUMERIC_HOSTS = ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost", "[::1]", "[::ffff:7f00:1]"]


@pytest.fixture
def connections(monkeypatch):
    """Addresses to which a connection was asked for; none is made."""
    asked = []

    def refuse(address, *_args, **_kwargs):
        asked.append(address)
        raise ConnectionRefusedError("not in a test")

    monkeypatch.setattr(connecting, "create_connection", refuse)
    return asked


def post(url):
    with pytest.raises(urllib3.exceptions.HTTPError):
        guarded_pool(is_public).request("POST", url, body=b"{}", timeout=1)


def resolves(monkeypatch, *answers):
    """A resolver with one answer after the other."""
    left = list(answers)

    def answer(host, port, *_args, **_kwargs):
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.parametrize("address", PRIVATE)
def test_s10_no_name_that_leads_to_a_private_address_gets_a_connection(monkeypatch, connections, address):
    assert not is_public(address)
    resolves(monkeypatch, [address])
    post("https://hooks.example.org/x")
    resolves(monkeypatch, ["93.184.216.34", address])  # one good address does not excuse another
    post("https://hooks.example.org/x")
    assert connections == []


@pytest.mark.parametrize("host", NUMERIC_HOSTS)
def test_s10_this_machine_under_another_spelling_gets_no_connection(connections, host):
    post(f"https://{host}/x")
    assert connections == []


@pytest.mark.parametrize("url", REFUSED_AT_START)
def test_s10_an_address_that_is_no_plain_https_one_is_refused_at_start(url):
    with pytest.raises(ConfigError, match="webhook_url"):
        Config(webhook_url=url)


@pytest.mark.parametrize("address", PUBLIC)
def test_s10_a_public_address_is_connected_to_and_resolved_once(monkeypatch, connections, address):
    assert is_public(address)
    resolves(monkeypatch, [address], ["127.0.0.1"])  # the second answer is a rebinding
    post("https://hooks.example.org/x")
    assert connections == [(address, 443)]


def test_s10_this_machine_is_told_from_others():
    assert all(map(is_loopback, ["127.0.0.1", "::1", "::ffff:127.0.0.1"]))
    assert not any(map(is_loopback, ["10.0.0.1", "8.8.8.8", "fe80::1"]))


def message(secret=SECRET, *, identifier="msg_1", stamp=None, body=b'{"type":"x"}'):
    stamp = int(time.time()) if stamp is None else stamp
    signature = sign(decode_secret(secret), identifier, stamp, body)
    return {"Webhook-Id": identifier, "webhook-timestamp": str(stamp), "webhook-signature": signature}, body


def test_s11_a_genuine_message_passes_here_and_in_the_specifications_own_library():
    headers, body = message()
    Verifier(SECRET).verify(headers, body)
    Webhook(SECRET).verify(body, {name.lower(): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"body": b"{}"}, "webhook-signature"),
        ({"webhook-id": "msg_2", "Webhook-Id": "msg_2"}, "webhook-signature"),
        ({"webhook-timestamp": -10}, "webhook-signature"),
        ({"webhook-timestamp": -400}, "webhook-timestamp"),
        ({"webhook-timestamp": 400}, "webhook-timestamp"),
        ({"webhook-timestamp": "soon"}, "webhook-timestamp"),
        ({"webhook-timestamp": ""}, "webhook-timestamp"),
        ({"webhook-signature": ""}, "webhook-signature"),
        ({"webhook-signature": "v1,AAAA"}, "webhook-signature"),
        ({"webhook-signature": "\u00e9"}, "webhook-signature"),
    ],
)
def test_s11_an_altered_or_old_message_is_refused(change, said):
    headers, body = message()
    change = {n: str(int(time.time()) + v) if type(v) is int else v for n, v in change.items()}  # seconds off
    body = change.pop("body", body)
    with pytest.raises(ValueError, match=said):
        Verifier(SECRET).verify({**headers, **change}, body)


def test_s11_a_repeated_message_is_refused_and_forgotten_when_its_time_has_passed():
    verifier = Verifier(SECRET)
    headers, body = message()
    verifier.verify(headers, body)
    with pytest.raises(ValueError, match="seen before"):
        verifier.verify(headers, body)
    later, body = message(stamp=int(time.time()) + 900)
    verifier.verify(later, body, now=time.time() + 900)


def test_s11_two_secrets_are_accepted_while_one_replaces_the_other():
    verifier = Verifier(NEXT_SECRET, SECRET)
    verifier.verify(*message(SECRET, identifier="old"))
    verifier.verify(*message(NEXT_SECRET, identifier="new"))
    with pytest.raises(ValueError, match="webhook-signature"):
        Verifier(NEXT_SECRET).verify(*message(SECRET))
    with pytest.raises(ValueError, match="needs a secret"):
        Verifier()

"""Who gets an answer, from which name, with which secret, and what a browser is told."""

import re

import pytest

from modelspan.errors import ConfigError
from modelspan.viewer.security import Access, is_loopback

TOKEN = "correct-horse-battery"
PATHS = ["/healthz", "/api/models", "/", "/traces/abc", "/_dash-layout"]


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_names_of_this_machine_are_answered(client, name):
    assert client.get("/healthz", Host=f"{name}:8050").status == 200


@pytest.mark.parametrize(
    "name",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "0.0.0.0",
        "[",
        "10.0.0.1",
        "user@[::1",
    ],
)
def test_s13_other_names_are_refused_on_both_ports_against_dns_rebinding(client, name):
    assert client.get("/api/models", Host=name).status in (400, 403)
    assert client.post("traces", b"{}", "application/json", Host=name).status in (400, 403)


def test_s13_with_a_token_every_path_of_both_ports_needs_it(start):
    client = start(token=TOKEN)
    for path in PATHS:
        assert client.get(path).status == 401, path
        assert client.get(path, Authorization=f"Bearer {TOKEN}x").status == 401, path
        assert client.get(path, Authorization=f"Basic {TOKEN}").status == 401, path
        assert client.get(path, Cookie="modelspan_session=" + TOKEN).status == 401, path
    assert client.get("/healthz").headers["WWW-Authenticate"] == "Bearer"
    assert client.get("/api/models", Authorization=f"Bearer {TOKEN}").status == 200
    assert client.get("/api/models", Authorization=f"bearer  {TOKEN}").status == 200
    assert client.post("traces", b"{}", "application/json").status == 401
    assert client.post("traces", b"{}", "application/json", Authorization=f"Bearer {TOKEN}").status == 200
    assert client.post(f"traces?token={TOKEN}", b"{}", "application/json").status == 401


def test_a_browser_gives_the_token_once_and_then_has_a_cookie_that_scripts_cannot_read(start):
    client = start(token=TOKEN)
    reply = client.get(f"/models/credit?token={TOKEN}&range=1h")
    assert (reply.status, reply.headers["Location"]) == (302, "/models/credit?range=1h")
    cookie = reply.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    session = re.match(r"[^;]+", cookie)[0]
    assert client.get("/api/models", Cookie=session).status == 200
    assert client.get("/api/models", Cookie=session[:-1]).status == 401
    assert client.get("/?token=wrong").status == 401
    assert "Set-Cookie" not in client.get("/?token=wrong").headers


def test_the_redirect_after_the_token_stays_on_this_host(start):
    reply = start(token=TOKEN).get(f"//evil.example/x?token={TOKEN}")
    assert reply.headers["Location"].startswith("/evil.example/x") or reply.status != 302


def test_every_answer_carries_the_security_headers_and_the_page_allows_no_inline_script(client):
    for path in [*PATHS, "/api/traces?limit=x", "/assets/page.css"]:
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["X-Frame-Options"] == "DENY", path
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy, path
        scripts = re.search(r"script-src ([^;]*)", policy)
        assert scripts is None or "unsafe" not in scripts[1], path
        assert "Access-Control-Allow-Origin" not in headers, path


def test_addresses_of_this_machine_are_told_from_others():
    assert all(map(is_loopback, ["localhost", "127.0.0.1", "127.1.2.3", "::1"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "192.168.0.1", "127.evil.example", "localhost.", ""]))


def test_short_tokens_and_open_addresses_without_a_token_are_refused():
    with pytest.raises(ConfigError, match="token has 15 characters"):
        Access(token="x" * 15)
    with pytest.raises(ConfigError, match=r"host=0\.0\.0\.0 is reachable by others and needs a token"):
        Access(host="0.0.0.0")
    assert Access(host="0.0.0.0", token="x" * 16).cookie != Access(token="y" * 16).cookie


def test_an_open_address_with_a_token_answers_to_any_name(start):
    client = start(host="0.0.0.0", token=TOKEN)
    assert client.page.startswith("http://127.0.0.1:")
    assert client.get("/healthz", Host="backend.internal", Authorization=f"Bearer {TOKEN}").status == 200

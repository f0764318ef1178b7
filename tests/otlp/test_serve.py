"""The backend as an object: ports, folders, restart."""

import socket

import pytest

from modelspan.errors import ConfigError
from modelspan.viewer.serve import Backend, BackendConfig


def test_a_taken_port_is_named_with_the_option_that_chooses_another(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        taken.settimeout(5)
        port = taken.getsockname()[1]
        for option, ports in (("--otlp-port", (0, port)), ("--port", (port, 0))):
            backend = Backend(BackendConfig(data=tmp_path, port=ports[0], otlp_port=ports[1]))
            with pytest.raises(ConfigError, match=rf"port {port} of 127\.0\.0\.1 cannot be used: .*{option}"):
                backend.start()


def test_a_port_where_a_backend_answers_already_is_recognised(client, tmp_path):
    for url in (client.otlp, client.page):
        port = int(url.rpartition(":")[2])
        backend = Backend(BackendConfig(data=tmp_path / "other", port=0, otlp_port=port))
        with pytest.raises(ConfigError, match=f"a modelspan backend answers there already .{url}"):
            backend.start()


def test_a_second_backend_on_the_same_data_is_refused_and_gives_its_ports_back(client):
    second = Backend(BackendConfig(data=client.backend.path.parent, port=0, otlp_port=0))
    with pytest.raises(ConfigError, match="in use by another modelspan up"):
        second.start()
    second.close()


def test_a_restart_on_the_same_ports_has_its_data_and_closing_twice_is_harmless(start):
    first = start()
    first.spans([("ab" * 16, "cd" * 8, "x", 1.8e9, 1.0, {}, False)])
    ports = [int(url.rpartition(":")[2]) for url in (first.page, first.otlp)]
    first.backend.close()
    first.backend.close()
    second = start(port=ports[0], otlp_port=ports[1])
    assert second.get("/api/traces").json()["traces"][0]["trace_id"] == "ab" * 16


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"port": 70_000}, "port=70000 is not a port"),
        ({"otlp_port": -1}, "otlp_port=-1 is not a port"),
        ({"keep_days": 0}, "keep_days=0 is not from 0"),
        ({"keep_days": float("nan")}, "keep_days=nan is not from 0"),
        ({"max_bytes": 5}, "max_size=5 bytes is too little"),
    ],
)
def test_wrong_settings_are_named_with_their_rule(tmp_path, setting, message):
    with pytest.raises(ConfigError, match=message):
        BackendConfig(data=tmp_path, **setting)


def test_an_address_of_another_machine_cannot_be_bound(tmp_path):
    backend = Backend(BackendConfig(data=tmp_path, host="192.0.2.1", token="x" * 16, port=0, otlp_port=0))
    with pytest.raises(ConfigError, match=r"port 0 of 192\.0\.2\.1 cannot be used"):
        backend.start()


def test_the_backend_also_listens_on_ipv6(start):
    client = start(host="::1")
    assert client.page.startswith("http://[::1]:")
    assert client.get("/healthz").status == 200
    assert client.post("traces", b"{}", "application/json").status == 200

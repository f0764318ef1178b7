"""Delivery through a proxy that is asked for, and through none that is not; over TLS too."""

import contextlib
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from modelspan.config import Config
from modelspan.delivery.endpoint import resolve
from modelspan.delivery.http import Post
from modelspan.errors import ConfigError

from .conftest import Endpoint, span

REQUEST = span("a").envelope.request(span("a").body)


class Proxy(BaseHTTPRequestHandler):
    """Passes on what it is asked for and remembers the first lines and what proves who asks."""

    protocol_version = "HTTP/1.1"

    def note(self):
        self.server.seen.append((self.requestline, self.headers["proxy-authorization"]))

    def do_POST(self):
        self.note()
        body = self.rfile.read(int(self.headers["content-length"]))
        host, _, rest = self.path.removeprefix("http://").partition("/")
        with contextlib.closing(socket.create_connection(host.split(":"), timeout=20)) as far:
            head = f"POST /{rest} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\n"
            far.sendall(f"{head}connection: close\r\n\r\n".encode() + body)
            while data := far.recv(65536):
                self.wfile.write(data)
        self.close_connection = True

    def do_CONNECT(self):
        self.note()
        far = socket.create_connection(self.path.split(":"), timeout=20)
        self.send_response(200)
        self.end_headers()

        def pass_on():
            with contextlib.suppress(OSError):
                while data := self.connection.recv(65536):
                    far.sendall(data)

        threading.Thread(target=pass_on, daemon=True).start()
        with contextlib.suppress(OSError), contextlib.closing(far):
            while data := far.recv(65536):
                self.connection.sendall(data)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def proxy():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads, server.seen = True, []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody but the test trusts, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
         "-keyout", key, "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


@pytest.fixture
def secure(certificate):
    """The endpoint behind TLS, which wants to see a certificate too."""
    made = Endpoint()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.load_verify_locations(certificate[0])
    context.verify_mode = ssl.CERT_REQUIRED
    made.socket = context.wrap_socket(made.socket, server_side=True, do_handshake_on_connect=False)
    yield made
    made.stop()


def poster(url, proxy="", **env):
    variables = {f"OTEL_EXPORTER_OTLP_{name}": str(value) for name, value in env.items()}
    return Post(resolve("spans", Config(endpoint=url, proxy=proxy), variables))


def address(server, login=""):
    return f"http://{login}127.0.0.1:{server.server_address[1]}"


def test_a_proxy_gets_the_whole_address_and_its_own_password(endpoint, proxy):
    post = poster(endpoint.url, address(proxy, "me:s3cret@"))
    assert [post.send(REQUEST, 20).status for _ in range(2)] == [200, 200]
    assert proxy.seen[0] == (f"POST {endpoint.url}/v1/traces HTTP/1.1", "Basic bWU6czNjcmV0")
    assert endpoint.names == ["a", "a"]
    assert not any("proxy-authorization" in map(str.lower, headers) for _, headers, _ in endpoint.bodies)
    post.close()


def test_tls_goes_through_a_tunnel_of_the_proxy_end_to_end(secure, proxy, certificate):
    url, (trusted, key) = f"https://127.0.0.1:{secure.server_address[1]}", certificate
    post = poster(
        url, address(proxy, "me:s3cret@"), CERTIFICATE=trusted, CLIENT_CERTIFICATE=trusted, CLIENT_KEY=key
    )
    assert [post.send(REQUEST, 20).status for _ in range(2)] == [200, 200]
    ((line, login),) = proxy.seen
    assert line.startswith(f"CONNECT 127.0.0.1:{secure.server_address[1]} ")
    assert login == "Basic bWU6czNjcmV0"
    assert secure.names == ["a", "a"]
    assert not any("proxy-authorization" in map(str.lower, headers) for _, headers, _ in secure.bodies)
    post.close()


def test_s07_a_certificate_that_nobody_vouches_for_is_refused_and_so_is_a_client_without_one(
    secure, certificate
):
    url = f"https://127.0.0.1:{secure.server_address[1]}"
    stranger = poster(url).send(REQUEST, 20)
    assert (stranger.status, "CERTIFICATE_VERIFY_FAILED" in stranger.reason) == (0, True)
    assert poster(url, CERTIFICATE=certificate[0]).send(REQUEST, 20).status == 0
    assert secure.accepted == []


def test_no_proxy_is_used_that_was_not_asked_for(endpoint, proxy, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, address(proxy))
    post = poster(endpoint.url)
    assert post.send(REQUEST, 20).status == 200
    assert proxy.seen == []
    post.close()


def test_a_proxy_that_is_gone_is_a_failed_attempt_and_no_way_around_it(endpoint):
    with socket.create_server(("127.0.0.1", 0)) as free:
        gone = f"http://me:s3cret@127.0.0.1:{free.getsockname()[1]}"
    answer = poster(endpoint.url, gone).send(REQUEST, 20)
    assert answer.status == 0
    assert "s3cret" not in answer.reason
    assert endpoint.bodies == []


@pytest.mark.parametrize("wrong", ["proxy:3128", "https://proxy:3128", "http://proxy", "http://proxy:99999"])
def test_a23_a_proxy_that_is_no_address_is_refused_and_not_shown(wrong):
    with pytest.raises(ConfigError, match="proxy is no http://HOST:PORT"):
        Config(proxy=wrong)


def test_s07_a_proxys_password_never_goes_over_plain_http_to_another_host():
    secret = "http://me:s3cret@proxy.example:3128"
    with pytest.raises(ConfigError, match="insecure=True") as error:
        Config(proxy=secret)
    assert "s3cret" not in str(error.value)
    assert "s3cret" not in repr(Config(proxy=secret, insecure=True))
    assert Config(proxy="http://proxy.example:3128")


def test_s07_nor_do_the_headers_of_requests_to_this_host_by_a_proxy_on_another():
    config = Config(
        endpoint="http://127.0.0.1:4318", headers={"x": "s3cret"}, proxy="http://proxy.example:3128"
    )
    with pytest.raises(ConfigError, match=r"proxy 'proxy\.example' would get credentials") as error:
        resolve("spans", config, {})
    assert "s3cret" not in str(error.value)
    here = Config(endpoint="http://127.0.0.1:4318", headers={"x": "s3cret"}, proxy="http://127.0.0.1:3128")
    assert resolve("spans", here, {}).proxy == here.proxy

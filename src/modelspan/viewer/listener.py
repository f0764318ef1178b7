"""One port served by waitress in a thread of its own, with an end that loses no request."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from typing import Any, Final

from waitress import wasyncore
from waitress.server import create_server

from modelspan.errors import ConfigError
from modelspan.viewer.bodies import MAX_BODY

CLOSE_SECONDS: Final = 10.0
"""Wait for the requests being answered; a commit is waited for 8 s."""
FLUSH_SECONDS: Final = 1.0
_PROBE_SECONDS: Final = 1.0


def bind(host: str, port: int, option: str) -> socket.socket:
    """A bound TCP socket; port 0 takes a free one.

    Raises:
        ConfigError: If the address is taken or not of this machine; `option` is the way out that it names.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        taken = (
            f"a modelspan backend answers there already ({_url(host, port)})"
            if _is_ours(host, port)
            else error.strerror
        )
        raise ConfigError(
            f"port {port} of {host} cannot be used: {taken}; stop what holds it, or use another {option}"
        ) from error
    return bound


def _is_ours(host: str, port: int) -> bool:
    try:
        with urllib.request.urlopen(f"{_url(host, port)}/healthz", timeout=_PROBE_SECONDS) as reply:  # noqa: S310 - http only
            return "uptime_seconds" in json.loads(reply.read(10_000))
    except (OSError, ValueError, TypeError):
        return False


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - what to call, not what to bind
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


class Listener:
    """A WSGI application on a bound socket."""

    def __init__(self, app: Any, bound: socket.socket, threads: int) -> None:
        self._map: dict[int, Any] = {}
        self.url = _url(*bound.getsockname()[:2])
        self._server = create_server(
            app,
            map=self._map,
            sockets=[bound],
            threads=threads,
            max_request_body_size=MAX_BODY
            + 1024**2,  # a little over is refused with a reason, by the receiver
            connection_limit=500,
            recv_bytes=65536,
            ident=None,
            clear_untrusted_proxy_headers=True,
        )
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"modelspan-http-{self.url}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no new connection, finish the requests that are here, then close."""
        # On the server's own thread, the only one that may touch its sockets while it runs.
        self._server.trigger.pull_trigger(lambda: wasyncore.dispatcher.close(self._server))
        self._server.task_dispatcher.shutdown(timeout=CLOSE_SECONDS)
        self._flush()
        self._ending.set()
        self._server.pull_trigger()
        self._thread.join()
        wasyncore.close_all(self._map, ignore_all=True)

    def _serve(self) -> None:
        while not self._ending.is_set():
            wasyncore.loop(timeout=1.0, use_poll=True, map=self._map, count=1)

    def _flush(self) -> None:
        """Wait until the answers have left."""
        deadline = time.monotonic() + FLUSH_SECONDS
        while time.monotonic() < deadline and any(
            channel.total_outbufs_len for channel in list(self._server.active_channels.values())
        ):
            time.sleep(0.01)

"""`modelspan up` as an object: two ports, one writer, one clean end."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask, Response

from modelspan._version import __version__
from modelspan.errors import ConfigError
from modelspan.store.opening import open_store
from modelspan.viewer.api import answer, build_api
from modelspan.viewer.feedback_api import build_feedback
from modelspan.viewer.listener import Listener, bind
from modelspan.viewer.page import build_page
from modelspan.viewer.queries import Queries
from modelspan.viewer.receiver import Counts, Receiver, build_receiver
from modelspan.viewer.retention import Keep
from modelspan.viewer.security import Access, protect
from modelspan.viewer.storage import MAX_WAITING, Writer

if TYPE_CHECKING:
    from pathlib import Path

    from modelspan.store.outcomes import OutcomeStore

_RECEIVER_THREADS = MAX_WAITING + 8
"""More than may wait for the writer: the rest say 503 at once instead of hanging."""
_PAGE_THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendConfig:
    """Settings of a local backend."""

    data: Path
    """Folder of the database; made if it is missing."""
    host: str = "127.0.0.1"
    otlp_port: int = 4318
    """0 takes a free one."""
    port: int = 8050
    """0 takes a free one."""
    store: str = ""
    """postgresql://… of the outcome store; empty: files in `data`."""
    token: str = ""
    """Needed by every request when set; at least 16 characters."""
    keep_days: float = 7.0
    max_bytes: int = 2 * 1024**3

    def __post_init__(self) -> None:
        for name, port in (("port", self.port), ("otlp_port", self.otlp_port)):
            if not 0 <= port <= 65535:
                raise ConfigError(f"{name}={port} is not a port; use 0 to 65535, where 0 takes a free one")
        if not 0 < self.keep_days <= 36_500:
            raise ConfigError(
                f"keep_days={self.keep_days} is not from 0 (exclusive) to 36500; 7 is the default"
            )
        if self.max_bytes < 10_000_000:
            raise ConfigError(f"max_size={self.max_bytes} bytes is too little; use 10MB or more")


class Backend:
    """A running backend: OTLP receiver, page with JSON API, database."""

    def __init__(self, config: BackendConfig) -> None:
        self._config = config
        self._access = Access(host=config.host, token=config.token)
        self._counts = Counts()
        self._started = time.monotonic()
        self._opened = ExitStack()
        self._lock = threading.Lock()
        self._store: OutcomeStore | None = None

    def start(self) -> None:
        """Take the ports, open the database, answer requests.

        Raises:
            ConfigError: If a port or the folder is taken, or the database is not ours.
        """
        try:
            self._open()
        except BaseException:
            self._opened.close()
            raise

    def _open(self) -> None:
        config, opened = self._config, self._opened
        otlp = opened.enter_context(bind(config.host, config.otlp_port, "--otlp-port"))
        page = opened.enter_context(bind(config.host, config.port, "--port"))
        keep = Keep(days=config.keep_days, max_bytes=config.max_bytes)
        self._writer = opened.enter_context(closing(Writer(config.data, keep)))
        self._queries = opened.enter_context(closing(Queries(self._writer.path)))
        opened.callback(self._close_store)
        page_app = self._page_app()
        self._receiver = opened.enter_context(
            closing(Listener(self._receiver_app(), otlp, _RECEIVER_THREADS))
        )
        self._page = opened.enter_context(closing(Listener(page_app, page, _PAGE_THREADS)))

    def close(self) -> None:
        """Answer what is being received, commit it, give the ports back; a second call does nothing."""
        self._opened.close()

    @property
    def otlp_url(self) -> str:
        """What OTEL_EXPORTER_OTLP_ENDPOINT is set to."""
        return self._receiver.url

    @property
    def page_url(self) -> str:
        """Address of the page and of the JSON API."""
        return self._page.url

    @property
    def path(self) -> Path:
        """The database file."""
        return self._writer.path

    def health(self) -> Response:
        """The answer of /healthz."""
        return answer(
            {
                "status": "ok",
                "version": __version__,
                "uptime_seconds": round(time.monotonic() - self._started, 3),
                **self._counts.snapshot(),
                "backlog": self._writer.backlog,
                "database_bytes": _size(self._writer.path),
            }
        )

    def _outcomes(self) -> OutcomeStore:
        """The outcome store, opened when first asked for."""
        with self._lock:
            if self._store is None:
                self._store = open_store(data=self._config.data, url=self._config.store)
            return self._store

    def _close_store(self) -> None:
        with self._lock:
            if self._store is not None:
                self._store.close()

    def _receiver_app(self) -> Flask:
        receiver = self._opened.enter_context(closing(Receiver(self._writer, self._counts)))
        app = build_receiver(receiver, self.health)
        protect(app, self._access)
        return app

    def _page_app(self) -> Flask:
        app = Flask("modelspan.page", static_folder=None)
        protect(app, self._access)
        app.register_blueprint(build_api(self._queries, self.health))
        app.register_blueprint(build_feedback(self._outcomes, self._writer))
        build_page(app, self._queries)
        return app


def _size(path: Path) -> int:
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())

"""The state of this process, and the only place that builds providers and starts the worker.

Nothing runs until the first prediction or `configure()`. A forked child starts anew at its first prediction.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from modelspan import _lifecycle
from modelspan._providers import Exporters, after_fork
from modelspan._runtime import Runtime
from modelspan.config import SAMPLE_ROWS, Config
from modelspan.delivery import loading
from modelspan.errors import ConfigError
from modelspan.guard import fault
from modelspan.pipeline import call as calls
from modelspan.pipeline.queue import OWN_BYTES

if TYPE_CHECKING:
    from modelspan.snapshot import Snapshot

logger = logging.getLogger("modelspan")

END_SECONDS = 1.0
"""Of the time for an exit, left for storing what was not sent and for the interpreter's own end."""

current: Runtime | None = None
"""What runs in this process; read at each call, so a plain global."""
sample_rows = SAMPLE_ROWS

_config: Config | None = None
_off = False
"""No telemetry: shut down, disabled by `OTEL_SDK_DISABLED`, or the start failed."""
_lock = threading.RLock()
_parents: list[Runtime] = []
"""In a forked child: what it inherited; kept, since ending it would end files of the parent."""


def configure(**settings: Any) -> Config:
    """Set up modelspan for this process and start it; optional, and once, at start-up.

    Without it the first prediction starts modelspan with the settings of the environment. Providers that the
    application has set before are used and never replaced; where it has none, ours are registered.

    Args:
        **settings: Fields of `Config`: service_name, service_version, environment, endpoint, headers,
            sentry_dsn, capture_logs, metric_interval_seconds, …

    Returns:
        The settings in force.

    Raises:
        ConfigError: If a setting is wrong, or modelspan already runs with other settings.
    """
    global _config, _off
    config = Config.resolve(os.environ, **settings)
    with _lock:
        if current is not None and current.config != config:
            raise ConfigError(
                "configure() came after modelspan had started with other settings; "
                "call it once at start-up, before the first prediction, or call shutdown() first"
            )
        if current is None:
            _config, _off = config, False
            _build(config)
    return config


def start() -> Runtime | None:
    """Start with the settings at hand; None when modelspan is off. Never raises."""
    global _off
    if _off:
        return None
    with _lock:
        if current is None and not _off:
            try:
                _build(_config or Config.resolve(os.environ))
            except Exception:
                _off = True
                fault("starting; telemetry is off")
        return current


def _build(config: Config, given: Exporters | None = None) -> None:
    global current, sample_rows, _off
    if _disabled():
        _off = True
        return
    loading.load()
    runtime = Runtime(config, given)
    _lifecycle.watch_exit(_at_exit)
    runtime.start()
    sample_rows = config.sample_rows
    calls.decide_sampling = runtime.spans.decide
    current = runtime


def _disabled() -> bool:
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def restart(config: Config, given: Exporters) -> None:
    """For tests: start with given exporters."""
    global _off
    with _lock:
        _off = False
        _build(config, given)


def allow_start() -> None:
    """For tests: let the next prediction start modelspan again after a shutdown."""
    global _off
    _off = False


def prepare() -> None:
    """At decoration: load what delivery needs, and have a termination signal and a server's end flush."""
    if not _disabled():
        with suppress(ConfigError):  # the start will raise it
            loading.load()
    _lifecycle.watch_signals(_at_exit)
    _lifecycle.watch_servers(_at_exit)


def emit(call: calls.Call) -> None:
    """Hand a finished call to the worker."""
    runtime = current
    if runtime is None:
        return
    if call.error is not None:
        runtime.note_failure(call)
    features, output = call.features, call.output
    if (features is not None and features.rows > 1) or (output is not None and output.rows > 1):
        held = _cost(features) + _cost(output)
        call.cost = OWN_BYTES + held if held else 0
    runtime.queue.put(call, call.cost)


def _cost(snapshot: Snapshot | None) -> int:
    """About how many bytes a snapshot of several rows holds."""
    if snapshot is None:
        return 0
    payload = snapshot.payload
    if type(payload) is np.ndarray:
        return payload.nbytes
    if snapshot.kind == "frame":
        return 16 * min(snapshot.rows, sample_rows) * len(snapshot.names)
    if snapshot.kind == "columns":
        return 16 * min(snapshot.rows, sample_rows) * len(payload)
    if snapshot.kind in ("matrix", "records"):
        return 64 * len(payload) * len(payload[0]) if payload else 0
    return 64 * len(payload) if type(payload) in (list, dict) else 64


def flush(timeout: float = 5.0) -> bool:
    """Send all that was recorded before this call.

    Returns:
        True only if the endpoint accepted all of it within `timeout` seconds.
    """
    _check_timeout(timeout)
    runtime = current
    return runtime.flush(time.monotonic() + timeout) if runtime is not None else True


def shutdown(timeout: float = 5.0) -> bool:
    """Send what waits, all signals together within `timeout` seconds, and stop.

    Later predictions go unobserved, until `configure()` is called again.

    Returns:
        True only if nothing was lost.
    """
    global current, _off
    _check_timeout(timeout)
    with _lock:
        runtime, current, _off = current, None, True
    return runtime.close(time.monotonic() + timeout) if runtime is not None else True


def _check_timeout(timeout: float) -> None:
    if not isinstance(timeout, (int, float)) or not 0 <= timeout <= 3600:
        raise ConfigError(f"timeout={timeout!r:.60} must be a number of seconds from 0 to 3600")


def _at_exit() -> None:
    runtime = current
    if runtime is not None:
        seconds = runtime.config.exit_timeout_seconds
        shutdown(max(seconds - END_SECONDS, seconds / 2))


def _forget() -> None:
    """In a forked child: nothing of the parent's runs here; the first prediction starts anew."""
    global current, _off, _lock
    _off = _off and current is None
    if current is not None:
        _parents.append(current)
    current, _lock = None, threading.RLock()
    calls.active.clear()
    after_fork()


def _before_fork() -> None:
    if current is not None:
        current.pause()


def _after_fork() -> None:
    if current is not None:
        current.resume()


_lifecycle.watch_fork(before=_before_fork, parent=_after_fork, child=_forget)

"""The demo itself: train, start the backend, serve a compressed day, say what was found."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import modelspan
from modelspan.config import data_folder
from modelspan.demo import scoring
from modelspan.demo.backend import Backend, local_backend
from modelspan.demo.display import Running, Tally
from modelspan.demo.findings import alarms, delivery, summary, wait_for_arrival
from modelspan.demo.traffic import Traffic, planned_rows
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.console import Console

LOG_FEATURES = ("credit_amount", "purpose", "duration_months", "checking_account")
SEGMENTS = ("purpose",)
WINDOW = 400
"""Rows of a drift window: small, so that a day of 20 s holds several on each side of the change."""
ROOM = 100
"""Rows that chance may leave the traffic behind its plan before calls grow."""
SEGMENTS = ("housing",)
WINDOWS = 20
"""Windows of performance in the day."""
MIN_SECONDS = 5.0
_STAY_PAUSE = 0.5
_POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSettings:
    """What `modelspan demo` was told.

    Raises:
        ConfigError: If the length of the day, a port or the seed is out of range.
    """

    seconds: float = 60.0
    stay: bool = True
    """Go on with a trickle of traffic until Ctrl-C."""
    port: int = 8050
    otlp_port: int = 4318
    data: Path | None = None
    seed: int = 1
    endpoint: str = ""
    """OTLP address to use in place of our own backend."""

    def __post_init__(self) -> None:
        if not MIN_SECONDS <= self.seconds <= 86_400:
            raise ConfigError(
                f"seconds={self.seconds:g} is no length for the day; choose from {MIN_SECONDS:g} to 86400"
            )
        for name, number in (("port", self.port), ("otlp_port", self.otlp_port)):
            if not 0 <= number <= 65535:
                raise ConfigError(f"{name}={number} is not a port; use 0 to 65535, where 0 takes a free one")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed={self.seed} is out of range; choose from 0 to {2**32 - 1}")


def run(settings: DemoSettings, console: Console) -> None:
    """Serve the day, then stay until Ctrl-C when asked to.

    Raises:
        BackendError: If `modelspan up` does not start, for example because a port is taken.
    """
    with _backend(settings) as backend:
        console.print(
            f"Page: {backend.page or f'none of ours; the telemetry goes to {backend.endpoint}'}",
            highlight=False,
        )
        day = _prepare(settings, backend, console)
        try:
            _serve(day, console)
            day.tally.ended = time.monotonic()
            modelspan.flush(timeout=5)
            wait_for_arrival(backend, day.tally)
            console.print(summary(backend, day.tally, delivery()))
            if settings.stay:
                _stay(day, console)
        finally:
            modelspan.shutdown(timeout=5)


@contextmanager
def _backend(settings: DemoSettings) -> Iterator[Backend]:
    if settings.endpoint:
        yield Backend(endpoint=settings.endpoint)
        return
    with local_backend(port=settings.port, otlp_port=settings.otlp_port, data=settings.data) as backend:
        yield backend


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Everything that serving the day needs."""

    predict: Callable[[Any], Any]
    traffic: Traffic
    tally: Tally
    backend: Backend


def _prepare(settings: DemoSettings, backend: Backend, console: Console) -> Day:
    halves = scoring.split(scoring.load(), settings.seed)
    pipeline = scoring.train(halves.train)
    console.print(
        f"Model: {scoring.MODEL} {scoring.VERSION}, AUC {scoring.auc(pipeline, halves.held_out):.3f} "
        f"on {len(halves.held_out)} held-out German credits",
        highlight=False,
    )
    modelspan.configure(
        service_name=scoring.SERVICE,
        service_version=scoring.VERSION,
        environment="demo",
        endpoint=backend.endpoint,
        metric_interval_seconds=1.0,
        performance_window_seconds=max(1.0, settings.seconds / WINDOWS),
        capture_logs="WARNING",
        data=_data(settings),
    )
    monitored = modelspan.monitor(
        model=scoring.MODEL,
        version=scoring.VERSION,
        task="binary",
        classes=scoring.CLASSES,
        reference=scoring.reference(pipeline, halves.held_out),
        log_features=LOG_FEATURES,
        drift_window=WINDOW,
        segments=SEGMENTS,
    )
    service = scoring.CreditService(pipeline, seed=settings.seed)
    return Day(
        predict=monitored(service.predict_proba),
        traffic=Traffic(halves.held_out, seed=settings.seed),
        tally=Tally(day_seconds=settings.seconds),
        backend=backend,
    )


def _data(settings: DemoSettings) -> str:
    """Folder of the outcome store: the one of our backend, so that its page and its API know it too."""
    if settings.data is None and settings.endpoint:
        return os.environ.get("MODELSPAN_DATA", "")
    return str(settings.data or os.environ.get("MODELSPAN_DATA") or data_folder(os.environ))


def _serve(day: Day, console: Console) -> None:
    start = arrival = day.tally.started
    with _watched(day) as seen, Running(console) as running:
        while (progress := (time.monotonic() - start) / day.tally.day_seconds) < 1:
            _call(day, progress)
            running.show(progress, day.tally.line(seen[-1]))
            arrival += day.traffic.wait(progress)
            now = time.monotonic()
            arrival = max(arrival, now - 1.0)  # behind by more than a second: forget it, do not burst
            time.sleep(max(0.0, arrival - now))


def _call(day: Day, progress: float) -> None:
    behind = planned_rows(progress, day.tally.day_seconds) - day.tally.predictions - ROOM
    request = day.traffic.request(progress, behind)
    try:
        day.predict(request.frame)
    except ValueError:
        day.tally.errors += 1
        day.tally.failing_trace = _last_id().partition("-")[0]
    else:
        day.traffic.answered(request, _last_id(), progress)
    day.tally.calls += 1
    day.tally.predictions += len(request.frame)
    for outcome in day.traffic.due(progress):
        modelspan.feedback(outcome.prediction_id, outcome=outcome.label, row=outcome.row)
        day.tally.outcomes += 1


def _last_id() -> str:
    prediction = modelspan.current_prediction()
    return prediction.id if prediction else ""


def _stay(day: Day, console: Console) -> None:
    console.print(f"A trickle of traffic goes on; Ctrl-C ends it. {day.backend.page}", highlight=False)
    while True:
        _call(day, progress=1.0)
        time.sleep(_STAY_PAUSE)


@contextmanager
def _watched(day: Day) -> Iterator[list[int | None]]:
    """How many alarms the backend has, asked once a second from a thread of its own."""
    counts: list[int | None] = [None]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_POLL_SECONDS):
            found = alarms(day.backend, day.tally.started_at)
            counts.append(None if found is None else len(found))

    thread = threading.Thread(target=watch, name="demo-alarms", daemon=True)
    thread.start()
    try:
        yield counts
    finally:
        over.set()
        thread.join(timeout=10)

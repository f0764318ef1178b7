"""Send one record of a signal through its real exporter, and watch what the far end says."""

from __future__ import annotations

import os
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from modelspan import semconv
from modelspan.delivery import logs
from modelspan.delivery.accounting import Ledger
from modelspan.delivery.exporters import exporter_factory
from modelspan.delivery.outbox import Outbox
from modelspan.doctor.advice import about_silence, about_status
from modelspan.doctor.checks import Check
from modelspan.doctor.listening import Heard
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelspan.config import Config

MAX_SKEW_SECONDS = 10.0
_SEND_SECONDS = 15.0
_RESOURCE = Resource.create({"service.name": "modelspan-doctor"})


def send_one(signal: str, config: Config, env: Mapping[str, str]) -> tuple[Check, list[float]]:
    """Send one record, inside `listening()`; also the clock differences seen, seconds of theirs less ours."""
    name = f"{signal} delivery"
    try:
        factory = exporter_factory("spans" if signal == "traces" else signal, config, env)  # type: ignore[arg-type]  # SIGNALS
    except ConfigError as error:
        return Check(name=name, state="failed", found=str(error), todo="correct that variable"), []
    if factory is None:
        return Check(name=name, state="failed", found="switched off", todo="unset OTEL_..._EXPORTER=none"), []
    heard = Heard()
    heard.listen()
    accepted = _SENDERS[signal](heard.of(factory))
    skews = [skew for response, at in heard.answers if (skew := _skew(response, at)) is not None]
    last = heard.answers[-1][0] if heard.answers else None
    said = "; ".join(dict.fromkeys(heard.failures or heard.logged.values()))
    return _judge(name, signal, last, said, accepted=accepted), skews


def clock_skew(skews: list[float]) -> Check:
    """Compare our clock with the receivers' Date headers, which have whole seconds."""
    if not skews:
        return Check(name="clock", state="note", found="not compared: no answer carried a Date header")
    worst = max(skews, key=abs)
    if abs(worst) > MAX_SKEW_SECONDS:
        todo = "synchronise the clocks (NTP): spans would be shown at the wrong time or refused"
        return Check(name="clock", state="failed", found=f"{worst:+.0f} s against the receiver", todo=todo)
    return Check(name="clock", state="ok", found=f"within {max(1.0, abs(worst)):.0f} s of the receiver")


def _judge(name: str, signal: str, response: Any, said: str, *, accepted: bool) -> Check:
    if response is None:
        return _judge_without_answer(name, said, accepted=accepted)
    status = response.status_code
    found = (
        f"{status} {response.reason} from {response.request.method} /{response.request.path_url.lstrip('/')}"
    )
    if 300 <= status < 400:
        where = response.headers.get("Location", "an unnamed place")
        return Check(
            name=name, state="failed", found=f"{found}, redirected to {where}", todo=about_status(status, "")
        )
    if not accepted:
        todo = about_status(status, response.text)
        return Check(name=name, state="failed", found=f"{found} {response.text[:200]}".strip(), todo=todo)
    if refusal := _partial(signal, response):
        todo = "the receiver took the request and refused the record: its message says why"
        return Check(name=name, state="failed", found=f"{found}, but {refusal}", todo=todo)
    return Check(name=name, state="ok", found=f"{found}, accepted in full")


def _judge_without_answer(name: str, said: str, *, accepted: bool) -> Check:
    if accepted:
        return Check(name=name, state="ok", found="accepted")
    return Check(
        name=name, state="failed", found=said[:400] or "no answer", todo=about_silence(said, os.environ)
    )


def _partial(signal: str, response: Any) -> str:
    """What a 200 refused all the same, from its protobuf body; empty when nothing."""
    kind: Any = {
        "traces": ExportTraceServiceResponse,
        "logs": ExportLogsServiceResponse,
        "metrics": ExportMetricsServiceResponse,
    }[signal]
    if "protobuf" not in response.headers.get("Content-Type", ""):
        return f"the answer is {response.headers.get('Content-Type', 'of no type')}, not OTLP"
    partial = kind.FromString(response.content).partial_success
    refused = sum(value for field, value in partial.ListFields() if field.name.startswith("rejected"))
    return f"{refused} refused: {partial.error_message}" if refused else ""


def _send_span(factory: Callable[[], Any]) -> bool:
    provider = TracerProvider(resource=_RESOURCE, shutdown_on_exit=False)
    span = provider.get_tracer(semconv.SCOPE).start_span("modelspan doctor")
    span.end()
    return _send(factory, [span])


def _send_log(factory: Callable[[], Any]) -> bool:
    ledger = Ledger()
    outbox = Outbox("logs", factory, ledger)
    provider = logs.OwnLoggerProvider(_RESOURCE)
    logs.attach(provider, outbox)
    logs.emitter(provider)(logs.LogEvent(event="", body="modelspan doctor"))
    outbox.flush(time.monotonic() + _SEND_SECONDS)
    outbox.close(time.monotonic() + 1)
    return ledger.delivered["logs"] == 1


def _send_metric(factory: Callable[[], Any]) -> bool:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], resource=_RESOURCE, shutdown_on_exit=False)
    errors = semconv.ERRORS
    provider.get_meter(semconv.SCOPE).create_counter(errors.name, errors.unit, errors.description).add(0)
    accepted = _send(factory, reader.get_metrics_data())
    provider.shutdown()
    return accepted


def _send(factory: Callable[[], Any], batch: Any) -> bool:
    exporter = factory()
    try:
        return exporter.export(batch).name == "SUCCESS"  # type: ignore[no-any-return]  # any exporter's enum
    finally:
        exporter.shutdown()


_SENDERS = {"traces": _send_span, "logs": _send_log, "metrics": _send_metric}


def _skew(response: Any, at: float) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["Date"]).timestamp() - at
    except (KeyError, ValueError):
        return None

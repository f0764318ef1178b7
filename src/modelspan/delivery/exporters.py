"""Which exporter a signal gets: OTLP over HTTP or gRPC, the console, or none, as `OTEL_*` says."""

from __future__ import annotations

import importlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelspan.config import Config

Signal = Literal["spans", "logs", "metrics"]
SIGNALS: Final[tuple[Signal, ...]] = ("spans", "logs", "metrics")

_VARIABLE: Final = {"spans": "TRACES", "logs": "LOGS", "metrics": "METRICS"}
_PATH: Final = {"spans": "v1/traces", "logs": "v1/logs", "metrics": "v1/metrics"}
_HTTP: Final = "opentelemetry.exporter.otlp.proto.http"
_GRPC: Final = "opentelemetry.exporter.otlp.proto.grpc"
_CLASSES: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    ("http/protobuf", "spans"): (f"{_HTTP}.trace_exporter", "OTLPSpanExporter"),
    ("http/protobuf", "logs"): (f"{_HTTP}._log_exporter", "OTLPLogExporter"),
    ("http/protobuf", "metrics"): (f"{_HTTP}.metric_exporter", "OTLPMetricExporter"),
    ("grpc", "spans"): (f"{_GRPC}.trace_exporter", "OTLPSpanExporter"),
    ("grpc", "logs"): (f"{_GRPC}._log_exporter", "OTLPLogExporter"),
    ("grpc", "metrics"): (f"{_GRPC}.metric_exporter", "OTLPMetricExporter"),
    ("console", "spans"): ("opentelemetry.sdk.trace.export", "ConsoleSpanExporter"),
    ("console", "logs"): ("opentelemetry.sdk._logs.export", "ConsoleLogRecordExporter"),
    ("console", "metrics"): ("opentelemetry.sdk.metrics.export", "ConsoleMetricExporter"),
}


def exporter_factory(
    signal: Signal, config: Config, env: Mapping[str, str] = os.environ
) -> Callable[[], Any] | None:
    """A function that makes the exporter of `signal`, or None when `OTEL_<SIGNAL>_EXPORTER=none`.

    Raises:
        ConfigError: If an `OTEL_*` variable names an exporter or protocol that does not exist.
    """
    kind = exporter_kind(signal, env)
    if kind == "none":
        return None
    module, name = _CLASSES[kind, signal]
    arguments = {} if kind == "console" else _arguments(signal, kind, config)
    return partial(_make, module, name, arguments)


def exporter_module(signal: Signal, kind: str) -> str:
    """Where the exporter of a signal is; `kind` is not `none`."""
    return _CLASSES[kind, signal][0]


def _make(module: str, name: str, arguments: dict[str, Any]) -> Any:
    return getattr(importlib.import_module(module), name)(**arguments)


def exporter_kind(signal: Signal, env: Mapping[str, str] = os.environ) -> str:
    """`http/protobuf`, which is ours to send, or `grpc`, `console` or `none`.

    Raises:
        ConfigError: If a variable names an exporter or protocol that does not exist.
    """
    variable = f"OTEL_{_VARIABLE[signal]}_EXPORTER"
    choice = env.get(variable) or "otlp"
    if choice in ("none", "console"):
        return choice
    if choice != "otlp":
        raise ConfigError(f"{variable}={choice!r} is not known here; set otlp, console or none")
    per_signal = f"OTEL_EXPORTER_OTLP_{_VARIABLE[signal]}_PROTOCOL"
    for name in (per_signal, "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = env.get(name)
        if protocol and (protocol, signal) not in _CLASSES:
            raise ConfigError(f"{name}={protocol!r} is not a protocol; set http/protobuf or grpc")
        if protocol:
            return protocol
    return "http/protobuf"


def _arguments(signal: Signal, kind: str, config: Config) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if config.endpoint:
        base = config.endpoint.rstrip("/")
        arguments["endpoint"] = base if kind == "grpc" else f"{base}/{_PATH[signal]}"
    if config.headers:
        arguments["headers"] = dict(config.headers)
    return arguments

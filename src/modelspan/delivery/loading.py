"""Importing what the threads of delivery need, before they run.

A fork copies the lock of a module that another thread is importing, and nobody releases the copy: whoever
needs that module in the child waits for ever. Beside busy threads an import takes seconds, too long to wait
for. So nothing is left for our threads to import.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Final

from modelspan.delivery.exporters import SIGNALS, exporter_kind, exporter_module

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelspan.delivery.exporters import Signal

_NATIVE: Final = (
    "modelspan.delivery.http",
    "modelspan.delivery.metric_post",
    "modelspan.delivery.otlp.sdk",
    "opentelemetry.exporter.otlp.proto.common._log_encoder",
)
_GRPC: Final = ("grpc.experimental",)
"""What its exporters import when they are made."""


def load(env: Mapping[str, str] = os.environ) -> None:
    """Import the modules of the ways out that `OTEL_*` names; 25 ms where it is our own.

    Raises:
        ConfigError: If a variable names an exporter or protocol that does not exist.
    """
    for signal in SIGNALS:
        kind = exporter_kind(signal, env)
        for module in _modules(signal, kind) if kind != "none" else ():
            importlib.import_module(module)


def _modules(signal: Signal, kind: str) -> tuple[str, ...]:
    if kind == "http/protobuf":
        return _NATIVE
    return (exporter_module(signal, kind), *(_GRPC if kind == "grpc" else ()))

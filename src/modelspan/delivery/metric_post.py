"""Metrics by OTLP/HTTP: one collection at a time, each a full account, so none has to wait in a queue."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData

from modelspan.delivery.http import Post
from modelspan.delivery.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelspan.delivery.endpoint import Endpoint

PAUSE_SECONDS: Final = 0.5


class MetricPost(MetricExporter):
    """Posts collections; tries again until the timeout, for the next collection brings newer sums anyway."""

    def __init__(self, endpoint: Endpoint, *, patient: bool = True) -> None:
        """At the end one who is not `patient` waits for no endpoint that takes nothing just then."""
        super().__init__()
        self._patient = patient
        self._post = Post(endpoint)
        self._stop = threading.Event()
        self._ever_accepted = False
        self.reason = ""
        """Why the last export failed; empty when it did not."""

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any
    ) -> MetricExportResult:
        """Send one collection."""
        body = encode(metrics_data)
        until = time.monotonic() + min(timeout_millis / 1000, self._post.endpoint.timeout_seconds)
        pause = PAUSE_SECONDS
        while (left := until - time.monotonic()) > 0:
            verdict = judge(self._post.send([body], left))
            self.reason = verdict.reason
            if verdict.accepted and not verdict.rejected:
                self.reason, self._ever_accepted = "", True
                return MetricExportResult.SUCCESS
            if verdict.accepted or verdict.refused or self._stop.wait(min(left, max(pause, verdict.wait))):
                break
            pause *= 2
        return MetricExportResult.FAILURE

    def end(self) -> None:
        """The process ends: an endpoint that never took anything gets one last attempt, without a pause."""
        if not (self._ever_accepted and self._patient):
            self._stop.set()

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing waits here."""
        del timeout_millis
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Break off what is being sent."""
        del timeout_millis
        self._stop.set()
        self._post.abort()


def encode(data: MetricsData) -> bytes:
    """The request; when a value cannot be encoded, a request of the other metrics."""
    try:
        encoded: bytes = encode_metrics(data).SerializeToString()
    except Exception:  # whatever protobuf raises for a value, for example a sum of 2**63
        return b"".join(_encodable(data))
    return encoded


def _encodable(data: MetricsData) -> Iterable[bytes]:
    for alone in _alone(data):
        try:
            yield encode_metrics(alone).SerializeToString()
        except Exception:  # noqa: S112 - the one metric that cannot be sent; the others are all here
            continue


def _alone(data: MetricsData) -> Iterable[MetricsData]:
    """Each metric as a collection of its own; joined requests are one request."""
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                one = dataclasses.replace(scope, metrics=[metric])
                yield MetricsData([dataclasses.replace(resource, scope_metrics=[one])])

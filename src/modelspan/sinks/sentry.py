"""Exceptions to Sentry, each once, under the trace id of the prediction."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

import sentry_sdk
from sentry_sdk.scope import Scope, add_global_event_processor
from sentry_sdk.utils import event_from_exception

from modelspan import redaction, semconv
from modelspan.guard import guard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelspan.config import Config
    from modelspan.pipeline.block import Block
    from modelspan.pipeline.call import Call
    from modelspan.prediction import Failure, Prediction

REMEMBER_SECONDS: Final = 5.0
"""How long after ours an event of a framework integration about the same exception is taken for a double."""
_OURS: Final = "modelspan"


class SentrySink:
    """Sends what `predict` raised, unless the application's own Sentry has reported the same exception.

    With an application that has called `sentry_sdk.init`, its client is used, and an event about an exception
    that one of its integrations captures gets our tags and trace id. Else a client of our own is used; it has
    no integrations and sends no local variables, since those of a predict function are its features.
    """

    def __init__(self, config: Config) -> None:
        active = sentry_sdk.get_client()
        self._shared = active.is_active()
        self._client: Any = active if self._shared else _own_client(config)
        self._pending: dict[int, Call] = {}
        self._reported: dict[int, float] = {}
        if self._shared:
            add_global_event_processor(self._enrich)

    def note(self, call: Call) -> None:
        """Remember a failing call until the worker comes to it; runs on the caller's thread."""
        if self._shared:
            self._pending[id(call.error)] = call

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """Send the exceptions that nobody has reported."""
        for prediction in predictions:
            failure = prediction.failure
            if failure is not None and not failure.cancelled and failure.exception is not None:
                with guard("reporting to Sentry"):
                    self._report(prediction, failure, failure.exception)

    def take_block(self, block: Block) -> None:
        """Nothing: no call of a block has failed."""

    def close(self, seconds: float) -> None:
        """Send what waits within `seconds`; an application's client stays open."""
        with guard("closing Sentry"):
            self._client.flush(timeout=max(0.0, seconds))
            if not self._shared:
                self._client.close(timeout=0)

    def _report(self, prediction: Prediction, failure: Failure, error: BaseException) -> None:
        key = id(error)
        already = self._shared and self._pending.pop(key, None) is None
        if already:
            return
        self._reported[key] = time.monotonic()
        event, hint = event_from_exception(
            error, client_options=self._client.options, mechanism={"type": _OURS, "handled": False}
        )
        hint[_OURS] = True
        for value in event.get("exception", {}).get("values", ()):
            value["value"] = redaction.active.text(str(value.get("value") or ""))
        _describe(
            event, prediction.model.name, prediction.model.version, prediction.trace_id, prediction.span_id
        )
        event["tags"][semconv.ERROR_TYPE] = failure.type
        if not self._client.options.get("release"):
            event["release"] = f"{prediction.model.name}@{prediction.model.version}"
        self._client.capture_event(event, hint, scope=Scope())

    def _enrich(self, event: Any, hint: Any) -> Any:
        """Mark an event of the application as the prediction's, or drop it if ours has gone."""
        error = (hint.get("exc_info") or (None, None, None))[1]
        if error is None or hint.get(_OURS):
            return event
        call = self._pending.get(id(error))
        if call is not None and call.error is error:
            self._pending.pop(id(error), None)
            ids = call.get_span_context()
            model = call.target.model
            _describe(event, model.name, model.version, ids.trace_id, ids.span_id)
        return None if self._just_reported(id(error)) else event

    def _just_reported(self, key: int) -> bool:
        now = time.monotonic()
        self._reported = {k: t for k, t in self._reported.items() if now - t < REMEMBER_SECONDS}
        return key in self._reported


def _own_client(config: Config) -> sentry_sdk.Client:
    # never None: Sentry would run git to find a release; with "" the event names the model's version instead
    release = os.environ.get("SENTRY_RELEASE", "")
    if config.service_version:
        release = f"{config.service_name or 'modelspan'}@{config.service_version}"
    return sentry_sdk.Client(
        dsn=config.sentry_dsn,
        release=release,
        environment=config.environment or None,
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        auto_session_tracking=False,
    )


def _describe(event: Any, model: str, version: str, trace_id: int, span_id: int) -> None:
    tags = event.setdefault("tags", {})
    tags[semconv.MODEL_NAME] = model
    if version:
        tags[semconv.MODEL_VERSION] = version
    trace = {"trace_id": f"{trace_id:032x}", "span_id": f"{span_id:016x}"}
    event.setdefault("contexts", {})["trace"] = trace


def wanted(config: Config) -> bool:
    """Whether exceptions go to Sentry: a DSN is configured, or the application has set up a client."""
    return bool(config.sentry_dsn) or sentry_sdk.get_client().is_active()

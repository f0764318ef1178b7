"""Exceptions to Rollbar, each once, with the ids of the prediction."""

from __future__ import annotations

import contextlib
import json
import logging
import platform
import queue
import threading
import time
import traceback
import uuid
from typing import TYPE_CHECKING, Any, Final

import rollbar
from rollbar.lib import events, transport

from modelspan import semconv
from modelspan._version import __version__
from modelspan.guard import guard
from modelspan.sinks.attributes import outcome_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.config import Config
    from modelspan.pipeline.block import Block
    from modelspan.pipeline.call import Call
    from modelspan.prediction import Failure, Prediction

logger = logging.getLogger("modelspan")

MAX_WAITING: Final = 100
"""Items that wait for being sent; more are dropped, and their log records are still sent by OTLP."""
MAX_FRAMES: Final = 100
MAX_PENDING: Final = 1000
REMEMBER_SECONDS: Final = 5.0
"""How long after ours a report of the application about the same exception is taken for a double."""
TIMEOUT: Final = (5.0, 10.0)
_TOKEN_HEADER: Final = "X-Rollbar-Access-Token"  # noqa: S105 - the name of a header


class RollbarSink:
    """Sends what `predict` raised by the item API, unless the application's own Rollbar has reported it.

    Rollbar's package has one configuration in a process, which is the application's: `rollbar.init` is never
    called here. Its transport is used, and event handlers, which let our ids join the application's report.
    No local variables are sent, since those of a predict function are its features.

    Source: https://docs.rollbar.com/reference/create-item
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._waiting: queue.Queue[bytes | None] = queue.Queue(MAX_WAITING)
        self._pending: dict[int, Call] = {}
        self._ours: dict[int, float] = {}
        self._theirs: dict[int, float] = {}
        self._tagging = threading.local()
        self._thread: threading.Thread | None = None
        self._given_up = False
        self._said = ""

    def note(self, call: Call) -> None:
        """Remember a failing call until the worker comes to it; runs on the caller's thread."""
        if rollbar.SETTINGS.get("access_token"):
            # again each time, for a later `rollbar.init` forgets handlers
            events.add_exception_info_handler(self._on_report)
            events.add_payload_handler(self._on_payload)
            self._pending[id(call.error)] = call
            if len(self._pending) > MAX_PENDING:  # calls that the queue had no room for
                self._pending.pop(next(iter(self._pending)), None)

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """Queue the exceptions that nobody has reported."""
        for prediction in predictions:
            failure = prediction.failure
            if failure is None or failure.exception is None:
                continue
            with guard("reporting to Rollbar"):
                self._pending.pop(id(failure.exception), None)
                reported = self._theirs.pop(id(failure.exception), None)
                if reported is None and not failure.cancelled:
                    self._report(prediction, failure, failure.exception)

    def take_block(self, block: Block) -> None:
        """Nothing: no call of a block has failed."""

    def close(self, seconds: float) -> None:
        """Send what waits within `seconds`; say how many could not be."""
        events.remove_exception_info_handler(self._on_report)
        events.remove_payload_handler(self._on_payload)
        if self._thread is None:
            return
        deadline = time.monotonic() + seconds
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=max(0.001, seconds))
        self._thread.join(max(0.0, deadline - time.monotonic()))
        self._given_up = True
        if self._thread.is_alive():
            logger.warning("modelspan could not send %d errors to Rollbar", max(1, self._waiting.qsize()))

    def _report(self, prediction: Prediction, failure: Failure, error: BaseException) -> None:
        self._ours[id(error)] = time.monotonic()
        payload = {"data": self._item(prediction, failure, error)}
        try:
            self._waiting.put_nowait(json.dumps(payload).encode())
        except queue.Full:
            self._say("more than 100 are waiting")
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="modelspan-rollbar", daemon=True)
            self._thread.start()

    def _item(self, prediction: Prediction, failure: Failure, error: BaseException) -> dict[str, Any]:
        model, config = prediction.model, self._config
        frames = [
            {"filename": f.filename, "lineno": f.lineno, "method": f.name, "code": f.line or ""}
            for f in traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
        ]
        return {
            "environment": (config.environment or "production")[:255],
            "body": {
                "trace": {"frames": frames, "exception": {"class": failure.type, "message": failure.message}}
            },
            "level": "error",
            "timestamp": int(time.time()),
            "code_version": (config.service_version or f"{model.name}@{model.version}")[:40],
            "platform": platform.system().lower(),
            "language": "python",
            "context": semconv.span_name(model.operation, model.name)[:255],
            "server": {"host": platform.node()},
            "custom": {
                **outcome_attributes(model, failure.type),
                **_ids(prediction.trace_id, prediction.span_id),
            },
            "uuid": str(uuid.uuid4()),
            "notifier": {"name": "modelspan", "version": __version__},
        }

    def _run(self) -> None:
        while not self._given_up and (body := self._waiting.get()) is not None:
            with guard("sending to Rollbar"):
                self._say(self._post(body))

    def _post(self, body: bytes) -> str:
        """Why it was not accepted; empty if it was."""
        settings: Mapping[str, Any] = rollbar.SETTINGS
        address = self._config.rollbar_endpoint or settings["endpoint"]
        try:
            answer = transport.post(
                address.rstrip("/") + "/item/", data=body, timeout=TIMEOUT, allow_redirects=False,
                headers={"Content-Type": "application/json", _TOKEN_HEADER: self._config.rollbar_token},
                verify=settings.get("verify_https", True), proxy=settings.get("http_proxy"),
                proxy_user=settings.get("http_proxy_user"),
                proxy_password=settings.get("http_proxy_password"),
            )  # fmt: skip
        except OSError as unreachable:
            return type(unreachable).__name__
        if answer.status_code == 200:
            return ""
        way_out = "; check rollbar_token" if answer.status_code in (401, 403) else ""
        return f"HTTP {answer.status_code}{way_out}"

    def _say(self, reason: str) -> None:
        """One line when delivery stops and one when it works again."""
        if reason and not self._said:
            logger.warning(
                "modelspan cannot deliver errors to Rollbar: %s. Predictions are unaffected", reason
            )
        if self._said and not reason:
            logger.warning("modelspan delivers errors to Rollbar again")
        self._said = reason

    def _on_report(self, exc_info: Any, **_: Any) -> Any:
        """The application reports an exception: False drops it because ours has gone."""
        now = time.monotonic()
        self._ours = {k: t for k, t in self._ours.items() if now - t < REMEMBER_SECONDS}
        self._theirs = {k: t for k, t in self._theirs.items() if now - t < 10 * REMEMBER_SECONDS}
        key = id(exc_info[1])
        self._tagging.call = self._pending.pop(key, None)
        if self._tagging.call is not None:
            self._theirs[key] = now
        return False if key in self._ours else exc_info

    def _on_payload(self, payload: Any, **_: Any) -> Any:
        """The report that follows on the same thread gets our attributes."""
        call, self._tagging.call = getattr(self._tagging, "call", None), None
        if call is not None:
            ids = call.get_span_context()
            ours = {**outcome_attributes(call.target.model, ""), **_ids(ids.trace_id, ids.span_id)}
            payload["data"]["custom"] = {**(payload["data"].get("custom") or {}), **ours}
        return payload


def _ids(trace_id: int, span_id: int) -> dict[str, str]:
    return {"trace_id": f"{trace_id:032x}", "span_id": f"{span_id:016x}"}

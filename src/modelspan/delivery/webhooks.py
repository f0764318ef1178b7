"""Alarms by webhook, signed as Standard Webhooks 1.0.0 says, from a store that outlives the process."""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import urllib3

from modelspan.delivery.addresses import guarded_pool, is_loopback, is_public
from modelspan.guard import guard
from modelspan.signing import decode_secret, sign

if TYPE_CHECKING:
    from modelspan.store.webhooks import Webhook, WebhookStore

logger = logging.getLogger("modelspan")

TIMEOUT: Final = urllib3.Timeout(connect=5.0, read=10.0)
POLL_SECONDS: Final = 5.0
_OK: Final = range(200, 300)
_GONE: Final = 410


class WebhookSender:
    """Delivers what the store holds, from a thread of its own; a message leaves the store when it was taken.

    2xx is a delivery; 410 Gone too, for the receiver wants no more of it. Anything else, a redirect among it,
    is tried again, after `Retry-After` at least, for a day.
    """

    def __init__(self, store: WebhookStore, url: str, secret: str, *, private: bool = False) -> None:
        """Deliver to `url`; `private` allows addresses that are not of the public internet."""
        self.store, self.busy = store, store.busy
        self._url = url
        self._key = decode_secret(secret) if secret else b""
        local = is_loopback if url.startswith("http:") else is_public
        self._pool = guarded_pool((lambda _address: True) if private else local)
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="modelspan-webhooks", daemon=True)
        self._thread.start()

    def send(self, kind: str, data: dict[str, Any]) -> None:
        """Commit one message to the store; the thread delivers it."""
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        message = {"type": kind, "timestamp": now, "data": data}
        self.store.add(json.dumps(message, ensure_ascii=False, allow_nan=False).encode())
        self._wake.set()

    def close(self, seconds: float) -> None:
        """Try once more what is due, within `seconds`; the rest stays in the store."""
        self._stop.set()
        self._wake.set()
        self._thread.join(max(0.0, seconds))
        if not self._thread.is_alive():
            self.store.close()

    def _run(self) -> None:
        while True:
            with guard("delivering webhooks"):
                self._deliver_due()
            if self._stop.is_set():
                return
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()

    def _deliver_due(self) -> None:
        while (webhook := self.store.take()) is not None:
            wait = self._post(webhook)
            if wait is None:
                self.store.settle(webhook)
            elif not self.store.retry(webhook, wait):
                logger.warning("modelspan gave up webhook %s after %d attempts", webhook.id, webhook.attempts)

    def _post(self, webhook: Webhook) -> float | None:
        """None when the receiver took it, else the seconds that it asked to wait."""
        now = int(time.time())
        headers = {
            "content-type": "application/json",
            "user-agent": "modelspan",
            "webhook-id": webhook.id,
            "webhook-timestamp": str(now),
        }
        if self._key:
            headers["webhook-signature"] = sign(self._key, webhook.id, now, webhook.body)
        try:
            answer = self._pool.request(
                "POST", self._url, body=webhook.body, headers=headers, timeout=TIMEOUT,
                redirect=False, preload_content=False,
            )  # fmt: skip
        except urllib3.exceptions.HTTPError:
            return 0.0
        answer.close()  # its body is of no use, and may be endless
        if answer.status in _OK or answer.status == _GONE:
            return None
        return _seconds(answer.headers.get("retry-after", ""))


def _seconds(retry_after: str) -> float:
    """Seconds in a `Retry-After` header, at most an hour; 0 for a date or junk."""
    return min(3600.0, float(retry_after)) if retry_after.isascii() and retry_after.isdigit() else 0.0

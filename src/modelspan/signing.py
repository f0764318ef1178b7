"""Signatures of Standard Webhooks 1.0.0.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "whsec_"
_HEADERS: Final = ("id", "timestamp", "signature")
_MOST_SIGNATURES: Final = 10


def sign(secret: bytes, identifier: str, timestamp: int, body: bytes) -> str:
    """The value of the header `webhook-signature`: HMAC-SHA256 of id, time and body."""
    content = b".".join((identifier.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()


class Verifier:
    """For the receiver of webhooks: tells a message of ours from a forged, old or repeated one.

    Args:
        secrets: `whsec_` secrets, several while one replaces another.
        tolerance_seconds: How far the time of a message may be from this machine's.

    Raises:
        ValueError: If a secret is none.
    """

    def __init__(self, *secrets: str, tolerance_seconds: float = 300.0) -> None:
        if not secrets:
            raise ValueError("Verifier() needs a secret; pass the webhook_secret of the sender")
        self._keys = [decode_secret(secret) for secret in secrets]
        self._tolerance = tolerance_seconds
        self._seen: dict[str, float] = {}

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: float | None = None) -> None:
        """Return when the message is genuine, fresh and new.

        Raises:
            ValueError: If a header is missing or wrong, the time is too far off, no signature fits, or the
                message has been seen before.
        """
        given = {name.lower(): value for name, value in headers.items()}
        identifier, stamp, signatures = (given.get(f"webhook-{part}", "") for part in _HEADERS)
        moment = time.time() if now is None else now
        if not (stamp.isascii() and stamp.isdigit()) or abs(moment - int(stamp)) > self._tolerance:
            raise ValueError(f"webhook-timestamp={stamp[:20]!r} is not within {self._tolerance:g} s of now")
        right = [sign(key, identifier, int(stamp), body).encode() for key in self._keys]
        offered = [signature.encode() for signature in signatures.split(" ")[:_MOST_SIGNATURES]]
        fits = [hmac.compare_digest(a, b) for a in right for b in offered]  # all, whichever fits first
        if not any(fits):
            raise ValueError("webhook-signature fits none of the secrets; the message is not from the sender")
        self._seen = {key: when for key, when in self._seen.items() if moment - when <= 2 * self._tolerance}
        if identifier in self._seen:
            raise ValueError(f"webhook-id={identifier[:80]!r} has been seen before; answer 2xx and leave it")
        self._seen[identifier] = moment


def decode_secret(secret: str) -> bytes:
    """The key in a secret of the form `whsec_<base64>`.

    Raises:
        ValueError: If it has another form, or fewer than 24 or more than 64 bytes.
    """
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    if not secret.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError("a webhook secret is whsec_ and the base64 of 24 to 64 bytes")
    return key

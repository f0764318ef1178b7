"""Signatures of Standard Webhooks 1.0.0.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

PREFIX: Final = "whsec_"


def sign(secret: bytes, identifier: str, timestamp: int, body: bytes) -> str:
    """The value of the header `webhook-signature`: HMAC-SHA256 of id, time and body."""
    content = b".".join((identifier.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()


def decode_secret(secret: str) -> bytes:
    """The key in a secret of the form `whsec_<base64>`.

    Raises:
        ValueError: If it has another form, or fewer than 24 or more than 64 bytes.
    """
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    if not secret.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError("a webhook secret is whsec_ and the base64 of 24 to 64 bytes")
    return key

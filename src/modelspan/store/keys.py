"""Business keys: a loan's or an order's number, kept as a keyed hash only."""

from __future__ import annotations

import hashlib
import math
import uuid
from typing import Any, Final

import numpy as np

MAX_KEY: Final = 200


def key_text(key: Any) -> str:
    """A key as text, the same for 5, 5.0 and '5', since files and data frames change one into another.

    Raises:
        ValueError: If it is no text, whole number or UUID, or is empty.
    """
    plain = key.item() if isinstance(key, np.generic) else key
    if isinstance(plain, float) and math.isfinite(plain) and plain.is_integer():
        plain = int(plain)
    known = isinstance(plain, (str, int, uuid.UUID)) and not isinstance(plain, bool)
    text = str(plain).strip() if known else ""
    if not text or len(text) > MAX_KEY:
        raise ValueError(
            f"key={type(key).__name__} of {len(text)} characters is no key; "
            f"pass text of 1 to {MAX_KEY} characters, a whole number or a UUID"
        )
    return text


def hashed(text: str, secret: bytes) -> tuple[int, int]:
    """128 bits of keyed BLAKE2b over the key: rows that leak without the secret tell no key."""
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), key=secret, digest_size=16).digest()
    first, second = (int.from_bytes(digest[at : at + 8], "big", signed=True) for at in (0, 8))
    return first, second

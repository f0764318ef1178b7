"""Protocol Buffers by hand: the few field types that OTLP records are made of.

A field is a tag, `number << 3 | wire type`, and its value: a varint (0), 8 bytes (1), a length and as many
bytes (2), or 4 bytes (5); see https://protobuf.dev/programming-guides/encoding/. Fields that hold their
default are left out, as proto3 wants. Field numbers: opentelemetry-proto 1.7, `trace.proto`, `logs.proto`,
`common.proto`, `resource.proto`.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MASK64: Final = 2**64 - 1


def varint(value: int) -> bytes:
    """A non-negative integer in groups of 7 bits, the lowest first."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


@lru_cache(maxsize=256)
def tag(field: int, kind: int = _BYTES) -> bytes:
    """The tag of a field; by default of one with a length."""
    return varint(field << 3 | kind)


def block(field: int, value: bytes) -> bytes:
    """Bytes or an embedded message, also when empty."""
    return tag(field) + varint(len(value)) + value


def text(field: int, value: str) -> bytes:
    """A string; nothing when empty."""
    return block(field, value.encode("utf-8", "replace")) if value else b""


def number(field: int, value: int) -> bytes:
    """An integer or enum; nothing when 0."""
    return tag(field, _VARINT) + varint(value & _MASK64) if value else b""


def fixed64(field: int, value: int) -> bytes:
    """An unsigned integer of 8 bytes, a time; nothing when 0."""
    return tag(field, _FIXED64) + struct.pack("<Q", value) if value else b""


def fixed32(field: int, value: int) -> bytes:
    """An unsigned integer of 4 bytes, flags; nothing when 0."""
    return tag(field, _FIXED32) + struct.pack("<I", value) if value else b""


def any_value(value: Any) -> bytes:
    """The content of an `AnyValue`: text, bool, int64, double, bytes, list; of None an empty one.

    Raises:
        TypeError: If the value is of another type; `clean_value` leaves none.
    """
    encode = _VALUES.get(type(value)) or next(
        (_VALUES[base] for base in (str, int, float) if issubclass(type(value), base)), None
    )
    if encode is None:
        raise TypeError(f"{type(value).__name__} is not a value of OTLP; pass it through clean_value()")
    return encode(value)


def _list(value: Any) -> bytes:
    items = [_item(each) if type(each) in _KEPT else block(1, any_value(each)) for each in value]
    return block(5, b"".join(items))


_KEPT: Final = frozenset((str, int))
"""Types of which equal values are the same bytes: not so True and 1, nor 0.0 and -0.0."""


@lru_cache(maxsize=4096)
def _item(value: str | int) -> bytes:
    """An item of a list: labels and counts of bins come again and again."""
    return block(1, any_value(value))


_VALUES: Final[Mapping[type, Callable[[Any], bytes]]] = {
    str: lambda value: block(1, value.encode("utf-8", "replace")),
    bool: lambda value: tag(2, _VARINT) + varint(int(value)),
    int: lambda value: tag(3, _VARINT) + varint(value & _MASK64),
    float: lambda value: tag(4, _FIXED64) + struct.pack("<d", value),
    bytes: lambda value: block(7, value),
    list: _list,
    tuple: _list,
    type(None): lambda _: b"",
}


def key_value(key: str, value: Any) -> bytes:
    """The content of a `KeyValue`."""
    return _key(key) + block(2, any_value(value))


@lru_cache(maxsize=4096)
def _key(key: str) -> bytes:
    return text(1, key)


def attributes(field: int, pairs: Mapping[str, Any]) -> bytes:
    """Attributes as repeated field `field`."""
    return b"".join([block(field, key_value(key, value)) for key, value in pairs.items()])


def trace_id(field: int, value: int) -> bytes:
    """A trace id; nothing when 0."""
    return block(field, value.to_bytes(16, "big")) if value else b""


def span_id(field: int, value: int) -> bytes:
    """A span id; nothing when 0."""
    return block(field, value.to_bytes(8, "big")) if value else b""

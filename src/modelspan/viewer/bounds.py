"""What a request may cost before it is parsed: a body of a few kilobytes can name millions of empty records.

Parsing 16 MiB of two-byte spans takes 1.3 GB as protobuf and 35 s as JSON, so parts are counted first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor

    Body = bytes | bytearray | mmap.mmap

MAX_PARTS: Final = 300_000
"""Parts of a request, records weighted: about 12,000 spans of ten attributes, 20 MB at the very worst."""
MAX_FIELDS: Final = 2_000_000
_RECORD_DEPTH: Final = 3
_RECORD_WEIGHT: Final = 4
_LENGTH_DELIMITED: Final = 2
_FIXED: Final = {1: 8, 5: 4}
_NOT_LENGTH_DELIMITED: Final = bytes(byte for byte in range(256) if byte & 7 != _LENGTH_DELIMITED)
_STEP: Final = 64 * 1024
_JSON_WEIGHTS: Final = {b"{": 3, b"[": 2, b",": 1}


class Refused(Exception):  # noqa: N818 - an answer to the client, not a defect
    """A request that is not taken: HTTP status, a short reason to count it by, one line for the client."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


def check_json(body: Body) -> None:
    """Refuse a JSON body of too many parts; characters inside of strings count too.

    Raises:
        Refused: 413.
    """
    parts = sum(
        piece.count(mark) * weight for piece in _pieces(body) for mark, weight in _JSON_WEIGHTS.items()
    )
    if parts > MAX_PARTS:
        raise _too_many()


def check_protobuf(body: Body, kind: Descriptor) -> None:
    """Refuse a protobuf body of too many parts; damaged ones pass, the parser refuses them.

    Raises:
        Refused: 413.
    """
    # Every part begins with a byte like these: few of them, and there is nothing to count.
    marks = sum(len(piece.translate(None, _NOT_LENGTH_DELIMITED)) for piece in _pieces(body))
    if marks * _RECORD_WEIGHT > MAX_PARTS:
        _count(body, kind)


def _pieces(body: Body) -> Iterator[bytes]:
    return (bytes(body[at : at + _STEP]) for at in range(0, len(body), _STEP))


def _count(body: Body, kind: Descriptor) -> None:
    parts = fields = 0
    open_parts = [(_fields(body, 0, len(body)), kind)]
    while open_parts:
        inside, kind = open_parts[-1]
        found = next(inside, None)
        if found is None:
            open_parts.pop()
            continue
        fields += 1
        number, first, last = found
        field = kind.fields_by_number.get(number)
        if field is not None and field.message_type is not None:
            parts += _RECORD_WEIGHT if len(open_parts) <= _RECORD_DEPTH else 1
            open_parts.append((_fields(body, first, last), field.message_type))
        if parts > MAX_PARTS or fields > MAX_FIELDS:
            raise _too_many()


def _fields(body: Body, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of each length-delimited field; other fields have number 0."""
    while at < end:
        key, at = _varint(body, at, end)
        kind = key & 7
        if kind == _LENGTH_DELIMITED:
            length, at = _varint(body, at, end)
            if at + length > end:
                return
            yield key >> 3, at, at + length
            at += length
        else:
            at = at + _FIXED[kind] if kind in _FIXED else _varint(body, at, end)[1]
            yield 0, at, at


def _varint(body: Body, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end:
        byte = body[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
    return value, at


def _too_many() -> Refused:
    return Refused(413, "too_large", "the body has too many parts; send smaller batches")

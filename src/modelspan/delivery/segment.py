"""A file of stored records: a header with length and checksum, then the content, one after the other.

Header, little-endian: state (4 bytes, all of them others once the record is done, so that damage to one is
noticed), length of the content (4), CRC-32 of it (4).
Content: resource, scope, body, and the lengths of the records as 4 bytes each; before each of the four its
length (4).
A record that is cut or altered ends the file as far as we read it: what comes after has no reliable start.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from modelspan.delivery.otlp.records import Envelope, Records

WAITS: Final = b"Wms1"
DONE: Final = b"done"
MAX_CONTENT: Final = 64 * 1024 * 1024
_HEADER: Final = struct.Struct("<4sII")
_LENGTH: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Stored:
    """Where in a file a record stands."""

    offset: int
    length: int

    def records(self, descriptor: int) -> Records:
        """The record itself, which `read` has checked."""
        return unpack(os.pread(descriptor, self.length, self.offset + _HEADER.size))


def pack(records: Records) -> bytes:
    """Header and content."""
    sizes = np.diff(np.asarray(records.ends, np.int64), prepend=0).astype("<u4").tobytes()
    fields = (records.envelope.resource, records.envelope.scope, records.body, sizes)
    content = b"".join(part for value in fields for part in (_LENGTH.pack(len(value)), value))
    return _HEADER.pack(WAITS, len(content), zlib.crc32(content)) + content


def unpack(content: bytes) -> Records:
    """Records of a content.

    Raises:
        ValueError: If the content is not one that `pack` has made.
    """
    fields = []
    start = 0
    for _ in range(4):
        if start + _LENGTH.size > len(content):
            raise ValueError("a field is missing")
        (length,) = _LENGTH.unpack_from(content, start)
        start += _LENGTH.size
        fields.append(content[start : start + length])
        start += length
    resource, scope, body, sizes = fields
    ends = np.cumsum(np.frombuffer(sizes, "<u4")).tolist() if len(sizes) % 4 == 0 else []
    if start != len(content) or not ends or ends[-1] != len(body):
        raise ValueError("the fields do not fit together")
    return Records(Envelope(resource, scope), body, tuple(ends))


def read(descriptor: int) -> tuple[list[Stored], bool]:
    """The records of a file that wait, and whether it ends in one that is cut or altered."""
    found: list[Stored] = []
    offset = 0
    while header := os.pread(descriptor, _HEADER.size, offset):
        if len(header) < _HEADER.size:
            return found, True
        state, length, checksum = _HEADER.unpack(header)
        if state not in (WAITS, DONE) or length > MAX_CONTENT:
            return found, True
        content = os.pread(descriptor, length, offset + _HEADER.size)
        if len(content) < length or zlib.crc32(content) != checksum or not _fits(content):
            return found, True
        if state == WAITS:
            found.append(Stored(offset, length))
        offset += _HEADER.size + length
    return found, False


def _fits(content: bytes) -> bool:
    try:
        unpack(content)
    except ValueError:
        return False
    return True

"""Encoded records on their way, and the envelope that makes a request of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from modelspan.delivery.otlp import wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Body = bytes | memoryview
"""Encoded records: a copy of their own, or a view of the page on which they were encoded."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Whose records they are: the encoded resource and scope.

    `ExportTraceServiceRequest`, `ExportLogsServiceRequest` and `ExportMetricsServiceRequest` are alike: field
    1 holds a `Resource…` (1 resource, 2 scopes, 3 schema), each scope a `Scope…` (1 scope, 2 records, 3
    schema). Encoded requests can be joined: a parser concatenates repeated fields.
    """

    resource: bytes
    scope: bytes

    def request(self, body: Body) -> tuple[bytes, Body]:
        """A whole request of records, which carry their tag and length already, in two pieces: no copy."""
        inner = wire.tag(2) + wire.varint(len(self.scope) + len(body))
        outer = len(self.resource) + len(inner) + len(self.scope) + len(body)
        return b"".join((wire.tag(1), wire.varint(outer), self.resource, inner, self.scope)), body


def envelope(
    resource: Mapping[str, Any], scope: str, version: str = "", schema: str = "", resource_schema: str = ""
) -> Envelope:
    """The envelope of records of `scope`, an instrumentation scope's name, made by `resource`."""
    about = wire.text(1, scope) + wire.text(2, version)
    return Envelope(
        wire.block(1, wire.attributes(1, resource)) + wire.text(3, resource_schema),
        wire.block(1, about) + wire.text(3, schema),
    )


@dataclass(frozen=True, slots=True)
class Records:
    """Some records of one scope, one after the other."""

    envelope: Envelope
    body: Body
    ends: Sequence[int]
    """Where in `body` each record ends; what halves a refused request."""

    def __len__(self) -> int:
        return len(self.ends)

    def halves(self) -> tuple[Records, Records]:
        """The first and the second half of the records."""
        middle = len(self.ends) // 2
        cut = self.ends[middle - 1]
        rest = [end - cut for end in self.ends[middle:]]
        return (
            Records(self.envelope, self.body[:cut], self.ends[:middle]),
            Records(self.envelope, self.body[cut:], rest),
        )


def single(around: Envelope, record: bytes) -> Records:
    """One record, without its tag and length."""
    body = wire.block(2, record)
    return Records(around, body, (len(body),))


SMALL: Final = 64
"""Records below which an envelope of their own would weigh."""


def merged(parts: Iterable[Records]) -> list[Records]:
    """The same records with small parts of one envelope put together."""
    groups: dict[object, list[Records]] = {}
    for part in parts:
        groups.setdefault(id(part.envelope) if len(part) < SMALL else object(), []).append(part)
    return [_joined(group) if len(group) > 1 else group[0] for group in groups.values()]


def _joined(group: Sequence[Records]) -> Records:
    ends: list[int] = []
    start = 0
    for part in group:
        ends.extend(start + end for end in part.ends)
        start += len(part.body)
    return Records(group[0].envelope, b"".join([part.body for part in group]), tuple(ends))


def request(parts: Iterable[Records]) -> list[Body]:
    """One request of all the records, in pieces to be sent one after the other."""
    return [piece for part in parts for piece in part.envelope.request(part.body)]


Parts = list[Records]
"""What goes into one request."""


def count_of(parts: Parts) -> int:
    """Records in all parts."""
    return sum(map(len, parts))


def split(parts: Parts) -> list[Parts]:
    """The first and the second half of a request of at least two records."""
    if len(parts) > 1:
        return [parts[: len(parts) // 2], parts[len(parts) // 2 :]]
    return [[half] for half in parts[0].halves()]

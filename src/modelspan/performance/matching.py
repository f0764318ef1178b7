"""Which rows of several variants are of the same traffic."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from modelspan.outcome import JoinedRow

MAX_REQUESTS: Final = 50_000
"""Requests that are remembered until their outcomes come; with more, an even share of them is followed."""
_Identity = tuple[str, str, int]


@dataclass(slots=True, eq=False)
class Call:
    """What one variant said of a request; its row gets the outcome that is told of any variant."""

    row: JoinedRow
    pairs: list[Pair] = field(default_factory=list)

    @property
    def together(self) -> list[Call]:
        """This call and those that it is compared with."""
        return [self, *(pair.second if pair.first is self else pair.first for pair in self.pairs)]

    def share(self) -> None:
        """Give the outcome to the calls that it is compared with, or take theirs."""
        calls = self.together
        known = next((call.row for call in calls if call.row.known), None)
        if known is not None:
            for call in calls:
                if not call.row.known:
                    call.row = replace(
                        call.row, outcome_label=known.outcome_label, outcome_value=known.outcome_value,
                        outcome_ns=known.outcome_ns,
                    )  # fmt: skip


@dataclass(slots=True, eq=False)
class Pair:
    """What two variants said of the same."""

    first: Call
    second: Call
    told: bool = False
    """Whether its outcome is known."""

    @property
    def known(self) -> bool:
        """Whether the outcome is known."""
        return self.first.row.known and self.second.row.known

    def ordered(self, champion: str) -> tuple[JoinedRow, JoinedRow]:
        """The rows, that of the variant `champion` first."""
        rows = self.first.row, self.second.row
        return rows if rows[0].variant == champion else (rows[1], rows[0])


@dataclass(slots=True, eq=False)
class _Request:
    variants: dict[str, list[Call]] = field(default_factory=dict)
    calls: dict[tuple[str, int], Call] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        """Whether a pair has no outcome yet."""
        return any(not pair.told for call in self.calls.values() for pair in call.pairs)

    def add(self, call: Call, *, anew: bool) -> list[Pair]:
        """The pairs that a further call makes: the n-th of a variant meets the n-th of each other."""
        row = call.row
        if anew and row.variant in self.variants:
            self._forget()
        own = self.variants.setdefault(row.variant, [])
        own.append(call)
        self.calls[row.prediction_id, row.row] = call
        others = (calls for variant, calls in self.variants.items() if variant != row.variant)
        pairs = [Pair(calls[len(own) - 1], call) for calls in others if len(calls) >= len(own)]
        for pair in pairs:
            pair.first.pairs.append(pair)
            call.pairs.append(pair)
        return pairs

    def _forget(self) -> None:
        """A business key comes again: later calls meet each other, those before only wait for outcomes."""
        self.variants.clear()
        waiting = {name: call for name, call in self.calls.items() if any(not p.told for p in call.pairs)}
        self.calls = waiting


class Traffic:
    """Finds rows of several variants of one model that belong together.

    Rows with a business key (`monitor(key=…)`) belong together when the keys are equal; a variant that sees a
    key again begins anew. Others do when they are of one trace (the variants were called within one request)
    and of the same position; of several calls in one trace, the n-th of each variant.

    Args:
        most: Requests that are remembered. With more, lone ones of the older half go, then half of all is
            followed, chosen evenly by the id, then a quarter, and so on.
    """

    def __init__(self, most: int = MAX_REQUESTS) -> None:
        self._most = most
        self._halvings = 0
        self._requests: dict[_Identity, _Request] = {}

    @property
    def share(self) -> float:
        """Share of the requests that is followed."""
        return 0.5**self._halvings

    def take(self, row: JoinedRow, *, new: bool = True) -> tuple[list[Pair], list[Pair]]:
        """The pairs that this row makes, and those whose outcome is now known for the first time.

        Args:
            row: A prediction, or one that was taken before, with its outcome.
            new: Which of the two it is.
        """
        identity = _identity(row)
        if not self._followed(identity):
            return [], []
        call, pairs = self._add(identity, row) if new else (self._call(identity, row), [])
        return pairs, _due(call) if call else []

    def _add(self, identity: _Identity, row: JoinedRow) -> tuple[Call, list[Pair]]:
        call = Call(row)
        request = self._requests.get(identity)
        if request is None:
            self._make_room()
            request = self._requests.setdefault(identity, _Request())
        return call, request.add(call, anew=bool(row.key))

    def _call(self, identity: _Identity, row: JoinedRow) -> Call | None:
        request = self._requests.get(identity)
        call = request.calls.get((row.prediction_id, row.row)) if request else None
        if call is not None:
            call.row = row
        return call

    def _make_room(self) -> None:
        if len(self._requests) < self._most:
            return
        for identity in list(self._requests)[: self._most // 2]:
            if not self._requests[identity].waits:
                del self._requests[identity]
        while len(self._requests) > self._most * 3 // 4:
            self._halvings += 1
            self._requests = {each: r for each, r in self._requests.items() if self._followed(each)}

    def _followed(self, identity: _Identity) -> bool:
        return not self._halvings or int(identity[1][-12:], 16) % 2**self._halvings == 0


def _due(call: Call) -> list[Pair]:
    """Pairs of the request of which the outcome is known now and was not before."""
    call.share()
    due = [pair for each in call.together for pair in each.pairs if pair.known and not pair.told]
    due = list(dict.fromkeys(due))
    for pair in due:
        pair.told = True
    return due


def _identity(row: JoinedRow) -> _Identity:
    """What rows of the same traffic share; its second part is hexadecimal and evenly spread."""
    return (row.model, row.key, -1) if row.key else (row.model, row.prediction_id.partition("-")[0], row.row)

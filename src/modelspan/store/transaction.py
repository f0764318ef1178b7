"""What one writing transaction knows: the rows that it touches, found in bulk, and the counts it moves."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from modelspan.store.head import Head, move_counts
from modelspan.store.rows import ModelFacts, Outcome, lookup, sealed, unsealed
from modelspan.store.tables import insert, select
from modelspan.store.told import Told

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from modelspan.store.database import Database
    from modelspan.store.rows import Awaiting

TICK_NS = 60 * 10**9
"""Time between two notes of which position was reached when: retention is as fine as that."""


class Known(NamedTuple):
    """A stored prediction, as far as joining needs it."""

    id: int
    pid: bytes
    row: int
    model: int
    kind: str
    """label or value; empty when the answer had no meaning."""


class Transaction:
    """Bulk look-ups and pending writes of one commit; made inside `Database.writing()`."""

    def __init__(self, database: Database, models: dict[ModelFacts, int], now_ns: int) -> None:
        self._database = database
        self._models = models
        self._now_ns = now_ns
        self.head = Head(database)
        self._began = self.head.position
        self.facts = {number: facts for facts, number in models.items()}
        self.told: dict[int, list[Told]] = {}
        self.orphans: dict[int, dict[int, Outcome]] = {}
        self._known: dict[int, list[Known]] = defaultdict(list)
        self._keyed: dict[tuple[int, int], dict[int, Known]] = defaultdict(dict)
        self._sought: set[int] = set()
        self._counts: Counter[tuple[int, str]] = Counter()
        self.entered: Counter[tuple[int, str]] = Counter()
        """States that were entered: the moves without those that took away."""
        self._taken: list[int] = []

    # -- numbers

    def next_position(self) -> int:
        """The next number of predictions and outcomes."""
        self.head.position += 1
        return self.head.position

    def next_orphan(self) -> int:
        """The next number of orphans."""
        self.head.orphan += 1
        return self.head.orphan

    def count(self, model: int, name: str, by: int = 1) -> None:
        """Move a count of the ledger."""
        self._counts[model, name] += by
        if by > 0:
            self.entered[model, name] += by

    def model(self, facts: ModelFacts) -> int:
        """Number of a model, a new one when it was never seen."""
        number = self._models.get(facts)
        if number is None:
            document = facts.document
            found = self._database.rows(select("models", "WHERE document = ?"), (document,))
            top = self._database.rows("SELECT coalesce(max(id), 0) FROM models")[0][0]
            number = found[0][0] if found else top + 1
            if not found:
                self.insert("models", [sealed("models", (number, document))])
            self._models[facts] = number
            self.facts[number] = facts
        return int(number)

    # -- bulk look-ups

    def find_predictions(self, lookups: Sequence[int]) -> None:
        """Read the predictions that may be meant."""
        for row in self._find("predictions", "lookup", set(lookups) - self._sought):
            self._know(_known(row))
        self._sought.update(lookups)

    def find_keyed(self, lookups: Sequence[int]) -> None:
        """Read the predictions whose business key may be meant."""
        keys = {row[0]: row[1:] for row in self._find("keys", "lookup", set(lookups))}
        for row in self._find("predictions", "id", keys):
            known = _known(row)
            self._need_facts(known.model)
            self._keyed[keys[known.id]][known.id] = known

    def find_outcomes(self, predictions: Iterable[int]) -> None:
        """Read the outcomes of predictions, oldest first."""
        wanted = set(predictions) - self.told.keys()
        self.told.update({number: [] for number in wanted})
        for row in sorted(self._find("outcomes", "prediction", wanted)):
            self.told[row[1]].append(Told._make((row[0], *row[2:7], *row[8:])))

    def find_orphans(self, lookups: Sequence[int]) -> None:
        """Read the outcomes that wait for a prediction."""
        wanted = set(lookups) - self.orphans.keys()
        self.orphans.update({number: {} for number in wanted})
        for row in sorted(self._find("orphans", "lookup", wanted)):
            self.orphans[row[1]][row[0]] = _orphan(row)

    def _find(self, table: str, column: str, wanted: Iterable[int]) -> list[tuple[Any, ...]]:
        numbers = list(wanted)
        if not numbers:
            return []
        found = self._database.rows(select(table, f"WHERE {column} IN ?*"), (numbers,))
        return [unsealed(table, row) for row in found]

    # -- what was found

    def known_row(self, pid: bytes, row: int) -> Known | None:
        """The prediction of that id and row; the look-up number alone may be shared by two."""
        found = self._known.get(lookup(pid, row), ())
        return next((known for known in found if (known.pid, known.row) == (pid, row)), None)

    def targets(self, outcome: Outcome) -> list[Known]:
        """The predictions whose truth it is."""
        if outcome.key is None:
            known = self.known_row(outcome.pid, outcome.row)
            return [known] if known is not None else []
        found = self.of_key(outcome.key)
        return [each for each in found if outcome.model in ("", self.facts[each.model].name)]

    def of_key(self, key: tuple[int, int]) -> Iterable[Known]:
        """The predictions of a business key."""
        return self._keyed.get(key, {}).values()

    def waiting_for(self, each: Awaiting) -> list[tuple[int, Outcome]]:
        """The outcomes that wait for this prediction, with their numbers, oldest first."""
        waiting = dict(self.orphans.get(lookup(each.pid, each.row), {}))
        if each.key is not None:
            waiting |= self.orphans.get(each.key[0], {})
        return sorted(
            ((number, outcome) for number, outcome in waiting.items() if _meant(outcome, each)),
            key=lambda pair: pair[0],
        )

    def take_orphan(self, number: int, outcome: Outcome) -> None:
        """An outcome waits no more."""
        del self.orphans[outcome.lookup][number]
        self._taken.append(number)

    def new_prediction(self, each: Awaiting) -> Known:
        """Give a prediction its number."""
        model = self.model(each.model)
        kind = "label" if each.label is not None else "value" if each.value is not None else ""
        known = Known(self.next_position(), each.pid, each.row, model, kind)
        self._know(known)
        self.told[known.id] = []
        if each.key is not None:
            self._keyed[each.key][known.id] = known
        return known

    def _know(self, known: Known) -> None:
        self._need_facts(known.model)
        self._known[lookup(known.pid, known.row)].append(known)

    def _need_facts(self, model: int) -> None:
        if model not in self.facts:
            row = self._database.rows(select("models", "WHERE id = ?"), (model,))[0]
            self.facts[model] = ModelFacts.parse(unsealed("models", row)[1])

    # -- writes

    def insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows that carry their hash."""
        if rows:
            self._database.many(insert(table), rows)
            self.head.add(table, len(rows))

    def finish(self) -> None:
        """Write the counts, the head and, once a minute, the time."""
        if self._taken:
            self.head.orphans -= self._database.run("DELETE FROM orphans WHERE id IN ?*", (self._taken,))
        move_counts(self._database, self._counts)
        self._tick()
        if any(self._counts.values()) and self.head.position == self._began:
            self.head.position += 1  # see `Head.step`
        self.head.write(self._database)

    def _tick(self) -> None:
        found = self._database.rows(select("ticks", "ORDER BY id DESC LIMIT 1"))
        number, position, orphan, stored_ns = unsealed("ticks", found[0]) if found else (0, 0, 0, 0)
        here = (self.head.position + 1, self.head.orphan + 1)
        if here != (position, orphan) and self._now_ns - stored_ns >= TICK_NS:
            self._database.many(insert("ticks"), [sealed("ticks", (number + 1, *here, self._now_ns))])


def _known(row: tuple[Any, ...]) -> Known:
    number, _, pid, position, model, _, label, value = row[:8]
    kind = "label" if label is not None else "value" if value is not None else ""
    return Known(number, bytes(pid), position, model, kind)


def _orphan(row: tuple[Any, ...]) -> Outcome:
    _, number, pid, position, label, value, weight, at_ns, dated, rest, model = row
    key = None if rest is None else (number, rest)
    return Outcome(bytes(pid), position, label, value, weight, at_ns, bool(dated), key, model or "")


def _meant(outcome: Outcome, each: Awaiting) -> bool:
    if outcome.key is not None:
        return outcome.key == each.key and outcome.model in ("", each.model.name)
    return (outcome.pid, outcome.row) == (each.pid, each.row)

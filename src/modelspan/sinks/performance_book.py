"""The windows of performance that several processes keep together in the store, each change counted once."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from modelspan.performance.estimators import from_document
from modelspan.performance.sums import Options, positive_class
from modelspan.performance.window import Window
from modelspan.store.reading import Read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from modelspan.outcome import Change, JoinedRow
    from modelspan.performance.estimators import Expecting
    from modelspan.store.reading import ChangeReader

READER: Final = "performance"
WINDOWS: Final = "performance.windows"
MODELS: Final = "performance.models"
ESTIMATORS: Final = "performance.estimators"
BATCH: Final = 5_000
MAX_SEGMENTS: Final = 50
"""Different values of one segment; rows of further ones count in the whole only."""


class Subject(NamedTuple):
    """One model in one role, or one segment of its rows."""

    model: str
    version: str
    variant: str
    segment: str = ""
    value: str = ""

    @property
    def whole(self) -> Subject:
        """The model without the segment."""
        return Subject(self.model, self.version, self.variant)


class Place(NamedTuple):
    """A subject in one window, which begins at `start` (Unix seconds)."""

    subject: Subject
    start: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one pass over new changes did."""

    changed: tuple[Place, ...] = ()
    added: Mapping[Subject, Window] = field(default_factory=dict)
    """What predictions and outcomes gave, by model; this process alone counts it."""
    taken: Mapping[Subject, Window] = field(default_factory=dict)
    """What corrections took away."""
    more: bool = False
    """Whether further changes wait."""


class Book:
    """Reads changes, adds them to windows, saves windows and position in one commit.

    Args:
        store: Where changes come from and windows are kept.
        seconds: Length of a window of prediction time.
        keep: Number of windows kept, counted back from the newest.
        beta, quantiles: As in `Options`.
    """

    def __init__(
        self,
        store: ChangeReader,
        seconds: float,
        keep: int,
        beta: float = 2.0,
        quantiles: tuple[float, ...] = (),
    ) -> None:
        self._store = store
        self.seconds = seconds
        self._keep = keep
        self._base = Options(beta=beta, quantiles=quantiles)
        self._position = -1
        self.loads = 0
        """How often all windows were read again, because another process had changed them."""
        self.windows: dict[Place, Window] = {}
        self.options: dict[Subject, Options] = {}
        self._estimators: dict[Subject, Expecting] = {}

    def offer(self, subject: Subject, estimator: Expecting) -> None:
        """Make an estimator known to every process that keeps this book."""
        if self._estimators.get(subject) != estimator:
            self._estimators[subject] = estimator
            self._store.save(ESTIMATORS, {_name(subject): json.dumps(estimator.document())})

    def step(self) -> Step:
        """Take in the next changes; nothing is counted when another process was first, or nothing is new."""
        position = self._store.position(READER)
        if position != self._position:
            self._load(position)
        changes = self._store.changes(position, BATCH)
        if not changes:
            return Step()
        learnt = self._learn(changes)
        added, taken = self._sums(changes)
        touched = self._merge(added, taken)
        documents = {
            _name(place): None if window is None else window.to_json() for place, window in touched.items()
        }
        last = changes[-1].position
        if learnt:
            self._store.save(MODELS, learnt)
        if not self._store.save(WINDOWS, documents, Read(READER, position, last)):
            self._position = -1
            return Step(more=True)
        self._position = last
        for place, window in touched.items():
            if window is None:
                self.windows.pop(place, None)
            else:
                self.windows[place] = window
        kept = tuple(place for place, window in touched.items() if window is not None)
        return Step(changed=kept, added=_by_model(added), taken=_by_model(taken), more=len(changes) >= BATCH)

    def subjects(self) -> list[Subject]:
        """Everything that has windows."""
        return sorted({place.subject for place in self.windows})

    def options_of(self, subject: Subject) -> Options:
        """How the rows of a subject's model are measured."""
        return self.options.get(subject.whole, self._base)

    def doubts(self, subject: Subject, window: Window) -> tuple[str, ...]:
        """Why the estimate of a window can't be trusted: the reference's doubts and the window's own."""
        estimator = self._estimators.get(subject.whole)
        return (*(estimator.doubts if estimator else ()), *window.evidence.doubts())

    def of(self, subject: Subject) -> list[tuple[float, Window]]:
        """The windows of a subject by start."""
        return sorted((p.start, window) for p, window in list(self.windows.items()) if p.subject == subject)

    def _load(self, position: int) -> None:
        """What other processes have made of it."""
        self.loads += 1
        self.windows = {
            _place(name): Window.from_json(text) for name, text in self._store.documents(WINDOWS).items()
        }
        for name, text in self._store.documents(MODELS).items():
            found = json.loads(text)
            self.options[Subject(*json.loads(name))] = self._with(found["positive"], found["classes"])
        for name, text in self._store.documents(ESTIMATORS).items():
            self._estimators[Subject(*json.loads(name))] = from_document(json.loads(text))
        self._position = position

    def _with(self, positive: str | None, classes: Iterable[str]) -> Options:
        return Options(
            positive=positive, classes=tuple(classes), beta=self._base.beta, quantiles=self._base.quantiles
        )

    def _learn(self, changes: Sequence[Change]) -> dict[str, str]:
        """The positive class of models for which it was not known; it never changes afterwards."""
        unknown: dict[Subject, list[JoinedRow]] = {}
        for change in changes:
            subject = subject_of(change.after)
            if self.options.get(subject, self._base).positive is None:
                unknown.setdefault(subject, []).append(change.after)
        learnt = {}
        for subject, rows in unknown.items():
            options = self._with(positive_class(rows), rows[0].classes)
            if self.options.get(subject) != options:
                self.options[subject] = options
                document = {"positive": options.positive, "classes": options.classes}
                learnt[_name(subject)] = json.dumps(document)
        return learnt

    def _sums(self, changes: Sequence[Change]) -> tuple[dict[Place, Window], dict[Place, Window]]:
        """What the changes add and take away, by place."""
        after: dict[Place, list[JoinedRow]] = {}
        before: dict[Place, list[JoinedRow]] = {}
        for change in changes:
            for rows, row in ((after, change.after), (before, change.before)):
                if row is not None:
                    for place in self._places(row):
                        rows.setdefault(place, []).append(row)
        return tuple(  # type: ignore[return-value]  # two of them
            {place: self._window(place, rows) for place, rows in side.items()} for side in (after, before)
        )

    def _window(self, place: Place, rows: Sequence[JoinedRow]) -> Window:
        estimator = self._estimators.get(place.subject.whole)
        return Window.of(rows, self.options_of(place.subject), estimator)

    def _places(self, row: JoinedRow) -> Iterable[Place]:
        start = row.predicted_ns / 1e9 // self.seconds * self.seconds
        subject = subject_of(row)
        yield Place(subject, start)
        for name, value in row.segments.items():
            yield Place(Subject(*subject[:3], name, value), start)

    def _merge(self, added: dict[Place, Window], taken: dict[Place, Window]) -> dict[Place, Window | None]:
        """Every place that changes, with its new sums; None where it goes."""
        newest = max((place.start for place in {*self.windows, *added}), default=0.0)
        oldest = newest - self._keep * self.seconds
        allowed = self._known_segments(added)
        touched: dict[Place, Window | None] = {p: None for p in self.windows if p.start <= oldest}
        for place in {*added, *taken}:
            if place.start > oldest and (not place.subject.segment or place.subject in allowed):
                window = self.windows.get(place, Window())
                touched[place] = window + added.get(place, Window()) - taken.get(place, Window())
        return touched

    def _known_segments(self, added: Iterable[Place]) -> set[Subject]:
        """Segments that have windows already, and as many new ones as there is room for."""
        known = {place.subject for place in self.windows if place.subject.segment}
        full = Counter((each.whole, each.segment) for each in known)
        for subject in sorted({place.subject for place in added if place.subject.segment} - known):
            if full[subject.whole, subject.segment] < MAX_SEGMENTS:
                known.add(subject)
                full[subject.whole, subject.segment] += 1
        return known


def subject_of(row: JoinedRow) -> Subject:
    """The model of a row."""
    return Subject(row.model, row.version, row.variant)


def _by_model(sums: Mapping[Place, Window]) -> dict[Subject, Window]:
    total: dict[Subject, Window] = {}
    for place, window in sums.items():
        if not place.subject.segment:
            total[place.subject] = total.get(place.subject, Window()) + window
    return total


def _name(thing: Any) -> str:
    """A subject or a place as the name of a document."""
    return json.dumps(thing, separators=(",", ":"))


def _place(name: str) -> Place:
    subject, start = json.loads(name)
    return Place(Subject(*subject), start)

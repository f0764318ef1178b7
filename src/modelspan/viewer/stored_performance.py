"""Performance of what a store of outcomes holds, in windows of any length, as the JSON API describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from modelspan.performance.fairness import gaps
from modelspan.performance.window import Window
from modelspan.sinks.performance_book import WINDOWS, Book
from modelspan.viewer.curves import curves
from modelspan.viewer.performance_reports import FEW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from modelspan.outcome import Change
    from modelspan.performance.measure import Measure
    from modelspan.sinks.performance_book import Subject
    from modelspan.store.outcomes import OutcomeStore
    from modelspan.store.reading import Read

KEEP: Final = 10_000
"""Windows at most, counted back from the newest."""


class _Replay:
    """The changes of a store from the start, for a book of its own: nothing is written to the store."""

    def __init__(self, store: OutcomeStore, progress: Callable[[int], object]) -> None:
        self._store, self._progress = store, progress
        self._position = 0

    def changes(self, after: int, limit: int = 10_000) -> Sequence[Change]:
        """See `ChangeReader`."""
        return self._store.changes(after, limit)

    def position(self, reader: str) -> int:  # noqa: ARG002 - there is one
        """See `ChangeReader`."""
        return self._position

    def documents(self, kind: str) -> Mapping[str, str]:
        """Those of the service, but for its windows."""
        return {} if kind == WINDOWS else self._store.documents(kind)

    def save(self, _kind: str, _documents: Mapping[str, str | None], read: Read | None = None) -> bool:
        """Keep the position only."""
        self._position = read.end if read is not None else self._position
        self._progress(self._position)
        return True


def replay(
    store: OutcomeStore,
    *,
    seconds: float,
    beta: float = 2.0,
    quantiles: tuple[float, ...] = (),
    progress: Callable[[int], object] = lambda _: None,
) -> Book:
    """A book of windows of `seconds` of prediction time, from all that the store holds.

    Raises:
        UnavailableError: If the store cannot be read now.
    """
    book = Book(_Replay(store, progress), seconds, KEEP, beta, quantiles)
    while book.step().more:
        pass
    return book


def answer(book: Book, subject: Subject) -> dict[str, Any]:
    """Performance of one model in one role, as `Queries.performance` gives it.

    Without its comparisons, and with the intervals of the store: scores are on its coarser grid.
    """
    windows, options = book.of(subject), book.options_of(subject)
    total = sum((window for _, window in windows), Window())
    sums = total.sums
    return {
        "model": subject.model,
        "version": subject.version,
        "variant": subject.variant,
        **_counts(total),
        "lag_p50_seconds": sums.lags.quantile(0.5),
        "lag_p90_seconds": sums.lags.quantile(0.9),
        "overall": _plain(sums.measures(options)),
        "positive": options.positive,
        "confusion": _confusion(total),
        "windows": [
            {"start": start, "end": start + book.seconds, **_counts(each),
             **_plain(each.sums.measures(options))}
            for start, each in windows
        ],
        "curves": curves(sums),
        "estimates": [
            _estimate(book, subject, start, each)
            for start, each in windows
            if each.expected.predictions >= FEW
        ],
        "segments": _segments(book, subject),
    }  # fmt: skip


def _counts(window: Window) -> dict[str, Any]:
    coverage = window.sums.coverage
    return {
        "predictions": window.sums.predictions,
        "outcomes": window.sums.outcomes - window.sums.mismatched,
        "coverage": coverage.value if coverage else None,
    }


def _plain(measures: Mapping[str, Measure]) -> dict[str, Any]:
    intervals = {name: [each.lower, each.upper] for name, each in measures.items() if each.lower is not None}
    return {**{name: each.value for name, each in measures.items()}, "intervals": intervals}


def _bounded(measures: Mapping[str, Measure]) -> dict[str, dict[str, float]]:
    return {
        name: {end: value for end, value in each.document().items() if value is not None}
        for name, each in measures.items()
    }


def _confusion(window: Window) -> dict[str, Any] | None:
    confusion = window.sums.confusion
    if not confusion.weights:
        return None
    matrix = [[round(each) for each in row] for row in confusion.matrix().tolist()]
    return {"labels": confusion.labels, "matrix": matrix}


def _estimate(book: Book, subject: Subject, start: float, window: Window) -> dict[str, Any]:
    options = book.options_of(subject)
    return {
        "start": start,
        "end": start + book.seconds,
        "coverage": _counts(window)["coverage"],
        "estimated": _bounded(window.estimated(options)),
        "realised": _bounded(window.sums.measures(options)),
        "doubts": list(book.doubts(subject, window)),
    }


def _segments(book: Book, subject: Subject) -> list[dict[str, Any]]:
    """Each value of each segment; after those of one the gaps between them, under no value."""
    options, found = book.options_of(subject), []
    names = sorted({each.segment for each in book.subjects() if each.segment and each.whole == subject})
    for name in names:
        totals = {
            each.value: sum((window for _, window in book.of(each)), Window())
            for each in book.subjects()
            if (each.whole, each.segment) == (subject, name)
        }
        for value, total in totals.items():
            measures = _bounded(total.sums.measures(options))
            found.append({"segment": name, "value": value, **_counts(total), "measures": measures})
        between = gaps({value: total.sums for value, total in totals.items()}, options)
        if between:
            found.append({"segment": name, "value": "", "measures": _bounded(between)})
    return found

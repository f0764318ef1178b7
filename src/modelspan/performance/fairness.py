"""Gaps between segments that the user named: how differently a model treats them, and how it errs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from modelspan.performance.measure import Measure, wilson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from modelspan.performance.sums import Options, Sums

FEW: Final = 10
"""Rows that a segment needs to enter a gap: below that the gap would mostly be its noise."""


def gaps(segments: Mapping[str, Sums], options: Options) -> dict[str, Measure]:
    """Largest difference between two segments, by name; absent with fewer than two that have 10 rows each.

    demographic_parity_difference: of the share predicted positive (no outcomes needed);
    equal_opportunity_difference: of recall; equalized_odds_difference: of recall or of the false positive
    rate, whichever differs more; accuracy_difference. 0 is equal treatment, 1 the most there can be.

    Source: Hardt, Price and Srebro (2016), NeurIPS 29, 3315; Agarwal et al. (2018), ICML, 60. The interval is
    that of the two segments that are furthest apart (Newcombe 1998, Statistics in Medicine 17, 873, method
    10), not corrected for having chosen them: with many segments a gap is too large by chance.
    """
    found = {"accuracy_difference": _gap(_accuracy(each) for each in segments.values())}
    if options.positive is not None:
        rates = [_rates(each, options.positive) for each in segments.values()]
        recall, alarms, selected = (
            (_gap(column) for column in zip(*rates, strict=True)) if rates else [None] * 3
        )
        found |= {
            "demographic_parity_difference": selected,
            "equal_opportunity_difference": recall,
            "equalized_odds_difference": _larger(recall, alarms),
        }
    return {name: each for name, each in found.items() if each is not None}


def _accuracy(sums: Sums) -> Measure | None:
    return _share(
        sum(weight for (truth, guess), weight in sums.confusion.weights.items() if truth == guess),
        sum(sums.confusion.weights.values()),
    )


def _rates(sums: Sums, positive: str) -> tuple[Measure | None, Measure | None, Measure | None]:
    """Recall, false positive rate, share predicted positive."""
    cells = sums.confusion.weights
    actual = sum(weight for (truth, _), weight in cells.items() if truth == positive)
    claimed = sum(weight for (_, guess), weight in cells.items() if guess == positive)
    hits = cells.get((positive, positive), 0.0)
    predicted = sums.predicted.weights
    return (
        _share(hits, actual),
        _share(claimed - hits, sum(cells.values()) - actual),
        _share(predicted.get((positive, positive), 0.0), sum(predicted.values())),
    )


def _share(part: float, whole: float) -> Measure | None:
    return wilson(part, whole) if whole >= FEW else None


def _gap(measures: Iterable[Measure | None]) -> Measure | None:
    known: Sequence[Measure] = sorted((m for m in measures if m is not None), key=lambda m: m.value)
    if len(known) < 2:
        return None
    least, most = known[0], known[-1]
    gap = most.value - least.value
    down = (most.value - _or(most.lower, most)) ** 2 + (_or(least.upper, least) - least.value) ** 2
    up = (_or(most.upper, most) - most.value) ** 2 + (least.value - _or(least.lower, least)) ** 2
    return Measure(gap, max(0.0, gap - down**0.5), min(1.0, gap + up**0.5))


def _or(bound: float | None, measure: Measure) -> float:
    return measure.value if bound is None else bound


def _larger(first: Measure | None, second: Measure | None) -> Measure | None:
    known = [each for each in (first, second) if each is not None]
    return max(known, key=lambda each: each.value) if known else None

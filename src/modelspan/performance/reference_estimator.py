"""The estimator that a table with scores and outcomes gives."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelspan.performance.estimate import Estimator


def reference_estimator(outcomes: Iterable[Any] | None, scores: Iterable[Any] | None) -> Estimator | None:
    """The estimator of two classes, of which the one with the higher mean score is positive.

    None if there are no outcomes or scores, other than two classes, or no scikit-learn; rows without outcome
    or with a score that is no probability are left out.
    """
    if outcomes is None or scores is None or find_spec("sklearn") is None:
        return None
    rows = [(float(s), str(t)) for s, t in zip(scores, outcomes, strict=True) if _usable(s, t)]
    from modelspan.performance.estimate import Estimator  # noqa: PLC0415 - 15 modules, for few references

    given: dict[str, list[float]] = {}
    for score, truth in rows:
        given.setdefault(truth, []).append(score)
    if len(given) != 2:
        return None
    classes = sorted(given, key=lambda label: sum(given[label]) / len(given[label]))
    return Estimator.fit([score for score, _ in rows], [truth for _, truth in rows], classes=classes)


def _usable(score: Any, truth: Any) -> bool:
    missing = truth is None or truth != truth  # noqa: PLR0124 - only NaN differs from itself
    return not missing and score is not None and 0 <= score <= 1

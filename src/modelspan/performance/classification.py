"""How good predicted classes and scores were, once the outcomes are known."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def summarize(
    predicted: Sequence[str],
    outcomes: Sequence[str],
    scores: Sequence[float] | None = None,
    positive: str | None = None,
) -> dict[str, float]:
    """Accuracy; with `positive` also precision, recall and F1; with scores also ROC AUC.

    Args:
        predicted: Predicted classes, one per row.
        outcomes: True classes of the same rows.
        scores: Scores of the same rows, larger for `positive`; rows whose score is not finite don't enter the
            AUC.
        positive: The class that precision, recall and AUC are about.

    Returns:
        Shares in [0, 1] by name: accuracy, precision, recall, f1, roc_auc. What is undefined is absent, never
        NaN: everything for no rows, precision if nothing was predicted positive, recall if nothing was, AUC
        unless the outcomes have exactly two classes.

    Raises:
        ValueError: If the lengths differ.

    Source: van Rijsbergen (1979), Information Retrieval, ch. 7 (F1); Hanley and McNeil (1982), Radiology 143
    (AUC).
    """
    _check(len(predicted), len(outcomes), None if scores is None else len(scores))
    if not predicted:
        return {}
    pairs = list(zip(predicted, outcomes, strict=True))
    summary = {"accuracy": sum(a == b for a, b in pairs) / len(pairs)}
    if positive is None:
        return summary
    summary |= _retrieval(pairs, positive)
    if scores is not None:
        summary |= _ranking(outcomes, scores, positive)
    return summary


def confusion(predicted: Sequence[str], outcomes: Sequence[str]) -> tuple[list[str], list[list[int]]]:
    """The sorted classes, and the rows per pair: a list per outcome, in it a number per predicted class.

    Raises:
        ValueError: If the lengths differ.
    """
    _check(len(predicted), len(outcomes), None)
    labels = sorted({*predicted, *outcomes})
    cells = Counter(zip(outcomes, predicted, strict=True))
    return labels, [[cells[outcome, prediction] for prediction in labels] for outcome in labels]


def _check(predicted: int, outcomes: int, scores: int | None) -> None:
    if predicted != outcomes or scores not in (None, predicted):
        raise ValueError(
            f"predicted, outcomes and scores need one entry per row, got {predicted}, {outcomes}, {scores}"
        )


def _retrieval(pairs: Sequence[tuple[str, str]], positive: str) -> dict[str, float]:
    """Precision, recall and F1 where they are defined."""
    hits = sum(predicted == positive == outcome for predicted, outcome in pairs)
    claimed = sum(predicted == positive for predicted, _ in pairs)
    actual = sum(outcome == positive for _, outcome in pairs)
    shares = {"precision": (hits, claimed), "recall": (hits, actual), "f1": (2 * hits, claimed + actual)}
    return {name: part / whole for name, (part, whole) in shares.items() if whole}


def _ranking(outcomes: Sequence[str], scores: Sequence[float], positive: str) -> dict[str, float]:
    """ROC AUC by the rank-sum formula, ties at their mean rank."""
    rows = [(score, outcome) for score, outcome in zip(scores, outcomes, strict=True) if math.isfinite(score)]
    classes = {outcome for _, outcome in rows}
    if len(classes) != 2 or positive not in classes:
        return {}
    ranks = _mean_ranks([score for score, _ in rows])
    positives = np.array([outcome == positive for _, outcome in rows])
    count = int(positives.sum())
    above = float(ranks[positives].sum()) - count * (count + 1) / 2
    return {"roc_auc": above / (count * (len(rows) - count))}


def _mean_ranks(scores: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Rank of each score from 1, equal scores sharing their mean rank."""
    _, group, counts = np.unique(
        np.asarray(scores, dtype=np.float64), return_inverse=True, return_counts=True
    )
    ends = np.cumsum(counts)
    means = (ends - counts + 1 + ends) / 2
    return np.asarray(means[group], dtype=np.float64)

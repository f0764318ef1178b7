"""Rankings: NDCG and mean average precision over queries, for use in a KPI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelspan.performance.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from modelspan.performance.measure import Array, Measure


def ranking(
    queries: Sequence[Hashable], scores: Sequence[float], relevance: Sequence[float], *, k: int | None = None
) -> Mapping[str, Measure]:
    """NDCG and MAP, each the mean over queries with Hall's interval.

    Args:
        queries: Which query each row belongs to.
        scores: Larger ranks higher; ties share their gain, as in scikit-learn. NaN raises ValueError.
        relevance: Gain of the row, at least 0; for MAP a row is relevant above 0.
        k: Only the first k ranks count for NDCG.

    Returns:
        `ndcg` and `map`; a query without a relevant row defines neither and is left out; empty if all are.

    Source: Järvelin and Kekäläinen (2002), ACM TOIS 20(4), 422 (gain over log2 of the rank + 1); Manning,
    Raghavan and Schütze (2008), Introduction to Information Retrieval, sec. 8.4 (MAP).
    """
    groups: dict[Hashable, list[tuple[float, float]]] = {}
    for query, score, gain in zip(queries, scores, relevance, strict=True):
        groups.setdefault(query, []).append((score, gain))
    tables = [np.array(rows, dtype=np.float64) for rows in groups.values()]
    if any(not np.isfinite(table).all() or table[:, 1].min() < 0 for table in tables):
        raise ValueError("scores and relevance must be finite, relevance at least 0; leave such rows out")
    usable = [table for table in tables if table[:, 1].max() > 0]
    if not usable:
        return {}
    values = {
        "ndcg": np.array([_ndcg(table[:, 0], table[:, 1], k) for table in usable]),
        "map": np.array([_average_precision(table[:, 0], table[:, 1] > 0) for table in usable]),
    }
    found = {name: Moments.of(each, np.ones(len(each))).mean() for name, each in values.items()}
    return {name: each for name, each in found.items() if each is not None}


def _ndcg(scores: Array, gains: Array, k: int | None) -> float:
    discount = 1 / np.log2(np.arange(len(scores)) + 2)
    if k is not None:
        discount[k:] = 0
    _, at, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    total = np.concatenate([[0.0], np.cumsum(discount)])
    shared = (total[ends] - total[ends - counts]) / counts  # rows of equal score share their ranks
    ideal = float(np.sort(gains)[::-1] @ discount)
    return float(gains @ shared[at]) / ideal


def _average_precision(scores: Array, relevant: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    order = np.argsort(-scores, kind="stable")
    hits = relevant[order]
    ends = np.searchsorted(-scores[order], -scores[order], "right")  # ties are ranked together
    return float((np.cumsum(hits)[ends - 1] / ends)[hits].mean())

"""A domain classifier: if rows can be told apart as reference or current, their distribution has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from modelspan.drift import openmp
from modelspan.drift.multivariate.matrix import encode, learn_columns
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelspan.drift.columns import Columns
    from modelspan.drift.multivariate.matrix import Matrix

FEWEST_ROWS = 40
"""Rows of each side below which nothing can be learnt and tested."""
_REPEATS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainVerdict:
    """How well a classifier tells current rows from reference rows that it has not learnt from."""

    auc: float
    """Area under the ROC curve: 0.5 cannot tell, 1 tells every row."""
    p_value: float
    """That an AUC as large comes about without drift."""
    importance: dict[str, float]
    """By column, the largest first: the AUC that is lost when the column's values are shuffled."""


def domain_classifier(reference: Columns, current: Columns, *, seed: int = 0) -> DomainVerdict:
    """Whether a gradient boosting classifier can tell current rows from reference rows.

    It learns from one random half of both sides and is tested on the other half. So the rank-sum test of its
    scores has its nominal level, whatever was learnt. It uses one core: it may run beside a service.

    Args:
        reference: Values by name; pass a sample of some thousand rows, for the cost grows with them.
        current: Values by name, with at least the columns of the reference.
        seed: Of the split and of the shuffling; the classifier has no other chance in it.

    Raises:
        ConfigError: If scikit-learn is not installed.
        ValueError: If a side has fewer than 40 rows.

    Source: Lopez-Paz and Oquab (2017), "Revisiting classifier two-sample tests", ICLR; Mann and Whitney
    (1947), Ann. Math. Stat. 18, 50-60; permutation importance: Breiman (2001), Machine Learning 45, 5-32.
    """
    encoding = learn_columns(reference)
    sides = [encode(columns, encoding) for columns in (reference, current)]
    if min(len(side) for side in sides) < FEWEST_ROWS:
        raise ValueError(
            f"a domain classifier needs rows>={FEWEST_ROWS} on each side, got {len(sides[0])} "
            f"and {len(sides[1])}; take a longer window"
        )
    random = np.random.default_rng(seed)
    model = _classifier()
    halves = [np.array_split(random.permutation(side), 2) for side in sides]
    with openmp.one_thread(openmp.pools()):
        auc, p_value, lost = _told_apart(model, halves, [column.name for column in encoding], random)
    ranked = sorted(lost.items(), key=lambda item: (-item[1], item[0]))
    return DomainVerdict(auc=auc, p_value=p_value, importance=dict(ranked))


def _told_apart(
    model: Any, halves: Sequence[list[Matrix]], names: Sequence[str], random: np.random.Generator
) -> tuple[float, float, dict[str, float]]:
    """AUC and p-value on the second halves after learning from the first, and what each column adds."""
    model.fit(np.vstack([half[0] for half in halves]), np.repeat([0, 1], [len(half[0]) for half in halves]))
    tested = [half[1] for half in halves]
    auc, p_value = _rank_sum(model, tested)
    lost = {name: auc - _shuffled_auc(model, tested, i, random) for i, name in enumerate(names)}
    return auc, p_value, lost


def _classifier() -> Any:
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as missing:
        raise ConfigError(
            f"a domain classifier needs scikit-learn ({missing}); "
            "install it with: pip install 'modelspan[demo]'"
        ) from missing
    return HistGradientBoostingClassifier(
        max_iter=50, max_leaf_nodes=15, early_stopping=False, random_state=0
    )


def _rank_sum(model: Any, tested: list[Matrix]) -> tuple[float, float]:
    """AUC, and the one-sided p-value of the rank-sum test."""
    scores = [model.predict_proba(side)[:, 1] for side in tested]
    test = stats.mannwhitneyu(scores[1], scores[0], alternative="greater", method="asymptotic")
    auc = float(test.statistic) / (scores[0].size * scores[1].size)
    return auc, float(test.pvalue) if np.isfinite(test.pvalue) else 1.0


def _shuffled_auc(model: Any, tested: list[Matrix], position: int, random: np.random.Generator) -> float:
    """Mean AUC when one column is shuffled over the rows of both sides together."""
    rows, cut = np.vstack(tested), len(tested[0])
    found = []
    for _ in range(_REPEATS):
        mixed = rows.copy()
        mixed[:, position] = random.permutation(mixed[:, position])
        found.append(_rank_sum(model, [mixed[:cut], mixed[cut:]])[0])
    return float(np.mean(found))

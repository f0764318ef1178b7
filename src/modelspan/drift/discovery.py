"""Which of many features are discoveries: step-up rules that bound the share of false ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def benjamini_hochberg(p_values: Sequence[float] | NDArray[np.float64], rate: float) -> NDArray[np.bool]:
    """Discoveries among p-values, at a false discovery rate of at most `rate`.

    When nothing drifted, `rate` also bounds the probability of any discovery. Both hold for independent and
    for positively dependent p-values.

    Args:
        p_values: One per hypothesis, shape ``(..., n)``, each row by itself; none gives no discovery.
        rate: In (0, 1).

    Returns:
        Of the same shape.

    Source: Benjamini and Hochberg (1995), JRSS B 57(1), 289-300; Benjamini and Yekutieli (2001), Ann. Stat.
    29(4), 1165-1188 for dependence.
    """
    found = np.asarray(p_values, dtype=np.float64)
    ordered, size = np.sort(found, axis=-1), found.shape[-1]
    allowed = rate * np.arange(1, size + 1) / max(size, 1)
    # The largest p-value that is small enough for its place: with it all smaller ones are discoveries.
    most = np.max(ordered, axis=-1, initial=-1.0, where=ordered <= allowed, keepdims=True)
    return np.asarray(found <= most)


def e_benjamini_hochberg(
    log_e_values: Sequence[float] | NDArray[np.float64], rate: float
) -> NDArray[np.bool]:
    """Discoveries among e-values, at a false discovery rate of at most `rate` whatever their dependence.

    Args:
        log_e_values: Natural logarithms, shape ``(..., n)``, each row by itself; none gives no discovery.
        rate: In (0, 1).

    Returns:
        Of the same shape: the k largest, for the largest k whose k-th e-value is at least ``n / (rate k)``.

    Source: Wang and Ramdas (2022), JRSS B 84(3), 822-852, definition 1 (the e-BH procedure).
    """
    found = np.asarray(log_e_values, dtype=np.float64)
    size = found.shape[-1]
    ordered = np.sort(found, axis=-1)[..., ::-1]
    asked = math.log(max(size, 1) / rate) - np.log(np.arange(1, size + 1))
    # The smallest e-value that is enough for its place: with it all larger ones are discoveries.
    least = np.min(ordered, axis=-1, initial=math.inf, where=ordered >= asked, keepdims=True)
    return np.asarray(found >= least)

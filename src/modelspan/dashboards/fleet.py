"""Drift over any set of replicas and any window, in one expression: for panels and for asking by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelspan import semconv
from modelspan.dashboards import distances
from modelspan.dashboards.names import BIN, BIN_INDEX, COLUMN, metric_name
from modelspan.dashboards.promql import counted, labels, total

if TYPE_CHECKING:
    from typing import Literal

_BIN = (*COLUMN, BIN)


def drift(method: Literal["psi", "js", "ks"], matchers: str, window: str) -> str:
    """The distance of each feature's counts from its reference.

    The recording rules give the same for all replicas and fixed windows at a fraction of the cost. They
    leave out references with a season: here too, such a one is compared as a whole, so that only windows of
    whole weeks mean something.

    Args:
        method: psi, js or ks; the expression of ks is long.
        matchers: Label matchers without braces, which choose the replicas; may be empty.
        window: A duration, or a variable of Grafana.
    """
    current = current_counts(matchers, window)
    reference = reference_counts(matchers, window)
    if method == "ks":
        apart = f"({distances.difference(reference, current)})"
        return distances.ks(lambda bins: f"({apart} and on {labels(_BIN)} {_reference(bins, window)})")
    shares = (f"({distances.share(reference)})", f"({distances.share(current)})")
    return distances.psi(*shares) if method == "psi" else distances.jensen_shannon(*shares)


def current_counts(matchers: str, window: str) -> str:
    """Values per bin that were counted within the window."""
    return f"({total(counted(metric_name(semconv.FEATURE_OBSERVATIONS), matchers, window), _BIN)})"


def reference_counts(matchers: str, window: str) -> str:
    """Values per bin in the reference, as the processes of the window say."""
    return f"(max by {labels((*_BIN, BIN_INDEX))} ({_reference(matchers, window)}))"


def _reference(matchers: str, window: str) -> str:
    return f"last_over_time({metric_name(semconv.FEATURE_REFERENCE)}{{{matchers}}}[{window}])"

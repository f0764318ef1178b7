"""Counts over replicas and windows in PromQL, exact where Prometheus' own functions extrapolate."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SILENCE = "1h"
"""How long a process may have sent nothing and still be taken for the same one when it is back."""


def labels(names: Sequence[str]) -> str:
    """A list of labels, as `by` and `on` take it."""
    return f"({', '.join(names)})"


def counted(metric: str, matchers: str, window: str) -> str:
    """What each process added to a counter within the window, exact to the unit.

    `increase` guesses at both ends of a window and does not see what a counter held at its first sample. The
    newest value in the window less the last one before it is exact, and so is the newest value of a counter
    that began within it. Only a counter that fell, because a restarted process kept its
    `service.instance.id`, is left to `increase`.

    Args:
        metric: Name of the counter in Prometheus.
        matchers: Label matchers without braces, to choose replicas; may be empty.
        window: A duration, or a variable of Grafana.
    """
    series = f"{metric}{{{matchers}}}" if matchers else metric
    newest = f"last_over_time({series}[{window}])"
    before = f"last_over_time({series}[{SILENCE}] offset {window})"
    fell = f"resets({series}[{window}]) > 0"
    return (
        f"(\n  ({newest} - {before} >= 0 unless {fell})\n"
        f"  or (increase({series}[{window}]) and {fell})\n"
        f"  or {newest}\n)"
    )


def total(expression: str, by: Sequence[str]) -> str:
    """The sum of an expression over all labels but those named."""
    return f"sum by {labels(by)} ({expression})"

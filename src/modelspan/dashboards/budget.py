"""Alerts on calls that fail or take too long: how fast they use up what the objective allows.

Source: Beyer et al. (2018), The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from modelspan.dashboards.alert import Alert
from modelspan.dashboards.names import ERROR, NAME, VERSION
from modelspan.dashboards.recording import CALLS, ERRORS, SLOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelspan.dashboards.plan import Plan

OBJECTIVE: Final = 0.99
"""Share of the calls that should succeed, and share that should be fast."""
_FAST_BURN: Final = (("1h", "5m", 14.4), ("6h", "30m", 6.0))
_SLOW_BURN: Final = (("3d", "6h", 1.0),)
_LEAST: Final = 10
"""Bad calls in the long window without which nothing is told: one failure of three is no burn rate."""
WHO: Final = f"{{{{ $labels.{NAME} }}}} {{{{ $labels.{VERSION} }}}}"
_FAILED = (
    "More calls of the model raise an exception than the objective of 99 % allows. {pace} "
    "Cancelled calls are not counted."
)
_SLOW = "More calls of the model take longer than {seconds:g} s than the objective of 99 % allows. {pace}"
_NOW = "At this rate a month's allowance is gone within days."
_CREEPING = "The rate is low, but it has lasted for days, and a month's allowance will be gone by its end."
_FAILED_STEPS = (
    "Open the service dashboard and see which `error.type` grew, in which version, and since when.",
    (
        "Follow an exemplar of the duration panel to a failed trace, or search Sentry for the model's name; "
        "read the exception."
    ),
    (
        "If it began with a release, roll back; if inputs changed, look at the drift dashboard for missing "
        "or unseen values."
    ),
)
_SLOW_STEPS = (
    "Open the service dashboard: did all quantiles move (less capacity) or only the highest (some inputs)?",
    "Follow an exemplar from a slow bucket to its trace, and see which span inside predict takes the time.",
    "Compare traffic and calls running now with yesterday's; add replicas, or roll back a new version.",
)


def alerts(plan: Plan) -> list[Alert]:
    """Failures and slowness, fast and slow burn of each."""
    return [
        _alert(plan, kind, suffix, pace)
        for kind in (_Kind("ModelErrors", _errors, f"Calls of {WHO} fail", _FAILED, _FAILED_STEPS),
                     _Kind("ModelSlow", _slow, f"Calls of {WHO} are slow", _SLOW, _SLOW_STEPS))
        for suffix, pace in (("", _NOW), ("Sustained", _CREEPING))
    ]  # fmt: skip


class _Kind(NamedTuple):
    """One way in which a call can be bad."""

    name: str
    bad: Callable[[str], str]
    summary: str
    means: str
    steps: tuple[str, str, str]


def _alert(plan: Plan, kind: _Kind, suffix: str, pace: str) -> Alert:
    burns = _SLOW_BURN if suffix else _FAST_BURN
    return Alert(
        name=kind.name + suffix,
        expression="\nor ".join(_burn(kind.bad, *burn) for burn in burns),
        severity="ticket" if suffix else "page",
        summary=kind.summary,
        description="{{ $value | humanizePercentage }} of the calls, over the longer window.",
        dashboard="modelspan-service",
        means=kind.means.format(seconds=plan.latency_seconds, pace=pace),
        steps=kind.steps,
    )


def _burn(bad: Callable[[str], str], long: str, short: str, rate: float) -> str:
    """The bad share over the long window where both windows burn faster than `rate`."""
    limit = f"{rate * (1 - OBJECTIVE):.6g}"
    return (
        f"({bad(long)} / {calls(long)} > {limit}\n"
        f"  and {bad(short)} / {calls(short)} > {limit}\n"
        f"  and {bad(long)} >= {_LEAST})"
    )


def calls(window: str, ago: str = "") -> str:
    """Calls of each model within a window, which ended some time ago."""
    return f"sum_over_time({CALLS}[{window}]{f' offset {ago}' if ago else ''})"


def _errors(window: str) -> str:
    return f"sum without ({ERROR}) (sum_over_time({ERRORS}[{window}]))"


def _slow(window: str) -> str:
    return f"sum_over_time({SLOW}[{window}])"

"""Part of the performance tab: what became of predictions and outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from modelspan.viewer.views import parts, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MEANING: Final = {
    "pending": "stored, to wait for its outcome",
    "joined": "the outcome counts in performance",
    "superseded": "a later outcome took its place",
    "orphan": "its prediction is not known, or not yet",
    "expired": "the join window ended first",
    "evicted": "had its outcome, went to make room",
    "forgotten": "had its outcome, the window is over",
    "lost": "found missing after damage",
}
_SHOWN: Final = ("pending", "joined", "superseded", "orphan", "expired", "rejected")


def feedback(states: Sequence[Mapping[str, Any]]) -> list[parts.Node]:
    """A table of the states, those without entries too; nothing without a store."""
    if not states:
        return []
    known = {each["state"] for each in states}
    empty = [
        {"state": state, "reason": "", "of_model": True, "predictions": None, "outcomes": None}
        for state in _SHOWN
        if state not in known
    ]
    ordered = sorted([*states, *empty], key=lambda each: _place(str(each["state"])))
    table = parts.table(["state", "predictions#", "outcomes#", "meaning"], [_row(e) for e in ordered],
                        kind="states")  # fmt: skip
    return [parts.card("Feedback", parts.live("feedback", table))]


def _row(each: Mapping[str, Any]) -> list[parts.Node]:
    state, reason = str(each["state"]), str(each["reason"])
    tone: parts.Tone = "warn" if state in ("rejected", "lost") and reason != "duplicate" else "quiet"
    tone = tone if each["predictions"] or each["outcomes"] else "quiet"
    meaning = reason.replace("_", " ") if reason else _MEANING.get(state, "")
    if state == "rejected" and not reason:
        meaning = "it had no meaning, or was told before"
    elif not each["of_model"]:
        meaning += " (of any model)"
    return [parts.badge(state, tone), _count(each["predictions"]), _count(each["outcomes"]), meaning]


def _count(value: int | None) -> str:
    return text.count(value or 0)


def _place(state: str) -> int:
    return _SHOWN.index(state) if state in _SHOWN else len(_SHOWN)

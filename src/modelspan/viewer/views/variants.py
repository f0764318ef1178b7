"""Part of the performance tab: variants of the model on the same traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import html

from modelspan.viewer import curves
from modelspan.viewer.views import parts, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOTE = (
    "challenger minus champion; the band may be looked at any time: once it leaves out 0 the difference is "
    "real, and the probability that it ever errs is 5 %"
)


def variants(comparisons: Sequence[Mapping[str, Any]]) -> list[parts.Node]:
    """A table, and the difference of performance of the pair with the most outcomes; nothing without any."""
    if not comparisons:
        return []
    headings = [
        "challenger, champion",
        "pairs#",
        "outcomes#",
        "agreement#",
        "score#",
        "performance#",
        "better",
    ]
    table = parts.table(headings, [_row(each) for each in comparisons], kind="variants")
    blocks = [parts.card("Champion, challenger, shadow", parts.live("variants", table))]
    largest = max(comparisons, key=lambda each: each["outcomes"] or 0)
    if largest["history"]:
        title = f"{_name(largest, 'challenger')} against {_name(largest, 'champion')}"
        blocks.append(parts.chart(title, curves.sequence(largest["history"]), height=280, note=NOTE))
    return blocks


def _row(each: Mapping[str, Any]) -> list[parts.Node]:
    measures = each["measures"]
    return [
        parts.stack(
            html.Strong(_name(each, "challenger")), parts.muted(f"against {_name(each, 'champion')}")
        ),
        text.count(each["pairs"]),
        text.count(each["outcomes"]),
        _with_interval(measures.get("agreement"), text.share),
        _with_interval(measures.get("score_difference"), _signed),
        _with_interval(measures.get("performance_difference"), _signed),
        _better(each),
    ]


def _name(each: Mapping[str, Any], role: str) -> str:
    version = each[f"{role}_version"]
    return f"{each[role] or 'unnamed'}{f' {version}' if version else ''}"


def _better(each: Mapping[str, Any]) -> parts.Node:
    if each["better"] is None:
        return parts.badge("not decided" if each["outcomes"] else "no outcomes yet")
    return parts.badge(_name(each, each["better"]), "good")


def _with_interval(measure: Mapping[str, float | None] | None, write: Any) -> parts.Node:
    if measure is None:
        return text.ABSENT
    lower, upper = measure.get("lower"), measure.get("upper")
    return parts.stack(
        write(measure.get("value")),
        None if lower is None else parts.muted(f"{write(lower)} to {write(upper)}"),
    )


def _signed(value: float | None) -> str:
    return text.ABSENT if value is None else f"{value:+.3f}".replace("-0.000", "+0.000")

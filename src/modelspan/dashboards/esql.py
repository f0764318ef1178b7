"""Panels that ask Elasticsearch by ES|QL: the query and how its columns are drawn."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

LOGS = "FROM logs-*.otel-*"
TRACES = "FROM traces-*.otel-*"
METRICS = "FROM metrics-*.otel-*"
WHEN = "when = BUCKET(@timestamp, 50, ?_tstart, ?_tend)"
"""About 50 buckets over the dashboard's time range; Kibana 8.16 and newer fill in both ends."""

Type = Literal["number", "string", "date"]
Kind = Literal["metric", "line", "bar", "bar_stacked", "table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One chart or table of a Kibana dashboard."""

    title: str
    kind: Kind
    query: str
    columns: tuple[tuple[str, Type], ...]
    """The query's columns that are drawn, with their kind of value."""
    x: str = ""
    y: tuple[str, ...] = ()
    right: str = ""
    """The one of `y` that has an axis of its own, on the right."""
    split: str = ""
    width: int = 24
    """Of 48."""
    height: int = 11


def number(title: str, column: str, query: str) -> Panel:
    """One big number; four of them fill a row."""
    return Panel(
        title=title,
        kind="metric",
        query=query,
        columns=((column, "number"),),
        y=(column,),
        width=12,
        height=6,
    )


def over_time(title: str, query: str, *y: str, split: str = "", kind: Kind = "line") -> Panel:
    """Columns `y` by the query's column `when`, one series for each value of `split`."""
    series: tuple[tuple[str, Type], ...] = ((split, "string"),) if split else ()
    columns: tuple[tuple[str, Type], ...] = (("when", "date"), *series, *((each, "number") for each in y))
    return Panel(title=title, kind=kind, query=query, columns=columns, x="when", y=y, split=split)


def table(title: str, query: str, *columns: tuple[str, Type], width: int = 48) -> Panel:
    """Rows as they are."""
    return Panel(title=title, kind="table", query=query, columns=columns, width=width, height=13)


def pipe(*steps: str) -> str:
    """A query of several steps."""
    return "\n| ".join(steps)


def text(value: str) -> str:
    """A string literal."""
    return json.dumps(value, ensure_ascii=False)


def field(name: str) -> str:
    """A name that may hold anything, as features' names do."""
    return f"`{name.replace('`', '``')}`"

"""Panels, variables and layout of Grafana's classic dashboard JSON, which every version since 8 imports.

Schema: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/ .
No Grafana runs in the tests: fields are checked against Grafana Labs' typed models of that schema, and each
query runs on a real Prometheus.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from modelspan.dashboards.provisioning import PROMETHEUS

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE: Final = {"type": "prometheus", "uid": PROMETHEUS}
WIDTH: Final = 24
PER_SECOND: Final = "suffix:/s"
_BY_LIMITS: Final = ("stat", "state-timeline")
_GREEN, _YELLOW, _RED = "green", "yellow", "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query of a panel."""

    expr: str
    legend: str = ""
    exemplar: bool = False
    table: bool = False
    """The newest value of each series, with its labels as columns."""
    heatmap: bool = False

    def target(self, position: int) -> dict[str, Any]:
        """As it stands in the panel."""
        shape = "table" if self.table else "heatmap" if self.heatmap else "time_series"
        return {
            "refId": "ABCDEFGHIJ"[position],
            "datasource": SOURCE,
            "editorMode": "code",
            "expr": self.expr,
            "legendFormat": self.legend or "__auto",
            "format": shape,
            "instant": self.table,
            "range": not self.table,
            "exemplar": self.exemplar,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What a panel shows; its place follows from the row that holds it."""

    kind: str
    title: str
    description: str
    queries: Sequence[Query] = ()
    unit: str = "short"
    limits: Sequence[float] = ()
    """Where yellow and red begin."""
    options: dict[str, Any] = field(default_factory=dict)
    custom: dict[str, Any] = field(default_factory=dict)
    minimum: float | None = None
    maximum: float | None = None
    transformations: Sequence[dict[str, Any]] = ()
    mappings: Sequence[dict[str, Any]] = ()
    """Words in place of values."""
    repeat: str = ""
    width: int = 12
    height: int = 8

    def build(self, number: int, x: int, y: int) -> dict[str, Any]:
        """The panel's JSON."""
        colours = (_GREEN, _YELLOW, _RED) if len(self.limits) > 1 else (_GREEN, _RED)
        steps = [{"color": c, "value": v} for c, v in zip(colours, (None, *self.limits), strict=False)]
        bounds = {"min": self.minimum, "max": self.maximum}
        defaults: dict[str, Any] = {
            "unit": self.unit,
            "thresholds": {"mode": "absolute", "steps": steps},
            "custom": self.custom,
            "color": {"mode": "thresholds" if self.kind in _BY_LIMITS else "palette-classic"},
            "mappings": list(self.mappings),
            "noValue": "no data",
            **{name: value for name, value in bounds.items() if value is not None},
        }
        repeat = {"repeat": self.repeat, "repeatDirection": "h", "maxPerRow": 3} if self.repeat else {}
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": [query.target(position) for position, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": self.options,
            **({"transformations": list(self.transformations)} if self.transformations else {}),
            **repeat,
        }


def timeseries(title: str, description: str, *queries: Query, **settings: Any) -> Panel:
    """Lines over time; where there are limits, they are drawn."""
    custom = {
        "drawStyle": "line", "lineWidth": 1, "fillOpacity": 8, "showPoints": "auto", "spanNulls": False,
        "thresholdsStyle": {"mode": "dashed" if settings.get("limits") else "off"},
    }  # fmt: skip
    options = {
        "legend": {
            "displayMode": "table",
            "placement": "bottom",
            "showLegend": True,
            "calcs": ["lastNotNull"],
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return Panel(
        kind="timeseries", title=title, description=description, queries=queries, custom=custom,
        options=options, **settings,
    )  # fmt: skip


def stat(title: str, description: str, query: Query, **settings: Any) -> Panel:
    """One number with its colour and its recent course."""
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value", "graphMode": "area", "textMode": "auto", "justifyMode": "auto",
    }  # fmt: skip
    return Panel(
        kind="stat", title=title, description=description, queries=[query], options=options,
        **{"width": 4, "height": 4, **settings},
    )  # fmt: skip


def heatmap(title: str, description: str, expr: str, **settings: Any) -> Panel:
    """The buckets of a histogram over time."""
    query = Query(expr=expr, legend="{{le}}", heatmap=True, exemplar=True)
    options = {
        "calculate": False,
        "yAxis": {"unit": settings.pop("unit", "short"), "axisPlacement": "left"},
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5},
        "cellGap": 1,
        "tooltip": {"mode": "single", "yHistogram": False},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "legend": {"show": True},
    }
    return Panel(
        kind="heatmap", title=title, description=description, queries=[query], options=options, **settings
    )


def text(title: str, markdown: str, **settings: Any) -> Panel:
    """Markdown."""
    options = {"mode": "markdown", "content": markdown}
    return Panel(kind="text", title=title, description="", options=options, **settings)


def variable(name: str, label: str, values: str, *, many: bool = True) -> dict[str, Any]:
    """A choice among the values of a label, for example ``label_values(metric, label)``."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": values, "refId": f"variable-{name}"},
        "refresh": 2,
        "sort": 1,
        "multi": many,
        "includeAll": many,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]} if many else {},
    }


def choice(name: str, label: str, values: Sequence[str]) -> dict[str, Any]:
    """A choice among fixed values, the first one at first."""
    options = [{"text": value, "value": value, "selected": value == values[0]} for value in values]
    return {
        "name": name,
        "label": label,
        "type": "custom",
        "query": ",".join(value.replace(",", r"\,") for value in values),
        "options": options,
        "current": options[0],
        "multi": False,
        "includeAll": False,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A titled page of rows."""

    uid: str
    title: str
    description: str
    variables: Sequence[dict[str, Any]]
    rows: Sequence[tuple[str, Sequence[Panel]]]

    def to_json(self, links: Sequence[dict[str, Any]]) -> str:
        """The dashboard's file; `links` lead to the other ones."""
        document = {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["modelspan"],
            "timezone": "browser",
            "editable": True,
            "graphTooltip": 1,
            "schemaVersion": 39,
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "templating": {"list": list(self.variables)},
            "annotations": {"list": []},
            "links": list(links),
            "panels": self._panels(),
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

    def _panels(self) -> list[dict[str, Any]]:
        placed: list[dict[str, Any]] = []
        y = 0
        for title, panels in self.rows:
            if title:
                placed.append(_heading(title, 1000 + len(placed), y))
                y += 1
            x = height = 0
            for panel in panels:
                if x + panel.width > WIDTH:
                    x, y, height = 0, y + height, 0
                number = sum(each["type"] != "row" for each in placed) + 1
                placed.append(panel.build(number, x, y))
                x, height = x + panel.width, max(height, panel.height)
            y += height
        return placed


def _heading(title: str, number: int, y: int) -> dict[str, Any]:
    place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}

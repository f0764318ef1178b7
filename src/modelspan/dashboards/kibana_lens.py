"""A panel as the state of Kibana's Lens: one layer that asks by ES|QL."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from modelspan.dashboards.esql import Panel

_TYPES: Final = {"metric": "lnsMetric", "table": "lnsDatatable"}


def lens(panel: Panel, ident: str) -> dict[str, Any]:
    """The `attributes` of a Lens panel held by value."""
    layer = str(uuid.uuid5(uuid.UUID(ident), "layer"))
    pattern = panel.query.split()[1]
    view = hashlib.sha256(pattern.encode()).hexdigest()
    columns = [
        {"columnId": name, "fieldName": name, "label": name, "meta": {"type": kind}}
        for name, kind in panel.columns
    ]
    query = {"esql": panel.query}
    asked = {"index": view, "query": query, "columns": columns, "timeField": "@timestamp"}
    return {
        "title": panel.title,
        "visualizationType": _TYPES.get(panel.kind, "lnsXY"),
        "references": [],
        "state": {
            "query": query,
            "filters": [],
            "datasourceStates": {
                "textBased": {
                    "layers": {layer: asked},
                    "indexPatternRefs": [{"id": view, "title": pattern, "timeField": "@timestamp"}],
                }
            },
            "adHocDataViews": {view: _data_view(view, pattern)},
            "internalReferences": [
                {"type": "index-pattern", "id": view, "name": f"textBasedLanguages-datasource-layer-{layer}"}
            ],
            "visualization": _visualization(panel, layer),
        },
    }


def _data_view(ident: str, pattern: str) -> dict[str, Any]:
    return {
        "id": ident, "title": pattern, "name": pattern, "timeFieldName": "@timestamp", "type": "esql",
        "sourceFilters": [], "fieldFormats": {}, "runtimeFieldMap": {}, "allowNoIndex": False,
        "allowHidden": False,
    }  # fmt: skip


def _visualization(panel: Panel, layer: str) -> dict[str, Any]:
    base: dict[str, Any] = {"layerId": layer, "layerType": "data"}
    if panel.kind == "metric":
        return {**base, "metricAccessor": panel.y[0], "showBar": False}
    if panel.kind == "table":
        return {**base, "columns": [{"columnId": name} for name, _ in panel.columns]}
    data = {**base, "seriesType": panel.kind, "xAccessor": panel.x, "accessors": list(panel.y)}
    if panel.split:
        data["splitAccessor"] = panel.split
    if panel.right:
        data["yConfig"] = [{"forAccessor": panel.right, "axisMode": "right"}]
    return {
        "preferredSeriesType": panel.kind,
        "legend": {"isVisible": True, "position": "right"},
        "valueLabels": "hide",
        "fittingFunction": "None",
        "layers": [data],
    }

"""Kibana's dashboards as saved objects that import into 8.16 and newer and into 9: one NDJSON file each.

The form is that of Kibana's own exports: Lens panels by value over ES|QL, one layer each, with a data view
that lives in the panel. `typeMigrationVersion` is that of 8.x; newer Kibanas migrate it when they import.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from modelspan import semconv
from modelspan.dashboards import kibana_audit, kibana_errors, kibana_predictions
from modelspan.dashboards.kibana_lens import lens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelspan.dashboards.esql import Panel
    from modelspan.dashboards.plan import Files, Plan

_NAMES: Final = uuid.UUID("6f1d8f0e-0a51-4d54-9c5c-3a0c55a1b7de")
"""Name space of our ids: the same panel has the same id wherever it is made, so an import replaces it."""
_COLUMNS: Final = 48
DATA_VIEW: Final = "modelspan-logs"
CONTROLS: Final = ((semconv.MODEL_NAME, "Model"), (semconv.MODEL_VERSION, "Version"))


def files(plan: Plan) -> Files:
    """Predictions, errors and audit; each file brings the data view that its filters ask."""
    boards = {
        "predictions": ("Models: predictions", kibana_predictions.panels(plan.references)),
        "errors": ("Models: errors", kibana_errors.panels()),
        "audit": ("Models: audit", kibana_audit.panels()),
    }
    return {
        f"kibana/{name}.ndjson": _lines(_data_view(), _dashboard(name, title, panels))
        for name, (title, panels) in boards.items()
    }


def _lines(*objects: dict[str, Any]) -> str:
    return "".join(json.dumps(each, ensure_ascii=False, sort_keys=True) + "\n" for each in objects)


def _data_view() -> dict[str, Any]:
    attributes = {
        "title": "logs-*.otel-*",
        "name": "Logs of models (OpenTelemetry)",
        "timeFieldName": "@timestamp",
    }
    return _saved("index-pattern", DATA_VIEW, "8.0.0", attributes, [])


def _dashboard(name: str, title: str, panels: Sequence[Panel]) -> dict[str, Any]:
    controls = [_control(name, order, *each) for order, each in enumerate(CONTROLS)]
    search = {"query": {"query": "", "language": "kuery"}, "filter": []}
    attributes = {
        "title": title,
        "description": "Made by `modelspan dashboards`; an import replaces it.",
        "version": 3,
        "timeRestore": True,
        "timeFrom": "now-24h",
        "timeTo": "now",
        "refreshInterval": {"pause": True, "value": 60_000},
        "optionsJSON": json.dumps({"useMargins": True, "syncCursor": True, "hidePanelTitles": False}),
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(search)},
        "controlGroupInput": {
            "chainingSystem": "HIERARCHICAL",
            "controlStyle": "oneLine",
            "showApplySelections": False,
            "ignoreParentSettingsJSON": json.dumps(
                {f"ignore{each}": False for each in ("Filters", "Query", "Timerange", "Validations")}
            ),
            "panelsJSON": json.dumps(dict(controls)),
        },
        "panelsJSON": json.dumps(_placed(name, panels), ensure_ascii=False),
    }
    references = [
        {"type": "index-pattern", "id": DATA_VIEW, "name": f"controlGroup_{control}:optionsListDataView"}
        for control, _ in controls
    ]
    return _saved("dashboard", f"modelspan-{name}", "10.2.0", attributes, references)


def _control(board: str, order: int, field: str, title: str) -> tuple[str, dict[str, Any]]:
    ident = _id(board, "control", field)
    chosen = {
        "id": ident, "dataViewId": DATA_VIEW, "fieldName": field, "title": title, "selectedOptions": [],
        "searchTechnique": "prefix", "sort": {"by": "_count", "direction": "desc"},
    }  # fmt: skip
    return ident, {
        "order": order, "width": "medium", "grow": False, "type": "optionsListControl",
        "explicitInput": chosen,
    }  # fmt: skip


def _placed(board: str, panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """Panels from left to right, a new row where one does not fit."""
    placed = []
    x = y = deepest = 0
    for panel in panels:
        if x + panel.width > _COLUMNS:
            x, y = 0, y + deepest
            deepest = 0
        ident = _id(board, panel.title, panel.kind)
        grid = {"x": x, "y": y, "w": panel.width, "h": panel.height, "i": ident}
        placed.append(
            {
                "type": "lens", "panelIndex": ident, "gridData": grid, "title": panel.title,
                "embeddableConfig": {"attributes": lens(panel, ident), "enhancements": {}},
            }
        )  # fmt: skip
        x, deepest = x + panel.width, max(deepest, panel.height)
    return placed


def _saved(
    kind: str, ident: str, migration: str, attributes: dict[str, Any], references: list[dict[str, str]]
) -> dict[str, Any]:
    return {
        "type": kind, "id": ident, "attributes": attributes, "references": references, "managed": False,
        "coreMigrationVersion": "8.8.0", "typeMigrationVersion": migration,
    }  # fmt: skip


def _id(*names: str) -> str:
    return str(uuid.uuid5(_NAMES, "/".join(names)))

"""All of Grafana's dashboards, linked with one another, and the runbooks as a dashboard of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelspan.dashboards import grafana_drift, grafana_fleet, grafana_performance, grafana_service
from modelspan.dashboards.alert import RUNBOOKS
from modelspan.dashboards.alerts import all_alerts
from modelspan.dashboards.grafana_parts import Dashboard, text

if TYPE_CHECKING:
    from modelspan.dashboards.plan import Files, Plan

_PAGES = (grafana_service, grafana_drift, grafana_performance, grafana_fleet)


def dashboards(plan: Plan) -> list[Dashboard]:
    """Every dashboard."""
    return [*(page.dashboard(plan) for page in _PAGES), _runbooks(plan)]


def files(plan: Plan) -> Files:
    """One file of JSON each."""
    links = [_to_the_others()]
    return {f"grafana/dashboards/{each.uid}.json": each.to_json(links) for each in dashboards(plan)}


def _to_the_others() -> dict[str, Any]:
    """A menu of all dashboards with our tag, which keeps the chosen model and time."""
    return {
        "type": "dashboards", "title": "modelspan", "tags": ["modelspan"], "asDropdown": True,
        "includeVars": True, "keepTime": True, "targetBlank": False,
        "icon": "external link", "tooltip": "", "url": "",
    }  # fmt: skip


def _runbooks(plan: Plan) -> Dashboard:
    """A panel for each alert; `runbook_url` opens one of them."""
    panels = [text(alert.name, alert.runbook(), height=9) for alert in all_alerts(plan)]
    return Dashboard(
        uid=RUNBOOKS,
        title="modelspan: runbooks",
        description="What each alert means and the first three things to do.",
        variables=[],
        rows=[("", panels)],
    )

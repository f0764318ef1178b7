"""Grafana's provisioning files: data sources with fixed uids, and the folder of dashboards.

Schema: https://grafana.com/docs/grafana/latest/administration/provisioning/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from modelspan.dashboards.yaml_text import to_yaml

if TYPE_CHECKING:
    from modelspan.dashboards.plan import Files, Plan

PROMETHEUS: Final = "modelspan-prometheus"
JAEGER: Final = "modelspan-jaeger"
ALERTMANAGER: Final = "modelspan-alertmanager"
FOLDER: Final = "modelspan"
EXEMPLAR_LABEL: Final = "trace_id"
"""Where Prometheus keeps an exemplar's trace id, by the OpenMetrics compatibility specification."""


def files(plan: Plan) -> Files:
    """Data sources and the provider of dashboards; paths inside the container of Grafana's official image."""
    del plan
    provider = {
        "name": "modelspan",
        "folder": FOLDER,
        "type": "file",
        "allowUiUpdates": False,
        "options": {"path": "/var/lib/grafana/dashboards/modelspan"},
    }
    return {
        "grafana/provisioning/datasources/modelspan.yaml": to_yaml(
            {"apiVersion": 1, "datasources": [_prometheus(), _jaeger(), _alertmanager()]}
        ),
        "grafana/provisioning/dashboards/modelspan.yaml": to_yaml({"apiVersion": 1, "providers": [provider]}),
    }


def _prometheus() -> dict[str, Any]:
    """Its exemplars open the trace in Jaeger."""
    jump = {"name": EXEMPLAR_LABEL, "datasourceUid": JAEGER, "urlDisplayLabel": "Open the trace"}
    return {
        "name": "Prometheus",
        "uid": PROMETHEUS,
        "type": "prometheus",
        "access": "proxy",
        "url": "$PROMETHEUS_URL",
        "isDefault": True,
        "jsonData": {"httpMethod": "POST", "timeInterval": "10s", "exemplarTraceIdDestinations": [jump]},
    }


def _jaeger() -> dict[str, Any]:
    return {"name": "Jaeger", "uid": JAEGER, "type": "jaeger", "access": "proxy", "url": "$JAEGER_URL"}


def _alertmanager() -> dict[str, Any]:
    return {
        "name": "Alertmanager",
        "uid": ALERTMANAGER,
        "type": "alertmanager",
        "access": "proxy",
        "url": "$ALERTMANAGER_URL",
        "jsonData": {"implementation": "prometheus", "handleGrafanaManagedAlerts": False},
    }

"""One alert: when it fires, and what it tells the person it wakes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from modelspan.dashboards.names import NAME

if TYPE_CHECKING:
    from modelspan.dashboards.plan import Plan

RUNBOOKS: Final = "modelspan-runbooks"
"""The dashboard whose panels are the runbooks: a link that works wherever the dashboards are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A rule with its runbook."""

    name: str
    expression: str
    lasts: str = ""
    """How long the expression must hold."""
    keeps: str = ""
    """How long it fires on after the expression held."""
    severity: Literal["page", "ticket"]
    """`page`: somebody must look now; `ticket`: within days."""
    summary: str
    """One line, with Go templates."""
    description: str
    """Numbers and labels, with Go templates."""
    dashboard: str
    """Uid of the dashboard to look at."""
    means: str
    """What has happened, for the runbook."""
    steps: tuple[str, str, str]
    """The first three things to do."""

    def rule(self, plan: Plan, panel: int) -> dict[str, Any]:
        """The rule as Prometheus reads it; `panel` is the id of its runbook."""
        model = f"?var-model={{{{ $labels.{NAME} | urlquery }}}}" if NAME in self.summary else ""
        links = {
            "runbook_url": f"{plan.grafana}/d/{RUNBOOKS}?viewPanel={panel}",
            "dashboard_url": f"{plan.grafana}/d/{self.dashboard}{model}",
        }
        timing = {"for": self.lasts, "keep_firing_for": self.keeps}
        return {
            "alert": self.name,
            "expr": self.expression,
            **{name: value for name, value in timing.items() if value},
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "description": self.description, **links},
        }

    def runbook(self) -> str:
        """What it means and the first three things to do, in Markdown."""
        steps = "\n".join(f"{number}. {step}" for number, step in enumerate(self.steps, 1))
        return f"{self.means}\n\n{steps}\n"

"""A drift alarm with its evidence, as a log event and as what goes to people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from modelspan import semconv
from modelspan.delivery.logs import ERROR, INFO, WARN, Emit, LogEvent
from modelspan.drift.alarm import grown_bins
from modelspan.sinks.attributes import model_attributes
from modelspan.sinks.features import Tracked, values_of

if TYPE_CHECKING:
    from modelspan.drift.alarm import AlarmChange, State
    from modelspan.drift.compare import FeatureDrift
    from modelspan.prediction import Model

MAX_TRACES = 5
Alert = Callable[[str, dict[str, Any]], None]
"""Delivers an alarm to people: its event name and its evidence."""
SEVERITY: dict[State, int] = {"open": WARN, "escalated": ERROR, "closed": INFO}
_SAID: dict[State, str] = {"open": "drifted", "escalated": "drifted further", "closed": "is back"}


class Teller(NamedTuple):
    """Where the alarms of a process go."""

    emit: Emit
    alert: Alert | None = None
    """None where nobody is to be told."""

    def tell(self, event: str, said: str, state: State, attributes: Mapping[str, Any]) -> None:
        """Send the event, and the alert."""
        self.emit(LogEvent(event=event, body=said, severity=SEVERITY[state], attributes=attributes))
        if self.alert is not None:
            self.alert(event, {"summary": said, "state": state, **attributes})


def announce(tracked: Tracked, change: AlarmChange, teller: Teller) -> None:
    """Tell of a change of a drift alarm."""
    drift = change.drift
    said = f"{drift.feature} {_SAID[change.state]}: psi {drift.psi:.3f} in {drift.rows:,} rows"
    teller.tell(semconv.DRIFT_EVENT.name, said, change.state, _attributes(tracked, change))


def _attributes(tracked: Tracked, change: AlarmChange) -> dict[str, object]:
    drift = change.drift
    grown = grown_bins(drift)
    attributes = drift_attributes(tracked.target.model, drift)
    attributes[semconv.DRIFT_STATE] = change.state
    attributes[semconv.DRIFT_RULE] = change.rule
    attributes[semconv.DRIFT_TOP_BINS] = [drift.labels[position] for position in grown]
    attributes[semconv.DRIFT_TRACES] = [] if change.state == "closed" else _traces(tracked, drift, grown)
    if change.e_value is not None:
        attributes[semconv.DRIFT_E_VALUE] = change.e_value
    return attributes


def drift_attributes(model: Model, drift: FeatureDrift) -> dict[str, object]:
    """A window of a feature against its reference: distances, p-value and both histograms."""
    distances = {semconv.DRIFT_PREFIX + method: value for method, value in drift.distances().items()}
    return {
        **model_attributes(model),
        semconv.FEATURE_NAME: drift.feature,
        semconv.FEATURE_KIND: drift.kind,
        **distances,
        semconv.DRIFT_P_VALUE: drift.p_value,
        semconv.DRIFT_WINDOW_ROWS: drift.rows,
        semconv.DRIFT_BINS: list(drift.labels),
        semconv.DRIFT_REFERENCE_COUNTS: drift.reference_counts.tolist(),
        semconv.DRIFT_CURRENT_COUNTS: drift.current_counts.tolist(),
    }


def _traces(tracked: Tracked, drift: FeatureDrift, grown: list[int]) -> list[str]:
    """Trace ids of recent predictions in the bins that grew: most grown first, newest first."""
    column = tracked.columns[drift.feature]
    found: dict[int, list[str]] = {position: [] for position in grown}
    for prediction in reversed(tracked.recent):
        counts = column.count(values_of(drift.feature, column, prediction))
        for position in grown:
            if counts[position]:
                found[position].append(f"{prediction.trace_id:032x}")
    return list(dict.fromkeys(trace for traces in found.values() for trace in traces))[:MAX_TRACES]

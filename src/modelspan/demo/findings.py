"""What the backend found: nothing here is known beforehand except which features should have drifted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich.table import Table

from modelspan import _setup, semconv
from modelspan.demo.scoring import MODEL, VERSION
from modelspan.demo.traffic import DRIFTED

if TYPE_CHECKING:
    from modelspan.demo.backend import Backend
    from modelspan.demo.display import Tally

_WARN = 13
_SIGNALS = ("spans", "logs", "metrics")
_ARRIVAL_SECONDS = 5.0
_NOBODY = "not known: --endpoint names another backend, look there"


def alarms(backend: Backend, since: float) -> list[dict[str, Any]] | None:
    """Drift alarms opened after `since` (Unix seconds), oldest first; None when the backend cannot be asked.

    Asked as events, because an earlier run may have left an alarm of the same feature open.
    """
    found = backend.ask("/api/logs", event=semconv.DRIFT_EVENT.name, model=MODEL, limit="1000")
    if found is None:
        return None
    later = [e for e in found["logs"] if e["severity_number"] >= _WARN and e["time"] >= since]
    opened = [e for e in later if e["attributes"].get(semconv.DRIFT_STATE, "open") == "open"]
    return sorted(opened, key=lambda event: float(event["time"]))


def summary(backend: Backend, tally: Tally, delivery: str) -> Table:
    """The table at the end: what was asked, what came out."""
    # No frame: the link must fit into 80 columns in one piece.
    table = Table(
        title="The day is over", title_justify="left", show_header=False, box=None, padding=(0, 1, 0, 0)
    )
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(backend, tally, delivery):
        table.add_row(name, value)
    return table


def _rows(backend: Backend, tally: Tally, delivery: str) -> list[tuple[str, str]]:
    trace = tally.failing_trace
    return [
        ("predictions", f"{tally.predictions:,} rows in {tally.calls:,} calls ({tally.rate():.0f} rows/s)"),
        ("errors", f"{tally.errors} calls raised"),
        ("outcomes", f"{tally.outcomes:,} became known{_coverage(backend)}"),
        ("drift", _drift(backend)),
        ("drift alarms", _alarms(backend, tally)),
        ("failing call", f"{backend.page}/traces/{trace}" if backend.page and trace else trace or "none"),
        ("telemetry", delivery),
        ("page", backend.page or "none"),
    ]


def _coverage(backend: Backend) -> str:
    found = backend.ask("/api/performance", model=MODEL, version=VERSION)
    if not found or not found["coverage"]:
        return ""
    area = found["overall"].get("roc_auc")
    measured = "" if area is None else f", ROC AUC on them {area:.3f}"
    return f": {found['coverage']:.0%} of the stored predictions have one{measured}"


def _drift(backend: Backend) -> str:
    found = backend.ask("/api/drift", model=MODEL, version=VERSION)
    if found is None:
        return _NOBODY
    ranked = [f"{each['feature']} (PSI {each['psi'] or 0:.2f})" for each in found["features"][:4]]
    first = {each["feature"] for each in found["features"][: len(DRIFTED)] if each["detected"]}
    if first == set(DRIFTED):
        return f"found in {', '.join(ranked[:2])}; next come {', '.join(ranked[2:])}"
    missed = ", ".join(sorted(set(DRIFTED) - first))
    return f"NOT FOUND in {missed}; largest: {', '.join(ranked) or 'no full window yet'}"


def _alarms(backend: Backend, tally: Tally) -> str:
    found = alarms(backend, tally.started_at)
    if found is None:
        return _NOBODY
    texts = []
    for event in found:
        feature = event["attributes"].get(semconv.FEATURE_NAME, "?")
        false = "" if event["time"] >= tally.drifted_at else " (FALSE: before the drift)"
        texts.append(f"{feature} after {event['time'] - tally.started_at:.1f} s{false}")
    return ", ".join(texts) or "none"


def delivery() -> str:
    """What became of the telemetry of this process, by its own exact count."""
    runtime = _setup.current
    if runtime is None:
        return "switched off by OTEL_SDK_DISABLED"
    ledger = runtime.ledger
    sent = ", ".join(f"{ledger.delivered[signal]:,} {signal}" for signal in _SIGNALS)
    lost = ledger.lost()
    waiting = sum(ledger.emitted[s] - ledger.delivered[s] for s in _SIGNALS) - sum(
        count for (signal, _), count in ledger.dropped.items() if signal in _SIGNALS
    )
    unsent = f", {waiting:,} records still wait" if waiting else ""
    return f"delivered {sent}{unsent}; {f'LOST {lost}' if lost else 'nothing dropped'}"


def wait_for_arrival(backend: Backend, tally: Tally) -> None:
    """Give the backend a moment to commit what it has accepted, so that the link works that we print."""
    deadline = time.monotonic() + _ARRIVAL_SECONDS
    while backend.page and tally.failing_trace and time.monotonic() < deadline:
        if backend.ask(f"/api/traces/{tally.failing_trace}") is not None:
            return
        time.sleep(0.1)

"""The resource guard: beyond it spans and logs are thinned and counted, counts and errors are whole."""

import contextlib
import time

import pytest

import modelspan
from modelspan import _setup
from modelspan.delivery.accounting import Ledger
from modelspan.pipeline import budget

from .test_native import read


def test_the_share_shrinks_above_the_budget_and_grows_back_below(monkeypatch):
    clocks = {"now": 0.0, "cpu": 0.0}
    monkeypatch.setattr(budget.time, "monotonic", lambda: clocks["now"])
    monkeypatch.setattr(budget.time, "thread_time", lambda: clocks["cpu"])
    guard = budget.Budget(0.5, Ledger())
    guard.note(crowded=False)
    shares = []
    for used in (0.4, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1):
        clocks["now"] += 1.0
        clocks["cpu"] += used
        guard.note(crowded=False)
        shares.append(guard.share)
    assert shares[:3] == pytest.approx([1.0, 0.5, 0.25])
    assert shares[3] == pytest.approx(0.3125)
    assert shares[-1] == 1.0
    clocks["now"] += 1.0
    guard.note(crowded=True)
    assert guard.share == pytest.approx(0.7)


@pytest.mark.parametrize("native", [True, False])
def test_what_is_thinned_is_counted_and_errors_and_counts_are_whole(endpoint, stopped, monkeypatch, native):
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "60000")
    if not native:
        monkeypatch.setenv("OTEL_SPAN_LINK_COUNT_LIMIT", "128")
    modelspan.configure(endpoint=endpoint.url, tick_seconds=0.2)
    runtime = _setup.current
    runtime.budget.share = 0.25
    monkeypatch.setattr(runtime.budget, "note", lambda *, crowded: None)

    @modelspan.monitor(model="m")
    def predict(x):
        if x["a"] % 10 == 9:
            raise ValueError
        return 1.0

    for i in range(1000):
        with contextlib.suppress(ValueError):
            predict({"a": i})
    deadline = time.monotonic() + 20
    assert modelspan.flush(20)
    assert time.monotonic() < deadline
    found = read(endpoint)
    lost = runtime.ledger.dropped
    kept = len(found["spans"]) - 100
    assert 120 < kept < 340  # binomial(900, 0.25): 8 standard deviations either side
    assert lost["spans", "over_budget"] == 900 - kept
    assert sum(s.status.code == 2 for _, _, s in found["spans"]) == 100
    assert sum(r.event_name == "ml.inference.exception" for _, _, r in found["logs"]) == 100
    assert lost["logs", "over_budget"] == 1000 - len(found["logs"])
    rows = [m for m in found["metrics"] if m.name == "ml.inference.predictions"][-1].sum.data_points
    assert sum(point.as_int for point in rows) == 1000

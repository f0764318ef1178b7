"""Predictions and outcomes as the tests of the store make them."""

import secrets

from modelspan.store.rows import Awaiting, ModelFacts, Outcome

NOW = 1_790_000_000 * 10**9
SECOND = 10**9
DAY = 86_400 * SECOND
CREDIT = ModelFacts("credit", "1", operation="predict", task="binary", classes=("good", "bad"))
PRICE = ModelFacts("price", "1", task="regression")


def new_id():
    return secrets.token_bytes(24)


def awaiting(pid=None, *, row=0, model=CREDIT, label="good", value=None, key=None, extra=None, at=NOW):
    return Awaiting(pid or new_id(), row, model, at, label, value, 0.25, extra, key)


def priced(pid=None, value=10.0):
    return awaiting(pid, model=PRICE, label=None, value=value)


def outcome(
    pid, label="bad", value=None, *, row=0, weight=1.0, at=NOW + SECOND, dated=True, key=None, **model
):
    return Outcome(pid, row, label, value, weight, at, dated, key, **model)


def counts(store):
    """The states without those that are zero."""
    return {name: n for name, n in store.totals().items() if n}


def states(receipts):
    return [f"{each.state}:{each.reason}" if each.reason else each.state for each in receipts]

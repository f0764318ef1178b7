"""Whether an outcome is one that its prediction can have, and how it reads then."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelspan.store.rows import ModelFacts, Outcome
    from modelspan.store.transaction import Known


def fit(known: Known, facts: ModelFacts, outcome: Outcome) -> tuple[str | None, float | None, str]:
    """The outcome as label and value of the prediction's kind, and why it has no meaning for it."""
    if known.kind == "value":
        number = outcome.value if outcome.label is None else _number(outcome.label)
        return (None, number, "") if number is not None else (None, None, "wrong_type")
    if known.kind != "label":
        return outcome.label, outcome.value, ""
    label = outcome.label if outcome.value is None else _whole(outcome.value)
    if label is None:
        return None, None, "wrong_type"
    if not facts.classes or label in facts.classes:
        return label, None, ""
    number = _number(label)
    position = int(number) if number is not None and number.is_integer() else -1
    if 0 <= position < len(facts.classes):
        return facts.classes[position], None, ""
    return None, None, "unknown_class"


def _number(label: str) -> float | None:
    """A label that is a number: in a file all are text until the kind of the prediction is known."""
    try:
        number = float(label)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _whole(value: float) -> str | None:
    """A value that is a whole number, as a label: a data frame turns classes with gaps into floats."""
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else None

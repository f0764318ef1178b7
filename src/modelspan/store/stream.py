"""The changes of the outcome store in the order of their commits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from modelspan.outcome import Change, ExpectedLoss, JoinedRow
from modelspan.store.rows import ModelFacts, unsealed
from modelspan.store.tables import select

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from modelspan.store.database import Database

_Cells = tuple[Any, ...]
_MASK: Final = 2**64 - 1


def read_changes(database: Database, after: int, limit: int) -> Sequence[Change]:
    """New predictions, joins and corrections past `after`, at most `limit`; inside one read transaction."""
    rest = "WHERE id > ? ORDER BY id LIMIT ?"
    predictions = _by_id(database, "predictions", rest, (after, limit))
    outcomes = _by_id(database, "outcomes", "WHERE id > ? AND stale = 0 ORDER BY id LIMIT ?", (after, limit))
    positions = sorted([*predictions, *outcomes])[:limit]
    told = [outcomes[position] for position in positions if position in outcomes]
    missing = {cells[1] for cells in told} - predictions.keys()
    predictions |= _wanted(database, "predictions", missing)
    before = _wanted(database, "outcomes", {cells[7] for cells in told if cells[7]})
    models = _models(database, {cells[4] for cells in predictions.values()})
    keys = _keys(database, predictions)
    return [
        _change(position, predictions, outcomes.get(position), before, (models, keys))
        for position in positions
        if position not in outcomes or outcomes[position][1] in predictions
    ]


def _by_id(database: Database, table: str, rest: str, parameters: Sequence[Any]) -> dict[int, _Cells]:
    found = (unsealed(table, row) for row in database.rows(select(table, rest), parameters))
    return {cells[0]: cells for cells in found}


def _wanted(database: Database, table: str, numbers: Iterable[int]) -> dict[int, _Cells]:
    wanted = list(numbers)
    return _by_id(database, table, "WHERE id IN ?*", (wanted,)) if wanted else {}


def _models(database: Database, numbers: Iterable[int]) -> dict[int, ModelFacts]:
    found = _wanted(database, "models", numbers)
    return {number: ModelFacts.parse(document) for number, document in found.values()}


def _keys(database: Database, numbers: Iterable[int]) -> dict[int, str]:
    """Hashes of the business keys of those predictions that have one."""
    wanted = list(numbers)
    if not wanted:
        return {}
    found = database.rows(select("keys", "WHERE prediction IN ?*"), (wanted,))
    cells = (unsealed("keys", row) for row in found)
    return {number: f"{first & _MASK:016x}{second & _MASK:016x}" for number, first, second in cells}


def _change(
    position: int,
    predictions: dict[int, _Cells],
    outcome: _Cells | None,
    before: dict[int, _Cells],
    named: tuple[dict[int, ModelFacts], dict[int, str]],
) -> Change:
    cells = predictions[position if outcome is None else outcome[1]]
    facts, key = named[0][cells[4]], named[1].get(cells[0], "")
    if outcome is None:
        return Change(position=position, before=None, after=_row(cells, facts, key, None))
    return Change(
        position=position,
        before=_row(cells, facts, key, before.get(outcome[7])),
        after=_row(cells, facts, key, outcome),
    )


def _row(cells: _Cells, facts: ModelFacts, key: str, outcome: _Cells | None) -> JoinedRow:
    _, _, pid, row, _, predicted_ns, label, value, score, extra = cells
    more = json.loads(extra) if extra else {}
    named = bytes(pid).hex()
    _, _, true_label, true_value, weight, at_ns = outcome[:6] if outcome else (0, 0, None, None, 1.0, None)
    return JoinedRow(
        prediction_id=f"{named[:32]}-{named[32:]}", row=row, key=key, model=facts.name,
        version=facts.version, variant=facts.variant, operation=facts.operation, task=facts.task,
        classes=facts.classes, predicted_ns=predicted_ns, label=label, value=value, score=score,
        probabilities=more.get("probabilities"), expected_loss=_loss(more.get("loss")),
        segments=more.get("segments", {}), outcome_label=true_label,
        outcome_value=true_value, weight=weight, outcome_ns=at_ns,
    )  # fmt: skip


def _loss(stored: list[float] | None) -> ExpectedLoss | None:
    return ExpectedLoss(stored[0], stored[1], bool(stored[2])) if stored else None

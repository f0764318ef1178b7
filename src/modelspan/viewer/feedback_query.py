"""What became of predictions and outcomes, as processes with a store say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from modelspan import semconv
from modelspan.viewer.values import finite

if TYPE_CHECKING:
    from modelspan.viewer.queries import Database

_ORDER: Final = (
    "pending",
    "joined",
    "superseded",
    "orphan",
    "expired",
    "rejected",
    "evicted",
    "forgotten",
    "lost",
)
_NEWEST: Final = """
SELECT s.attributes, s.model,
  (SELECT value FROM points WHERE series = s.id ORDER BY time_ns DESC, id DESC LIMIT 1) AS value
FROM series AS s WHERE s.name = ?1 AND (s.model = ?2 OR s.model IS NULL) ORDER BY s.seen, s.id"""
_SIDES: Final = ("prediction", "outcome")


def feedback_states(database: Database, model: str | None) -> list[dict[str, Any]]:
    """How many predictions and outcomes are in each state, by reason, over versions and variants.

    Outcomes whose prediction is not known, orphans and most that were rejected, are of no model: they are
    those of all models, marked by `of_model`. Processes that share a store say the same: the one that spoke
    last is heard.
    """
    newest: dict[str, tuple[dict[str, Any], bool, int]] = {}
    for row in database.rows(_NEWEST, (semconv.FEEDBACK_STATES.name, model)):
        named = json.loads(row["attributes"])
        newest[row["attributes"]] = (named, row["model"] is not None, int(finite(row["value"]) or 0))
    found: dict[tuple[str, str, bool], dict[str, Any]] = {}
    for named, mine, count in newest.values():
        side = str(named.get(semconv.FEEDBACK_OF))
        key = (str(named.get(semconv.FEEDBACK_STATE)), str(named.get(semconv.FEEDBACK_REASON, "")), mine)
        if side in _SIDES and count:
            empty = {"state": key[0], "reason": key[1], "of_model": mine, "predictions": 0, "outcomes": 0}
            found.setdefault(key, empty)[f"{side}s"] += count
    return [found[key] for key in sorted(found, key=lambda key: (_place(key[0]), *key))]


def _place(state: str) -> int:
    return _ORDER.index(state) if state in _ORDER else len(_ORDER)

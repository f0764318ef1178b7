"""Errors that a loss model expects of predictions, within a share of what the worker may cost."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from modelspan.guard import fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelspan.delivery.accounting import Ledger
    from modelspan.outcome import ExpectedLoss
    from modelspan.prediction import Prediction

SHARE: Final = 0.2
"""Of the worker's CPU budget."""
LONGEST_SECONDS: Final = 1.0
"""Of unused time that is saved up for a busy moment."""
ROWS: Final = 2_000
"""Rows that the loss model is asked about at once: it can't be interrupted."""
SIGNAL: Final = "expected losses"


class Losses:
    """Asks loss models while there is time; rows for which there is none have no expectation, and count."""

    def __init__(self, ledger: Ledger, cores: float) -> None:
        self._ledger = ledger
        self._share = cores * SHARE
        self._seconds = LONGEST_SECONDS
        self._since = time.monotonic()

    def of(self, predictions: Sequence[Prediction]) -> dict[int, list[ExpectedLoss]]:
        """Expectations of the sampled rows, by `id` of the prediction; none where there is no loss model."""
        wanted = [each for each in predictions if each.target.loss_model is not None and _is_whole(each)]
        now = time.monotonic()
        self._seconds = min(LONGEST_SECONDS, self._seconds + (now - self._since) * self._share)
        self._since = now
        found: dict[int, list[ExpectedLoss]] = {}
        for group in _groups(wanted):
            if self._seconds <= 0:
                self._ledger.lose(SIGNAL, "over_budget", sum(len(each.values) for each in group))
            else:
                found |= self._ask(group)
        return found

    def _ask(self, group: Sequence[Prediction]) -> dict[int, list[ExpectedLoss]]:
        names = group[0].features
        columns = {name: [cell for each in group for cell in each.features[name]] for name in names}
        predicted = [value for each in group for value in each.values]
        started = time.monotonic()
        try:
            expected = group[0].target.loss_model.expect(columns, predicted)
        except BaseException:  # the user's regressor may raise anything
            fault("asking the loss model")
            self._ledger.lose(SIGNAL, "loss_model", len(predicted))
            return {}
        finally:
            self._seconds -= time.monotonic() - started
        rows = iter(expected)
        return {id(each): [next(rows) for _ in each.values] for each in group}


def _is_whole(prediction: Prediction) -> bool:
    """Whether each row has its prediction and its features, and nothing is NaN."""
    rows = len(prediction.values)
    return (
        prediction.failure is None
        and rows > 0
        and all(len(column) == rows for column in prediction.features.values())
        and all(map(math.isfinite, prediction.values))
    )


def _groups(predictions: Sequence[Prediction]) -> list[list[Prediction]]:
    """Predictions of one loss model with the same features, few enough to be asked about at once."""
    groups: list[list[Prediction]] = []
    open_groups: dict[tuple[int, tuple[str, ...]], tuple[list[Prediction], int]] = {}
    for each in predictions:
        key = (id(each.target.loss_model), tuple(each.features))
        group, rows = open_groups.get(key, ([], ROWS))
        if rows + len(each.values) > ROWS:
            group, rows = [], 0
            groups.append(group)
        group.append(each)
        open_groups[key] = (group, rows + len(each.values))
    return groups

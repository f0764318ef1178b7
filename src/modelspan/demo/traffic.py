"""A compressed day of requests: what arrives when, what is wrong with it, and when the truth comes back."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from modelspan.demo.scoring import TARGET

if TYPE_CHECKING:
    import pandas as pd

DRIFT_FROM = 0.45
"""Share of the day after which two features drift."""
DRIFTED = ("credit_amount", "purpose")
CALLS_PER_SECOND = 60.0
BAD_SHARE = 0.02
OUTCOME_SHARE = 0.7
"""Not every credit is ever settled, so the coverage of the truth stays below 1."""
_AMOUNT_FACTOR = 2.5
_PURPOSE_SHARE = 0.6
_PURPOSE = "business"
_BATCHES = (1, 2, 4, 8)
_BATCH_SHARES = (0.55, 0.2, 0.15, 0.1)
_MEAN_BATCH = float(np.dot(_BATCHES, _BATCH_SHARES))
_CATCH_UP = 12
"""The most rows that one call takes of those that a slow machine has left behind: with `log_rows` at its
default every row still has a log record, so that its outcome can join it."""
_MEAN_DELAY = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call: applications as they arrive, and the truth that nobody knows yet."""

    frame: pd.DataFrame
    truth: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Outcome:
    """One application's truth, due at a moment of the day."""

    due: float
    prediction_id: str
    row: int
    label: str


def clock(progress: float) -> str:
    """Time of the simulated day, `00:00` to `24:00`."""
    minutes = round(min(progress, 1.0) * 24 * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def phase(progress: float) -> str:
    """Name of the phase of the day."""
    return "normal" if progress < DRIFT_FROM else "drifted"


def calls_per_second(progress: float) -> float:
    """Quiet at midnight, busy at noon, `CALLS_PER_SECOND` on the day's average."""
    return CALLS_PER_SECOND * (1 - 0.5 * math.cos(2 * math.pi * progress))


def planned_rows(progress: float, day_seconds: float) -> float:
    """Rows that have arrived by this point of a day of that length: the integral of `calls_per_second`."""
    served = progress - 0.5 * math.sin(2 * math.pi * progress) / (2 * math.pi)
    return CALLS_PER_SECOND * _MEAN_BATCH * day_seconds * served


class Traffic:
    """Draws requests with replacement from the held-out half, the very rows that the reference was made of.

    So the quiet phase has the reference's distribution exactly, and a drift alarm there would be a false one.
    """

    def __init__(self, held_out: pd.DataFrame, *, seed: int) -> None:
        self._features = held_out.drop(columns=TARGET)
        self._truth = held_out[TARGET].to_numpy()
        self._random = np.random.default_rng(seed)
        self._outcomes: list[Outcome] = []

    def wait(self, progress: float) -> float:
        """Seconds until the next call: arrivals are a Poisson process."""
        return float(self._random.exponential(1 / calls_per_second(progress)))

    def request(self, progress: float, behind: float = 0.0) -> Request:
        """The next call at this point of the day; rows that are `behind` the plan make its batch larger.

        So a busy machine serves fewer calls, but drift sees the same rows, and as many windows.
        """
        rows = self._random.choice(_BATCHES, p=_BATCH_SHARES) + min(_CATCH_UP, max(0, int(behind)))
        chosen = self._random.integers(len(self._features), size=rows)
        frame = self._features.iloc[chosen].reset_index(drop=True)
        if phase(progress) == "drifted":
            frame = self._drift(frame)
        if self._random.random() < BAD_SHARE:
            frame = self._spoil(frame)
        return Request(frame=frame, truth=tuple(self._truth[chosen]))

    def answered(self, request: Request, prediction_id: str, progress: float) -> None:
        """Schedule the truth of a share of the call's rows."""
        for row, label in enumerate(request.truth):
            if self._random.random() < OUTCOME_SHARE:
                due = progress + self._random.exponential(_MEAN_DELAY)
                heapq.heappush(
                    self._outcomes, Outcome(due=due, prediction_id=prediction_id, row=row, label=label)
                )

    def due(self, progress: float) -> list[Outcome]:
        """Outcomes that have become known since the last question."""
        known = []
        while self._outcomes and self._outcomes[0].due <= progress:
            known.append(heapq.heappop(self._outcomes))
        return known

    def _drift(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Credits became larger, most of them are now for a business; every other column stays as it is."""
        changed = self._random.random(len(frame)) < _PURPOSE_SHARE
        return frame.assign(
            credit_amount=(frame["credit_amount"] * _AMOUNT_FACTOR).round().astype("int64"),
            purpose=frame["purpose"].mask(changed, _PURPOSE),
        )

    def _spoil(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self._random.random() < 0.5:
            return frame.drop(columns="duration_months")
        return frame.assign(credit_amount=-frame["credit_amount"])

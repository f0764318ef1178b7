"""The service that is monitored: data, a scikit-learn pipeline and a predict method, as users write them."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pandas as pd
from opentelemetry import trace
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelspan.drift.reference import Reference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL = "credit-risk"
VERSION = "1.4.2"
SERVICE = "credit-api"
CLASSES = ("good", "bad")
TARGET = "creditability"

logger = logging.getLogger("credit_api")
tracer = trace.get_tracer("credit_api")


@dataclass(frozen=True, slots=True, kw_only=True)
class Halves:
    """The data, split in two: what the model learns from, and what it has never seen."""

    train: pd.DataFrame
    held_out: pd.DataFrame


def load() -> pd.DataFrame:
    """The German credit data: 1,000 rows, 19 features and the column `creditability`."""
    with (files("modelspan.demo") / "data" / "german_credit.csv").open() as file:
        return pd.read_csv(file, keep_default_na=False)


def split(frame: pd.DataFrame, seed: int) -> Halves:
    """Two halves with the same share of bad credits."""
    train, held_out = train_test_split(frame, test_size=0.5, random_state=seed, stratify=frame[TARGET])
    return Halves(train=train.reset_index(drop=True), held_out=held_out.reset_index(drop=True))


def train(frame: pd.DataFrame) -> Pipeline:
    """A logistic regression on scaled numbers and one-hot levels; column 1 of its answer is `bad`."""
    columns = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    )
    pipeline = make_pipeline(columns, LogisticRegression(C=0.3, max_iter=500))
    return pipeline.fit(frame.drop(columns=TARGET), frame[TARGET] == "bad")


def auc(pipeline: Pipeline, frame: pd.DataFrame) -> float:
    """Area under the ROC curve: 0.5 is guessing."""
    scores = pipeline.predict_proba(frame.drop(columns=TARGET))[:, 1]
    return float(roc_auc_score(frame[TARGET] == "bad", scores))


def reference(pipeline: Pipeline, frame: pd.DataFrame) -> Reference:
    """What the features and the score look like on data that the model has not learned from."""
    scores = pipeline.predict_proba(frame.drop(columns=TARGET))[:, 1]
    return Reference.build(frame, score=scores.tolist(), target=TARGET, model=MODEL, version=VERSION)


class CreditService:
    """Scores credit applications. It does not know modelspan: its spans and logs are plain OpenTelemetry."""

    def __init__(self, pipeline: Pipeline, *, seed: int, slow_share: float = 0.015) -> None:
        self._pipeline = pipeline
        self._columns = set(pipeline.feature_names_in_)
        self._random = random.Random(seed)  # noqa: S311 - traffic, not secrets
        self._slow_share = slow_share

    def predict_proba(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Probabilities of `good` and `bad`, shape `(rows, 2)`.

        Raises:
            ValueError: If a column is missing or an amount is not positive.
        """
        with tracer.start_as_current_span("validate"):
            self._validate(frame)
        if self._random.random() < self._slow_share:
            with tracer.start_as_current_span("credit bureau lookup"):
                time.sleep(self._random.uniform(0.05, 0.15))
        with tracer.start_as_current_span("pipeline"):
            answer: Any = self._pipeline.predict_proba(frame)
        if refused := int((answer[:, 1] > 0.8).sum()):
            logger.warning("%d of %d applications refused without review", refused, len(frame))
        return answer  # type: ignore[no-any-return]  # scikit-learn has no types

    def _validate(self, frame: pd.DataFrame) -> None:
        if missing := sorted(self._columns - set(frame.columns)):
            raise ValueError(f"application lacks {', '.join(missing)}")
        if (frame["credit_amount"] <= 0).any():
            raise ValueError(f"credit_amount={frame['credit_amount'].min():g} must be above 0")

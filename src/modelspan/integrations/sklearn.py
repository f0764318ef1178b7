"""scikit-learn: scores of cross-validation and of searches, and loops of `partial_fit` or `warm_start`."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from sklearn.metrics import check_scoring

from modelspan import semconv
from modelspan.guard import guard
from modelspan.integrations.run import TrainingRun

_FRAMEWORK = "sklearn"


class _InRun:
    """A `with` block that is a run of training."""

    run: TrainingRun

    def __enter__(self) -> Self:
        self.run.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.run.end(kind)


class TrackedScorer(_InRun):
    """A scorer whose every score is told, as span and metric, under one trace; use it in a `with` block.

    It goes wherever scikit-learn takes `scoring=`: `cross_val_score`, `cross_validate`, `GridSearchCV`, also
    with `n_jobs`: it pickles. The score that scikit-learn gets is the scorer's own, and so is an exception.
    A score of NaN becomes an event. With `return_train_score` those scores are told too, as validation: a
    scorer is not told which rows it gets.
    """

    def __init__(self, scoring: Any, *, model: str, version: str = "", variant: str = "") -> None:
        """`scoring` as scikit-learn takes it: a name, a callable, or several in a list or dict.

        Raises:
            ConfigError: If `model` is no text or empty.
            ValueError: If scikit-learn does not know `scoring`.
        """
        self._scorer = scoring if callable(scoring) else check_scoring(scoring=scoring)
        self._title = scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")
        self.run = TrainingRun(model=model, version=version, variant=variant, framework=_FRAMEWORK)

    def __call__(self, estimator: Any, *data: Any, **parameters: Any) -> Any:
        """Score a fitted estimator, as scikit-learn does."""
        run = copy.copy(self.run)  # threads of joblib score at the same time
        run.begin(semconv.SCORING)
        try:
            scores = self._scorer(estimator, *data, **parameters)
        except BaseException as failure:
            run.finish(type(failure))
            raise
        _tell(run, self._title, scores)
        run.finish(None)
        return scores


class FitMonitor(_InRun):
    """Tells of a loop that fits in epochs, by `partial_fit` or `warm_start`; use it in a `with` block.

    After each epoch it reads `loss_` where the estimator has one, and the scores of `validation`.
    """

    def __init__(
        self, estimator: Any, *, model: str, version: str = "", variant: str = "",
        validation: tuple[Any, Any] | None = None, scoring: Any = None,
    ) -> None:  # fmt: skip
        """`validation`: rows (n, features) and their truth (n,), scored after each epoch by `scoring`.

        Default of `scoring`: the estimator's own `score`. What scoring costs is yours: it is not sampled.

        Raises:
            ConfigError: If `model` is no text or empty.
            ValueError: If scikit-learn does not know `scoring`.
        """
        self._estimator = estimator
        self._validation = validation
        self._scorer = check_scoring(estimator, scoring) if validation is not None else None
        self._title = scoring if isinstance(scoring, str) else "score"
        self.run = TrainingRun(model=model, version=version, variant=variant, framework=_FRAMEWORK)

    @contextmanager
    def epoch(self) -> Iterator[None]:
        """One epoch of the loop."""
        self.run.begin()
        try:
            yield
        except BaseException as failure:
            self.run.finish(type(failure))
            raise
        with guard("looking at an estimator"):
            self._look()
        self.run.finish(None)

    def score(self, name: str, value: float, phase: str = "validation") -> None:
        """Tell a score of your own; in an epoch it is that epoch's."""
        self.run.score(name, value, phase)

    def _look(self) -> None:
        loss = getattr(self._estimator, "loss_", None)  # a number of MLPs, the name of others' loss
        if isinstance(loss, float):
            self.run.loss(loss)
        if self._scorer is not None and self._validation is not None:
            _tell(self.run, self._title, self._scorer(self._estimator, *self._validation))


def _tell(run: TrainingRun, title: str, scores: Any) -> None:
    with guard("reading scores"):
        named = scores if isinstance(scores, Mapping) else {title: scores}
        for name, value in named.items():
            run.score(name, value)

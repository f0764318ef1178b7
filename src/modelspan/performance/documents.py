"""Sums as JSON and back, for the store that several processes share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modelspan.performance.calibration_error import Bins
from modelspan.performance.confusion import Confusion
from modelspan.performance.errors import Errors
from modelspan.performance.lags import Lags
from modelspan.performance.moments import Moments
from modelspan.performance.multiclass import Probabilities
from modelspan.performance.scores import Scores
from modelspan.performance.sums import Sums

if TYPE_CHECKING:
    from collections.abc import Mapping

STORED_FINENESS: Final = 10
"""Cells of the score are 1/1024 wide in the store: an AUC differs from the exact one in the fifth digit."""


def to_json(sums: Sums) -> str:
    """Compact JSON without NaN; scores are stored on the coarser grid."""
    document: dict[str, Any] = {
        "counts": [sums.predictions, sums.outcomes, sums.mismatched],
        "confusion": _confusion(sums.confusion),
        "predicted": _confusion(sums.predicted),
        "scores": _scores(sums.scores),
        "errors": _errors(sums.errors),
        "lags": sorted(sums.lags.counts.items()),
    }
    if sums.probabilities.log_loss.weight:
        document["probabilities"] = _probabilities(sums.probabilities)
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> Sums:
    """What `to_json` wrote.

    Raises:
        ValueError: If it is not that.
    """
    try:
        document = json.loads(text)
        predictions, outcomes, mismatched = document["counts"]
        return Sums(
            predictions=predictions,
            outcomes=outcomes,
            mismatched=mismatched,
            confusion=_to_confusion(document["confusion"]),
            predicted=_to_confusion(document["predicted"]),
            scores=_to_scores(document["scores"]),
            errors=_to_errors(document["errors"]),
            lags=Lags(dict(document["lags"])),
            probabilities=_to_probabilities(document.get("probabilities")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"stored sums are damaged: {error!r}") from error


def _confusion(cells: Confusion) -> list[tuple[str, str, float, float]]:
    return [(*pair, weight, cells.squares.get(pair, 0.0)) for pair, weight in sorted(cells.weights.items())]


def _to_confusion(cells: list[Any]) -> Confusion:
    return Confusion(
        {(outcome, guess): weight for outcome, guess, weight, _ in cells},
        {(outcome, guess): square for outcome, guess, _, square in cells},
    )


def _scores(given: Scores) -> dict[str, Any]:
    scores = given.coarse(STORED_FINENESS)
    return {
        "cells": [scores.keys.tolist(), scores.positives.tolist(), scores.negatives.tolist()],
        "fineness": scores.fineness,
        "squares": scores.squares,
        "brier": scores.brier.sums,
        "log_loss": scores.log_loss.sums,
        "bins": scores.bins.sums.tolist(),
    }


def _probabilities(given: Probabilities) -> dict[str, Any]:
    return {
        "log_loss": given.log_loss.sums,
        "brier": given.brier.sums,
        "classes": {name: _scores(scores) for name, scores in given.classes.items()},
    }


def _to_probabilities(document: Mapping[str, Any] | None) -> Probabilities:
    """Sums of an older version have none."""
    if document is None:
        return Probabilities()
    classes = {name: _to_scores(scores) for name, scores in document["classes"].items()}
    return Probabilities(_to_moments(document["log_loss"]), _to_moments(document["brier"]), classes)


def _to_scores(document: Mapping[str, Any]) -> Scores:
    keys, positives, negatives = document["cells"]
    return Scores(
        np.array(keys, np.int64),
        np.array(positives, np.float64),
        np.array(negatives, np.float64),
        tuple(document["squares"]),
        document["fineness"],
        _to_moments(document["brier"]),
        _to_moments(document["log_loss"]),
        Bins(np.array(document["bins"], np.float64)),
    )


def _errors(errors: Errors) -> dict[str, Any]:
    return {
        "absolute": errors.absolute.sums,
        "squared": errors.squared.sums,
        "percentage": errors.percentage.sums,
        "quantile": sorted((q, sums.sums) for q, sums in errors.quantile.items()),
        "origin": errors.origin,
        "joint": errors.joint.tolist(),
    }


def _to_errors(document: Mapping[str, Any]) -> Errors:
    return Errors(
        _to_moments(document["absolute"]),
        _to_moments(document["squared"]),
        _to_moments(document["percentage"]),
        {q: _to_moments(sums) for q, sums in document["quantile"]},
        document["origin"],
        np.array(document["joint"], np.float64),
    )


def _to_moments(sums: list[float]) -> Moments:
    return Moments(tuple(sums))

"""A reference as plain values, and back."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modelspan.drift import parts
from modelspan.drift.feature import (
    BOOLEANS,
    BY_EDGES,
    KINDS,
    FeatureReference,
    categorical_feature,
    numeric_feature,
)
from modelspan.drift.quality.facts import facts_document, facts_from
from modelspan.drift.reference_file import typed
from modelspan.drift.season import Season

if TYPE_CHECKING:
    from modelspan.drift.reference import Reference
    from modelspan.drift.reference_file import Document
    from modelspan.performance.estimate import Estimator

_TEXTS: Final = ("model", "version", "created", "fingerprint")
_FACTS: Final = ("column", "part", "dimension")


def to_document(reference: Reference) -> Document:
    """The reference as it stands in the file."""
    return {
        **{name: getattr(reference, name) for name in _TEXTS},
        "rows": reference.rows,
        **_season_document(reference.season),
        "features": [feature_document(feature) for feature in reference.features.values()],
        "score": reference.score and feature_document(reference.score),
        "prediction": reference.prediction and feature_document(reference.prediction),
        **({"estimator": reference.estimator.document()} if reference.estimator else {}),
        **({"quality": facts_document(reference.quality)} if reference.quality else {}),
    }


def _season_document(season: Season | None) -> Document:
    return {"season": {"column": season.column, "cells": list(season.cells)}} if season else {}


def _season(entry: Document | None) -> Season | None:
    if entry is None:
        return None
    cells = tuple(typed(cell, int) for cell in entry["cells"])
    return Season(column=typed(entry["column"], str), cells=cells)


def feature_document(feature: FeatureReference) -> Document:
    """One feature as it stands in the file; what follows from the rest is left out."""
    entry: Document = {"name": feature.name, "kind": feature.kind, "counts": feature.counts.tolist()}
    if feature.ordered:
        entry["edges"] = feature.edges.tolist()
    elif feature.kind == "categorical":
        entry["levels"] = list(feature.levels)
    if feature.by_cell is not None:
        entry["by_cell"] = feature.by_cell.tolist()
    if feature.column != feature.name:
        entry["column"] = feature.column
    return entry | {name: getattr(feature, name) for name in _FACTS[1:] if getattr(feature, name)}


def from_document(document: Document) -> dict[str, Any]:
    """The arguments of `Reference`; files of schema 1 hold fewer kinds and no prediction.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: If something is not what belongs there.
    """
    features = [_feature(entry) for entry in document["features"]]
    answers = {name: document.get(name) and _feature(document[name]) for name in ("score", "prediction")}
    return {
        "features": MappingProxyType({feature.name: feature for feature in features}),
        "rows": typed(document["rows"], int),
        "season": _season(document.get("season")),
        "estimator": _estimator(document["estimator"]) if "estimator" in document else None,
        "quality": facts_from(document["quality"]) if "quality" in document else None,
        **answers,
        **{name: typed(document[name], str) for name in _TEXTS},
    }


def _estimator(entry: Document) -> Estimator:
    from modelspan.performance.estimate import Estimator  # noqa: PLC0415 - 15 modules; few references hold one

    return Estimator.from_document(entry)


def _feature(entry: Document) -> FeatureReference:
    name, kind = typed(entry["name"], str), typed(entry["kind"], str)
    counts = np.array([typed(count, int) for count in entry["counts"]], dtype=np.int64)
    facts: dict[str, Any] = {
        fact: typed(entry[fact], int if fact == "dimension" else str) for fact in _FACTS if fact in entry
    }
    if "by_cell" in entry:
        rows = [[typed(count, int) for count in cell] for cell in entry["by_cell"]]
        facts["by_cell"] = np.array(rows, dtype=np.int64)
    if kind not in KINDS:
        raise ValueError(f"kind {kind[:40]!r} is unknown")
    if kind in BY_EDGES:
        edges = np.array([typed(edge, float, int) for edge in entry["edges"]], dtype=np.float64)
        return numeric_feature(name, edges, counts, kind=kind, **facts)
    return categorical_feature(name, _levels(kind, entry), counts, kind=kind, **facts)


def _levels(kind: str, entry: Document) -> tuple[str, ...]:
    """The levels that stand in the file, or follow from the kind."""
    if kind == "datetime":
        return parts.CALENDAR[entry["part"]]
    return BOOLEANS if kind == "boolean" else tuple(typed(level, str) for level in entry["levels"])

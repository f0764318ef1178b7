"""What the data of a model looked like in training: built once, saved small, compared with at run time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from modelspan.drift import build as building
from modelspan.drift.columns import Columns, column_kind, listed, read_columns
from modelspan.drift.compare import DriftReport, FeatureDrift, compare_counts
from modelspan.drift.discovery import benjamini_hochberg
from modelspan.drift.feature import FeatureReference, categorical_feature, numeric_feature
from modelspan.drift.reference_file import Document, read_document, typed, write_document
from modelspan.errors import ConfigError, ReferenceFileError
from modelspan.performance.estimate import Estimator
from modelspan.performance.reference_estimator import reference_estimator

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

FALSE_DISCOVERY_RATE = 0.01
SMALLEST_PSI = 0.05


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """The frozen bins and counts of a model's features, and of its score."""

    features: Mapping[str, FeatureReference]
    score: FeatureReference | None = None
    model: str = ""
    version: str = ""
    rows: int
    """Rows of the data; about half of them chose the edges, the others are counted."""
    created: str
    """When it was built: ISO 8601, UTC."""
    fingerprint: str
    """SHA-256 of the data."""
    estimator: Estimator | None = None  # of performance before outcomes come

    @classmethod
    def build(
        cls,
        data: Any,
        *,
        score: str | Sequence[float] | None = None,
        target: str | None = None,
        features: Sequence[str] | None = None,
        model: str = "",
        version: str = "",
        bins: int = 10,
        max_levels: int = 20,
        progress: Callable[[str, int], object] | None = None,
    ) -> Reference:
        """A reference of a table, usually the training data.

        Columns of numbers get quantile edges; columns of text or bools get their most frequent values as
        levels. A constant or all-missing column stays in: its first other value is then a drift.

        Args:
            data: pandas or polars data frame, mapping of columns, 2-D array, or path of a .csv or .parquet
                file (needs the extra `modelspan[viewer]`).
            score: The model's score of each row: the name of a column, which is then no feature, or the
                values.
            target: Column with the outcome, no feature; of two classes it gives the estimator (scikit-learn).
            features: Columns to take; all others by default. For an array: the names of its columns.
            model: Name of the model.
            version: Version of the model.
            bins: Bins of a numeric column, 2 to 20; a constant column has 3.
            max_levels: Levels of a categorical column, 1 to 100; the others are counted together.
            progress: Called after each column with its name and the number of columns.

        Raises:
            ConfigError: If the data, a column or an option can't be used; the message says why and what to
                do.
        """
        columns, rows = read_columns(data, features)
        building.check_sizes(bins=bins, max_levels=max_levels, rows=rows)
        named_score = score if isinstance(score, str) else None
        left_out = [name for name in (target, named_score) if name is not None]
        chosen = building.chosen_features(columns, features=features, left_out=left_out)
        building.check_kinds(columns, chosen)
        used: Columns = {name: columns[name] for name in chosen}
        scores = None if score is None else _scores(columns, score, used, rows)
        counted = used | (scores or {})
        made = {}
        for name, values in counted.items():
            made[name] = building.feature_reference(name, values, bins=bins, max_levels=max_levels)
            if progress:
                progress(name, len(counted))
        return cls(
            score=made.pop(building.SCORE) if scores else None,
            features=MappingProxyType(made),
            model=model,
            version=version,
            rows=rows,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            fingerprint=building.fingerprint(counted),
            estimator=reference_estimator(columns.get(target or ""), (scores or {}).get(building.SCORE)),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled, for a decorated callable that holds one, as what stands in the file."""
        return _from_document, (_document(self),)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the reference to a JSON file, at once or not at all; the same reference gives the same bytes.

        Raises:
            OSError: If the file can't be written.
        """
        write_document(_document(self), Path(path))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Reference:
        """The reference in a file that `save` wrote.

        Raises:
            ReferenceFileError: If the file is missing, too big, foreign, of an unknown version, edited or
                damaged.
        """
        document = read_document(Path(path))
        try:
            return _from_document(document)
        except (KeyError, TypeError, ValueError, OverflowError) as damaged:
            raise ReferenceFileError(
                f"reference={str(path)!r} is damaged ({damaged}); "
                "build it again with: modelspan reference build"
            ) from damaged

    def compare(self, data: Any, *, score: str | Sequence[float] | None = None) -> DriftReport:
        """The drift of a table from this reference; columns that the reference does not have are left aside.

        A feature drifted if the test finds it at a false discovery rate of 1 % over the features and score,
        and its PSI is at least 0.05. When nothing drifted, that is also the probability of a report that says
        so: exact for independent features, and in practice conservative for the positively dependent ones of
            real tables.

        Args:
            data: As in `build`.
            score: As in `build`; without it the score is not compared.

        Raises:
            ConfigError: If a column of the reference is missing or the data can't be read.

        Source: Benjamini and Hochberg (1995), JRSS B 57(1), 289-300; the floor on PSI is ours.
        """
        columns, rows = read_columns(data, list(self.features))
        absent = [name for name in self.features if name not in columns]
        if absent:
            raise ConfigError(
                f"columns={absent} of the reference are not in the data; it has {listed(columns)}"
            )
        drifts = [compare_counts(f, f.count(columns[name])) for name, f in self.features.items()]
        if score is not None:
            drifts.append(self._compare_score(columns, score, rows))
        drifts = _judge(drifts)
        judged_score = drifts.pop() if score is not None else None
        everything = [*drifts, *([judged_score] if judged_score else [])]
        return DriftReport(
            features=MappingProxyType({drift.feature: drift for drift in drifts}),
            score=judged_score,
            rows=rows,
            drifted=any(drift.drifted for drift in everything),
        )

    def _compare_score(self, columns: Columns, score: str | Sequence[float], rows: int) -> FeatureDrift:
        if self.score is None:
            raise ConfigError("score= needs a reference with a score; build it with score=")
        return compare_counts(
            self.score, self.score.count(_scores(columns, score, {}, rows)[building.SCORE]), kind="score"
        )


def _scores(columns: Columns, score: str | Sequence[float], used: Columns, rows: int) -> Columns:
    """The model's scores, one per row, under their feature name."""
    if building.SCORE in used:
        raise ConfigError(
            f"column={building.SCORE!r} has the name of the model's score; rename it, or pass it as score="
        )
    if isinstance(score, str) and score not in columns:
        raise ConfigError(f"score={score!r} is not in the data; it has {listed(columns)}")
    values, count = read_columns({building.SCORE: columns[score] if isinstance(score, str) else score})
    if count != rows:
        raise ConfigError(f"score has {count} values for {rows} rows; pass one for each row of the data")
    if column_kind(values[building.SCORE]) != "numeric":
        raise ConfigError("score must be numbers, such as the probability of the positive class; pass those")
    return values


def _judge(drifts: list[FeatureDrift]) -> list[FeatureDrift]:
    """The drifts with their verdict at the false discovery rate."""
    found = benjamini_hochberg([drift.p_value for drift in drifts], FALSE_DISCOVERY_RATE).tolist()
    return [
        replace(drift, drifted=discovered and drift.psi >= SMALLEST_PSI)
        for drift, discovered in zip(drifts, found, strict=True)
    ]


def _document(reference: Reference) -> Document:
    return {
        "model": reference.model,
        "version": reference.version,
        "rows": reference.rows,
        "created": reference.created,
        "fingerprint": reference.fingerprint,
        "features": [feature_document(feature) for feature in reference.features.values()],
        "score": reference.score and feature_document(reference.score),
        **({"estimator": reference.estimator.document()} if reference.estimator else {}),
    }


def feature_document(feature: FeatureReference) -> Document:
    """One feature as it stands in the file; labels follow from edges and levels."""
    bins = (
        {"edges": feature.edges.tolist()} if feature.kind == "numeric" else {"levels": list(feature.levels)}
    )
    return {"name": feature.name, "kind": feature.kind, "counts": feature.counts.tolist(), **bins}


def _from_document(document: Document) -> Reference:
    texts = {name: typed(document[name], str) for name in ("model", "version", "created", "fingerprint")}
    return Reference(
        features=MappingProxyType({f.name: f for f in map(_feature, document["features"])}),
        score=document["score"] and _feature(document["score"]),
        rows=typed(document["rows"], int),
        estimator=Estimator.from_document(document["estimator"]) if "estimator" in document else None,
        **texts,
    )


def _feature(entry: Document) -> FeatureReference:
    name = typed(entry["name"], str)
    counts = np.array([typed(count, int) for count in entry["counts"]], dtype=np.int64)
    if typed(entry["kind"], str) == "numeric":
        edges = np.array([typed(edge, float, int) for edge in entry["edges"]], dtype=np.float64)
        return numeric_feature(name, edges, counts)
    return categorical_feature(name, [typed(level, str) for level in entry["levels"]], counts)

"""What the data of a model looked like in training: built once, saved small, compared with at run time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from modelspan.drift import build as building
from modelspan.drift.assembly import answer, check_names, counted, pooled, reading, with_counts
from modelspan.drift.build import PREDICTION, SCORE
from modelspan.drift.columns import listed
from modelspan.drift.compare import report
from modelspan.drift.inputs import read_inputs
from modelspan.drift.quality.facts import measure
from modelspan.drift.quality.table import TableQuality
from modelspan.drift.reference_document import from_document, to_document
from modelspan.drift.reference_file import read_document, write_document
from modelspan.drift.season import Season
from modelspan.drift.tally import Tally
from modelspan.errors import ConfigError, ReferenceFileError
from modelspan.performance.reference_estimator import reference_estimator

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from modelspan.drift.feature import FeatureReference
    from modelspan.drift.quality.facts import QualityFacts
    from modelspan.drift.report import DriftReport
    from modelspan.drift.table import Progress
    from modelspan.performance.estimate import Estimator


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """The frozen bins and counts of a model's features, and of its answers."""

    features: Mapping[str, FeatureReference]
    """By name; a date, a text or an embedding gives more than one, or one of another name than its column."""
    score: FeatureReference | None = None
    """The model's score or predicted value."""
    prediction: FeatureReference | None = None
    """The predicted class."""
    model: str = ""
    version: str = ""
    rows: int
    """Rows of the data; at most half of them chose the bins, the others are counted."""
    created: str
    """When it was built: ISO 8601, UTC."""
    fingerprint: str
    """SHA-256 over checksums of the data."""
    season: Season | None = None
    """Hours of the week whose rows were counted apart; None when they were not."""
    estimator: Estimator | None = None  # of performance before outcomes come
    quality: QualityFacts | None = None  # how usual missing values and such are; belongs to the bins

    @classmethod
    def build(
        cls,
        data: Any,
        *,
        score: str | Sequence[float] | None = None,
        prediction: str | Sequence[object] | None = None,
        target: str | None = None,
        season: str | None = None,
        features: Sequence[str] | None = None,
        kinds: Mapping[str, str] | None = None,
        model: str = "",
        version: str = "",
        bins: int = 10,
        max_levels: int = 20,
        progress: Progress | None = None,
    ) -> Reference:
        """A reference of a table, usually the training data.

        Numbers get quantile edges, and a bin on either side for what is out of range; categories their most
        frequent values as levels; of dates hour, weekday and month are counted, of long texts the length, of
        vectors the norm and three projections. A constant or all-missing column stays in: its first other
        value is then a drift. Files and Spark data frames are read in parts and never held whole.

        Args:
            data: pandas, polars, Arrow or Spark data frame, mapping of columns, 2-D array, or path of a .csv
                or .parquet file (needs the extra `modelspan[viewer]`).
            score: The model's score of each row: the name of a column, which is then no feature, or the
                values.
            prediction: The predicted class of each row, likewise.
            target: Column with the outcome, no feature; of two classes it gives the estimator (scikit-learn).
            season: Column with the time of each row, no feature: hours of the week are then counted apart
                (thin ones together, so that each has 100 rows), and each row is compared with its hours.
            features: Columns to take; all others by default. For an array: the names of its columns.
            kinds: The kind of columns that would be taken for another one: numeric, integer, categorical,
                boolean, datetime, text or embedding.
            model: Name of the model.
            version: Version of the model.
            bins: Bins of a numeric column, 2 to 20, besides the two for values out of range; at most 20 in
                all. A constant column has 3.
            max_levels: Levels of a categorical column, 1 to 100; the others are counted together.
            progress: Called now and then with what is being done, how much is done and how much there is.

        Raises:
            ConfigError: If the data, a column or an option can't be used; the message says why and what to
                do.
        """
        inputs = read_inputs(data, features, score=score, prediction=prediction)
        left_out = [name for name in (target, season, *inputs.answers.values()) if name is not None]
        chosen = building.chosen_features(inputs.table.names, features=features, left_out=left_out)
        building.check_options(bins, max_levels, kinds or {}, chosen)
        check_names(chosen, inputs.answers)
        sample = inputs.table.sample([*chosen, *inputs.answers.values(), *filter(None, (target,))], progress)
        building.check_rows(sample.rows)
        found = building.kinds_of(sample, chosen, kinds or {})
        sizes = {"bins": bins, "max_levels": max_levels}
        empty = [
            feature
            for name, kind in found.items()
            for feature in building.features_of(name, kind, sample.columns[name], **sizes)
        ]
        answers = [answer(name, column, sample, sizes) for name, column in inputs.answers.items()]
        unbuilt = cls(
            features=MappingProxyType({feature.name: feature for feature in empty}),
            **{feature.name: feature for feature in answers},
            model=model, version=version, rows=0, created="", fingerprint="",
            season=Season(column=season) if season is not None else None,
            estimator=reference_estimator(*inputs.outcomes_and_scores(target, sample)),
            quality=measure(empty, sample.columns),
        )  # fmt: skip
        return pooled(counted(unbuilt, inputs, sample.limit, progress))

    def all_features(self) -> list[FeatureReference]:
        """The features and the answers."""
        return [*self.features.values(), *(each for each in (self.score, self.prediction) if each)]

    def recount(self, data: Any, *, score: Any = None, prediction: Any = None) -> Reference:
        """The same bins with the counts of other data, all rows of it: to `merge`, or to compare later.

        Args:
            data: As in `build`.
            score: As in `build`; without it the result has no score.
            prediction: As in `build`; without it the result has no prediction.

        Raises:
            ConfigError: If a column of the reference is missing or the data can't be read.
        """
        inputs = read_inputs(data, None, score=score, prediction=prediction)
        kept: dict[str, Any] = {
            name: getattr(self, name) if name in inputs.answers else None for name in (SCORE, PREDICTION)
        }
        return counted(replace(self, **kept), inputs, 0, None)

    def merge(self, other: Reference) -> Reference:
        """Both references' rows over their common bins: exactly what counting all the rows at once gives.

        Model and version are this reference's, the time of creation is the later one.

        Raises:
            ConfigError: If the bins differ.
        """
        both = {each.name: each for each in other.all_features()}
        mine = self.all_features()
        if self.season != other.season:
            raise ConfigError("the seasons differ; merge what Reference.recount of one reference gave")
        unlike = [each.name for each in mine if not each.same_bins(both.pop(each.name, None))] + list(both)
        if unlike:
            raise ConfigError(
                f"features=[{listed(map(repr, unlike))}] have other bins; merge what Reference.recount gave"
            )
        theirs = {each.name: each for each in other.all_features()}
        summed = {
            each.name: with_counts(each, each.counts_by_cell + theirs[each.name].counts_by_cell, self)
            for each in mine
        }
        marks = "".join(sorted((self.fingerprint, other.fingerprint)))
        return replace(
            self,
            score=summed.pop(SCORE, None) if self.score else None,
            prediction=summed.pop(PREDICTION, None) if self.prediction else None,
            features=MappingProxyType(summed),
            rows=self.rows + other.rows,
            created=max(self.created, other.created),
            fingerprint=hashlib.sha256(marks.encode()).hexdigest(),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled, for a decorated callable that holds one, as what stands in the file."""
        return _load, (to_document(self),)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the reference to a JSON file, at once or not at all; the same reference gives the same bytes.

        Raises:
            OSError: If the file can't be written.
        """
        write_document(to_document(self), Path(path))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Reference:
        """The reference in a file that `save` wrote.

        Raises:
            ReferenceFileError: If the file is missing, too big, foreign, of an unknown version, edited or
                damaged.
        """
        document = read_document(Path(path))
        try:
            return _load(document)
        except (KeyError, TypeError, ValueError, OverflowError) as damaged:
            raise ReferenceFileError(
                f"reference={str(path)!r} is damaged ({damaged}); "
                "build it again with: modelspan reference build"
            ) from damaged

    def compare(
        self,
        data: Any,
        *,
        score: str | Sequence[float] | None = None,
        prediction: str | Sequence[object] | None = None,
        progress: Progress | None = None,
    ) -> DriftReport:
        """The drift of a table from this reference; columns that the reference does not have are left aside.

        A feature drifted if the test finds it at a false discovery rate of 0.8 % over features and answers
        and its PSI is at least 0.05; data quality has the other 0.2 %. When nothing changed, 1 % is also the
        probability of a report that says anything, for independent features; for most others it is less.

        Args:
            data: As in `build`.
            score: As in `build`; without it the score is not compared.
            prediction: As in `build`; without it the prediction is not compared.
            progress: As in `build`.

        Raises:
            ConfigError: If a column of the reference is missing or the data can't be read.

        Source: Benjamini and Hochberg (1995), JRSS B 57(1), 289-300; the floor on PSI is ours.
        """
        names = list(dict.fromkeys(each.column for each in self.features.values()))
        inputs = read_inputs(data, names, score=score, prediction=prediction)
        quality = TableQuality(self.features.values(), self.quality)
        tally = Tally(features=reading(self, inputs), season=self.season, watch=quality.add)
        inputs.table.tally(tally, progress)
        unseen = [name for name in inputs.table.names if name not in set(tally.columns)]
        return report(self, tally.counts, rows=tally.rows, unseen=unseen, quality=quality)


def _load(document: dict[str, Any]) -> Reference:
    return Reference(**from_document(document))

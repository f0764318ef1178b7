"""Put a reference together: whose columns are whose, and the counts of a table in its bins."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from modelspan.drift import build as building
from modelspan.drift.build import PREDICTION, SCORE
from modelspan.drift.columns import listed
from modelspan.drift.fingerprint import fingerprint
from modelspan.drift.season import together
from modelspan.drift.tally import Tally
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.drift.feature import Counts, FeatureReference
    from modelspan.drift.inputs import Inputs
    from modelspan.drift.reference import Reference
    from modelspan.drift.sampling import Sample
    from modelspan.drift.table import Progress


def counted(reference: Reference, inputs: Inputs, limit: int, progress: Progress | None) -> Reference:
    """The same bins with the counts of a table, but for the rows of a priority below the limit."""
    tally = Tally(
        features=reading(reference, inputs), limit=limit, fingerprinted=True, season=reference.season
    )
    inputs.table.tally(tally, progress)
    columns = {column: (held[0].kind, tally.marks[column]) for column, held in tally.by_column.items()}
    summed = {e.name: with_counts(e, tally.counts[e.name], reference) for e in reference.all_features()}
    return replace(
        reference,
        score=summed.pop(SCORE, None) if reference.score else None,
        prediction=summed.pop(PREDICTION, None) if reference.prediction else None,
        features=MappingProxyType(summed),
        rows=tally.rows,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=fingerprint(columns, tally.rows),
    )


def with_counts(feature: FeatureReference, by_cell: Counts, reference: Reference) -> FeatureReference:
    """The feature with counts of shape ``(cells, bins)``."""
    return replace(feature, counts=by_cell.sum(axis=0), by_cell=by_cell if reference.season else None)


def pooled(reference: Reference) -> Reference:
    """The reference with thin cells of its season put together."""
    before, every = reference.season, reference.all_features()
    if before is None or every[0].by_cell is None:
        return reference
    after = before.pooled(every[0].by_cell.sum(axis=1))
    coarse = {
        e.name: replace(e, by_cell=together(e.by_cell, before, after)) for e in every if e.by_cell is not None
    }
    return replace(
        reference,
        season=after,
        score=coarse.pop(SCORE, None) if reference.score else None,
        prediction=coarse.pop(PREDICTION, None) if reference.prediction else None,
        features=MappingProxyType(coarse),
    )


def reading(reference: Reference, inputs: Inputs) -> list[FeatureReference]:
    """The features, and the answers that are given, each with the column it is read from.

    Raises:
        ConfigError: If a column is missing, or an answer is given that the reference does not have.
    """
    given = {SCORE: reference.score, PREDICTION: reference.prediction}
    for name in inputs.answers:
        if given[name] is None:
            raise ConfigError(f"{name}= needs a reference with a {name}; build it with {name}=")
    known = set(inputs.table.names)
    needed = [e.column for e in reference.features.values()]
    needed += [reference.season.column] if reference.season else []
    absent = dict.fromkeys(column for column in needed if column not in known)
    if absent:
        raise ConfigError(
            f"columns=[{listed(map(repr, absent))}] of the reference are not in the data; "
            f"it has {listed(inputs.table.names)}"
        )
    answers = [replace(e, column=inputs.answers[n]) for n, e in given.items() if e and n in inputs.answers]
    return [*reference.features.values(), *answers]


def check_names(chosen: Sequence[str], answers: Mapping[str, str]) -> None:
    """Raise ConfigError if a feature has the name of an answer."""
    for name in answers:
        if name in chosen:
            raise ConfigError(
                f"column={name!r} has the name of the model's {name}; rename it, or pass it as {name}="
            )


def answer(name: str, column: str, sample: Sample, sizes: dict[str, int]) -> FeatureReference:
    """The feature of the model's scores or predicted classes."""
    kind = building.kinds_of(sample, [column], {})[column]
    if name == SCORE and kind not in ("numeric", "integer"):
        raise ConfigError("score must be numbers, such as the probability of the positive class; pass those")
    kind = "numeric" if name == SCORE else "categorical"
    return building.features_of(name, kind, sample.columns[column], **sizes)[0]

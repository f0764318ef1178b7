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
from modelspan.drift.tally import Tally
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.drift.feature import FeatureReference
    from modelspan.drift.inputs import Inputs
    from modelspan.drift.reference import Reference
    from modelspan.drift.sampling import Sample
    from modelspan.drift.table import Progress


def counted(reference: Reference, inputs: Inputs, limit: int, progress: Progress | None) -> Reference:
    """The same bins with the counts of a table, but for the rows of a priority below the limit."""
    tally = Tally(features=reading(reference, inputs), limit=limit, fingerprinted=True)
    inputs.table.tally(tally, progress)
    columns = {column: (held[0].kind, tally.marks[column]) for column, held in tally.by_column.items()}
    summed = {e.name: replace(e, counts=tally.counts[e.name]) for e in reference.all_features()}
    return replace(
        reference,
        score=summed.pop(SCORE, None) if reference.score else None,
        prediction=summed.pop(PREDICTION, None) if reference.prediction else None,
        features=MappingProxyType(summed),
        rows=tally.rows,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=fingerprint(columns, tally.rows),
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
    absent = dict.fromkeys(e.column for e in reference.features.values() if e.column not in known)
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

"""The data of `Reference`: a table, and which of its columns are the model's answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelspan.drift.build import PREDICTION, SCORE
from modelspan.drift.coded import plain
from modelspan.drift.columns import listed, read_columns
from modelspan.drift.table import MemoryTable, Table, open_table
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.drift.sampling import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """A table and its columns of answers."""

    table: Table
    answers: Mapping[str, str]
    """The column of `SCORE` and of `PREDICTION`, as far as there are any."""

    def outcomes_and_scores(
        self, target: str | None, sample: Sample
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        """Outcome and score of each row, or of each sampled row where the table is not in memory; or None."""
        names = (target, self.answers.get(SCORE))
        held = self.table.held if isinstance(self.table, MemoryTable) else sample.columns
        outcomes, scores = (None if name is None else plain(held[name]) for name in names)
        return outcomes, scores


def read_inputs(data: Any, names: Sequence[str] | None, *, score: Any, prediction: Any) -> Inputs:
    """The table in `data` and its columns of answers.

    Args:
        data: As `open_table` takes it.
        names: Names of the columns of a 2-D array.
        score: Name of a column, or one number per row, or None.
        prediction: Name of a column, or one class per row, or None.

    Raises:
        ConfigError: If the data can't be read or the answers do not belong to it.
    """
    table, answers = open_table(data, names), {}
    for name, given in ((SCORE, score), (PREDICTION, prediction)):
        if isinstance(given, str):
            if given not in set(table.names):
                raise ConfigError(
                    f"{name}={given!r} is not a column of the data; it has {listed(table.names)}"
                )
            answers[name] = given
        elif given is not None:
            table, answers[name] = _with_column(table, name, given), f"{name} values"
    return Inputs(table=table, answers=answers)


def _with_column(table: Table, name: str, given: Any) -> Table:
    """The table with one more column, whose name no column of a user has."""
    if not isinstance(table, MemoryTable):
        raise ConfigError(f"{name}= must name a column of the data; only a table in memory takes values")
    values, rows = read_columns({f"{name} values": given})
    if rows != table.size:
        raise ConfigError(
            f"{name} has {rows} values for {table.size} rows; pass one for each row of the data"
        )
    return table.plus(values)

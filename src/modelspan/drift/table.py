"""A table to build a reference from or to compare with one: in memory, in a file, or on a cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from modelspan.drift.coded import Coded, Values, join
from modelspan.drift.columns import Columns, read_columns
from modelspan.drift.sampling import Sample, Sampler
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from modelspan.drift.tally import Tally

    Progress = Callable[[str, int, int], object]
    """Called with what is being done, how much of it is done, and how much there is."""

CHUNK_ROWS = 1 << 17


class Table(Protocol):
    """Rows in a fixed order, whose columns can be read as often as needed."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns."""
        ...

    def sample(self, names: Sequence[str], progress: Progress | None) -> Sample:
        """The rows that choose the bins of these columns."""
        ...

    def tally(self, tally: Tally, progress: Progress | None) -> None:
        """Add all rows to the tally."""
        ...


class Chunked:
    """A table that one process reads chunk by chunk."""

    names: list[str]
    size: int
    """How much there is, in the unit of `chunks`: rows or bytes."""

    def chunks(self, names: Sequence[str]) -> Iterable[tuple[int, int, Columns]]:
        """How much is done after it, its number of rows, and its columns."""
        raise NotImplementedError

    def sample(self, names: Sequence[str], progress: Progress | None) -> Sample:
        """See `Table`."""
        sampler = Sampler(names)
        for done, rows, columns in self.chunks(names):
            sampler.add(sampler.rows, rows, columns)
            if progress:
                progress("choosing bins", done, self.size)
        return sampler.sample()

    def tally(self, tally: Tally, progress: Progress | None) -> None:
        """See `Table`."""
        for done, rows, columns in self.chunks(tally.columns):
            tally.add(tally.rows, rows, columns)
            if progress:
                progress("counting", done, self.size)
        check_not_empty(tally.rows)


def check_not_empty(rows: int) -> None:
    """Raise ConfigError if a file or a cluster gave no rows; a table in memory is refused when it is read."""
    if not rows:
        raise ConfigError("data has rows=0; pass a table that is not empty")


class MemoryTable(Chunked):
    """Columns in memory."""

    def __init__(self, columns: Columns, rows: int) -> None:
        self.held = columns
        self.names = list(columns)
        self.size = rows

    def plus(self, columns: Columns) -> MemoryTable:
        """The table with more columns."""
        return MemoryTable({**self.held, **columns}, self.size)

    def chunks(self, names: Sequence[str]) -> Iterable[tuple[int, int, Columns]]:
        """See `Chunked`."""
        for start in range(0, self.size, CHUNK_ROWS):
            end = min(start + CHUNK_ROWS, self.size)
            yield end, end - start, {name: _part(self.held[name], start, end) for name in names}


def _part(values: Values, start: int, end: int) -> Values:
    """Rows of a column, without a copy where possible."""
    if start == 0 and end == len(values):
        return values
    return values.part(start, end) if isinstance(values, Coded) else values[start:end]


def read_whole(data: Any, names: Sequence[str] | None = None) -> tuple[Columns, int]:
    """All columns of a table, held in memory, and its number of rows; arguments and errors as `open_table`.

    Raises:
        ConfigError: Also if the table is one that a cluster holds.
    """
    table = open_table(data, names)
    if not isinstance(table, Chunked):
        raise ConfigError(
            "data is on a cluster and may be too large to hold; pass a sample: frame.sample(…).toPandas()"
        )
    chunks = [(rows, columns) for _, rows, columns in table.chunks(table.names)]
    whole = {name: join([columns[name] for _, columns in chunks]) for name in table.names}
    return whole, sum(rows for rows, _ in chunks)


def open_table(data: Any, names: Sequence[str] | None = None) -> Table:
    """The table in `data`.

    Args:
        data: pandas, polars, Arrow or Spark data frame, mapping of columns, 2-D array, or path of a .csv or
            .parquet file.
        names: Names of the columns of a 2-D array; ``f0``, ``f1``, … without. Ignored for other data.

    Raises:
        ConfigError: If the data is none of these or can't be read, has no rows or columns, or ambiguous or
            unequally long columns.
    """
    if isinstance(data, str | os.PathLike):
        from modelspan.drift.files import open_file  # noqa: PLC0415 - Arrow is optional

        return open_file(Path(data))
    if type(data).__module__.partition(".")[0] == "pyspark":
        from modelspan.drift.spark import SparkTable  # noqa: PLC0415 - Spark is optional

        return SparkTable(data)
    return MemoryTable(*read_columns(data, names))

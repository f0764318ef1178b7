"""A Spark data frame: sampled and counted on the cluster that holds it, only sums come back.

The position of a row is its place in what ``frame.collect()`` would give, so that the reference is the one
that a single process builds from ``frame.toPandas()``. Spark computes the frame three times: cache one that
is dear, or that comes out differently each time. Executors need modelspan and pyarrow installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modelspan.drift.arrow import values_of
from modelspan.drift.columns import Columns, twice
from modelspan.drift.sampling import HALF, Sample, Sampler, most_rows, priorities
from modelspan.drift.table import check_not_empty
from modelspan.drift.tally import Tally
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from modelspan.drift.table import Progress

    Job = Callable[[Iterator[Any]], Iterator[Any]]

_SPARE: Final = 256
"""Priorities are so evenly spread that far fewer than this many rows too many or too few are asked for."""
_ROW: Final = "modelspan_row"
_COUNTS: Final = "partition int, rows bigint"
_SUMS: Final = "name string, counts array<bigint>, first string, second string, rows bigint"


class SparkTable:
    """A Spark data frame as a table."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.names = list(frame.columns)
        twice(self.names)
        self._starts: dict[int, int] = {}
        self._rows = 0

    def _chosen(self, names: Sequence[str]) -> Any:
        return self._frame.select(*[f"`{name.replace('`', '``')}`" for name in names])

    def sample(self, names: Sequence[str], progress: Progress | None) -> Sample:
        """See `Table`."""
        frame = self._chosen(names)
        counts = sorted(tuple(row) for row in frame.mapInArrow(_count_rows, _COUNTS).collect())
        ends = np.cumsum([rows for _, rows in counts]).tolist()
        self._starts = {place: end - rows for (place, rows), end in zip(counts, ends, strict=True)}
        self._rows = ends[-1] if ends else 0
        if not self._rows:
            raise ConfigError("data has 0 rows; pass a table that is not empty")
        _tell(progress, "choosing bins", 1)
        limit = min(HALF, (most_rows(len(names)) + _SPARE) * 2**64 // self._rows)
        found = frame.mapInArrow(_sampling(self._starts, limit), _fields(frame)).toArrow()
        _tell(progress, "choosing bins", 2)
        return self._sampled(names, found)

    def _sampled(self, names: Sequence[str], found: Any) -> Sample:
        """The sample among the rows that came back."""
        sampler = Sampler(names)
        rows = found.column(len(names)).to_numpy()
        columns = {name: values_of(found.column(at)) for at, name in enumerate(names)}
        sampler.add(0, 0, columns)
        sampler.rows = self._rows
        sampler.keep(_priority_of(rows), columns)
        return sampler.sample()

    def tally(self, tally: Tally, progress: Progress | None) -> None:
        """See `Table`."""
        frame = self._chosen(tally.columns)
        parts = frame.mapInArrow(_tallying(tally, self._starts), _SUMS).collect()
        for name, counts, first, second, rows in parts:
            tally.merge(name, np.array(counts, dtype=np.int64), (int(first), int(second)), rows)
        check_not_empty(tally.rows)
        if self._rows not in (0, tally.rows):  # 0: a comparison, in which no position matters
            raise ConfigError(
                f"data had {self._rows:,} rows and then {tally.rows:,}: it changes from one computation to "
                "the next; cache or save the data frame first"
            )
        _tell(progress, "counting", 2)


def _tell(progress: Progress | None, what: str, done: int) -> None:
    if progress:
        progress(what, done, 2)


def _fields(frame: Any) -> Any:
    """The frame's own fields and the position of the row."""
    from pyspark.sql.types import LongType, StructField, StructType  # noqa: PLC0415 - Spark is optional

    return StructType([*frame.schema.fields, StructField(_ROW, LongType())])


def _priority_of(rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Priorities of rows at any positions."""
    return rows.astype(np.uint64) * priorities(1, 1)


def _place() -> int:
    """The number of this task's partition."""
    from pyspark import TaskContext  # noqa: PLC0415 - on the executor

    task: Any = TaskContext.get()
    return int(task.partitionId())


def _batch(fields: dict[str, list[Any]], like: str) -> Any:
    """Rows as an Arrow batch of Spark's types."""
    import pyarrow as pa  # noqa: PLC0415 - on the executor

    names = {"string": pa.string(), "int": pa.int32(), "bigint": pa.int64()}
    names["array<bigint>"] = pa.list_(pa.int64())
    types = dict(each.split() for each in like.split(", "))
    return pa.RecordBatch.from_arrays(
        [pa.array(values, names[types[name]]) for name, values in fields.items()], names=list(fields)
    )


def _count_rows(batches: Iterable[Any]) -> Iterator[Any]:
    yield _batch({"partition": [_place()], "rows": [sum(each.num_rows for each in batches)]}, _COUNTS)


def _sampling(starts: dict[int, int], limit: int) -> Job:
    def job(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow as pa  # noqa: PLC0415 - on the executor

        start = starts.get(_place(), 0)
        for batch in batches:
            found = np.flatnonzero(priorities(start, batch.num_rows) < np.uint64(limit))
            if found.size:
                some, places = batch.take(pa.array(found)), pa.array(found + start)
                yield pa.RecordBatch.from_arrays([*some.columns, places], names=[*some.schema.names, _ROW])
            start += batch.num_rows

    return job


def _tallying(plan: Tally, starts: dict[int, int]) -> Job:
    features, limit, fingerprinted, season = plan.features, plan.limit, plan.fingerprinted, plan.season

    def job(batches: Iterable[Any]) -> Iterator[Any]:
        tally = Tally(features=features, limit=limit, fingerprinted=fingerprinted, season=season)
        start = starts.get(_place(), 0)
        names = tally.columns
        for batch in batches:
            columns: Columns = {name: values_of(batch.column(at)) for at, name in enumerate(names)}
            tally.add(start, batch.num_rows, columns)
            start += batch.num_rows
        yield _batch(tally.parts(), _SUMS)

    return job

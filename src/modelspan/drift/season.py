"""Hour of day and weekday: a reference with a season compares each row with its own hours, not with all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from modelspan.drift.parts import calendar
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelspan.drift.coded import Values

    Whole: TypeAlias = NDArray[np.int64]

SLOTS: Final = 7 * 24
"""Slot ``7 hour + weekday``, Monday 0, UTC: neighbours have the same hour, so thin ones pool days first."""
LEAST_ROWS: Final = 100
"""Fewer counted rows make no cell of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """Which cell each hour of the week belongs to; a time without a zone is taken for UTC.

    Raises:
        ValueError: If there are not 168 slots, or cells are not numbered from 0 without gaps.
    """

    column: str
    """The column of a table that holds the time of each row."""
    cells: tuple[int, ...] = tuple(range(SLOTS))
    """The cell of each slot."""

    def __post_init__(self) -> None:
        if len(self.cells) != SLOTS or set(self.cells) != set(range(self.size)):
            raise ValueError(f"season needs {SLOTS} slots with cells from 0 to {SLOTS - 1} without gaps")

    @property
    def size(self) -> int:
        """Number of cells."""
        return max(self.cells) + 1

    def of(self, times: Values) -> Whole:
        """The cell of each time, shape ``(rows,)``.

        Raises:
            ConfigError: If one is missing or is no date.
        """
        slots = 7 * calendar(times, "hour") + calendar(times, "weekday")
        unknown = int(np.count_nonzero(slots < 0))
        if unknown:
            raise ConfigError(
                f"season={self.column!r} has {unknown:,} rows without a time that can be read; drop those "
                "rows, or convert the column to dates"
            )
        return np.asarray(np.array(self.cells)[slots])

    def at(self, unix_ns: int) -> int:
        """The cell of an instant, Unix time in nanoseconds."""
        hours = unix_ns // 3_600_000_000_000
        return self.cells[7 * (hours % 24) + (hours // 24 + 3) % 7]  # 1970 began on a Thursday

    def pooled(self, rows: Whole) -> Season:
        """Neighbouring cells put together until each has 100 rows; what is left at the end joins the last.

        Args:
            rows: Rows of each cell, shape ``(size,)``.
        """
        last, number, held = int(rows.sum()), 0, 0
        places = []
        for each in rows.tolist():
            places.append(number)
            held, last = held + each, last - each
            if held >= LEAST_ROWS and last >= LEAST_ROWS:
                number, held = number + 1, 0
        return Season(column=self.column, cells=tuple(places[cell] for cell in self.cells))


def together(by_cell: Whole, before: Season, after: Season) -> Whole:
    """Counts by the cells of one season summed to those of a coarser one; ``(cells, bins)`` both."""
    summed = np.zeros((after.size, by_cell.shape[1]), dtype=np.int64)
    places = dict(zip(before.cells, after.cells, strict=True))
    np.add.at(summed, [places[cell] for cell in range(before.size)], by_cell)
    return summed


def mixed(by_cell: Whole, rows: Whole) -> Whole:
    """The counts that a reference would have had with rows in these shares of cells, shape ``(bins,)``.

    With ``w`` the shares and ``N`` the reference's rows of each cell, its share of a bin is the sum of
    ``w p`` over cells, and its rows are those that know it as well: ``1 / sum(w^2 / N)``, all of them where
    the shares are the reference's own. Cells without reference rows are left out; without any others, and
    without any rows, the result is the sum over cells.

    Args:
        by_cell: The reference's counts, shape ``(cells, bins)``.
        rows: Rows of each cell in the window, shape ``(cells,)``.

    Source: Cochran (1977), Sampling Techniques, 5.3 and 5A.9: the stratified mean and its variance.
    """
    held = by_cell.sum(axis=1)
    some = (rows > 0) & (held > 0)
    if not some.any():
        return np.asarray(by_cell.sum(axis=0))
    weights, known = rows[some] / rows[some].sum(), held[some]
    size = 1 / float((weights**2 / known).sum())
    return np.asarray(np.rint(size * ((weights / known) @ by_cell[some])).astype(np.int64))

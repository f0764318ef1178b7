"""The matrix of bytes that the records of one batch are; see `layout` for what its columns are made of.

It is filled page by page: a page fits the processor's cache, and its memory is used again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modelspan.delivery.otlp import wire
from modelspan.delivery.otlp.layout import Column, Doubles, padded, padded_one
from modelspan.delivery.otlp.pages import PAGE_BYTES, new_page
from modelspan.delivery.otlp.records import Records

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from modelspan.delivery.otlp.layout import Bytes, Part
    from modelspan.delivery.otlp.records import Body, Envelope

MAX_RECORD: Final = 2**14 - 1
_ITEMS: Final[dict[int, Any]] = {2: np.dtype(np.uint16), 4: np.dtype(np.uint32), 8: np.dtype(np.uint64)}


def assemble(around: Envelope, field: int, count: int, parts: Iterable[Part]) -> list[Records]:
    """All records, each as repeated field `field` of its scope, on as many pages as they need.

    Raises:
        ValueError: If a record is longer than two bytes of length can say.
    """
    plan = _Plan(field, parts)
    rows = PAGE_BYTES // plan.width
    return [Records(around, *plan.page(i, min(count, i + rows))) for i in range(0, count, rows)]


class _Plan:
    """What stands where in each record: constant bytes, columns, and runs of numbers."""

    def __init__(self, field: int, parts: Iterable[Part]) -> None:
        tag = wire.tag(field)
        self._columns: list[tuple[int, int, Column]] = []
        self._numbers: list[tuple[int, Doubles]] = []
        template = [tag, b"\0\0"]
        self.width = len(tag) + 2
        for part in parts:
            template.append(self._placed(part))
            self.width += len(template[-1])
        if self.width - len(tag) - 2 > MAX_RECORD:
            raise ValueError(f"a record of {self.width} bytes is longer than {MAX_RECORD}")
        self._texts = [
            (start, size, column.lengths)
            for start, size, column in self._columns
            if column.lengths is not None
        ]
        template[1] = padded_one(self.width - len(tag) - 2)
        if self._texts:
            lengths = padded(self._lengths(slice(None)) - len(tag) - 2)
            self._columns.append((len(tag), 2, lengths))
        self._template = np.frombuffer(b"".join(template), np.uint8)

    def _placed(self, part: Part) -> bytes:
        """Note where a part stands; what the template has there."""
        if isinstance(part, bytes):
            return part
        if isinstance(part, Doubles):
            self._numbers.append((self.width, part))
            return part.template
        size = part.cells.shape[1] * part.cells.itemsize
        self._columns.append((self.width, size, part))
        return bytes(size)

    def page(self, first: int, last: int) -> tuple[Body, Sequence[int]]:
        """The records from `first` to before `last`, one after the other, and where each ends."""
        rows, count, page = slice(first, last), last - first, new_page()
        matrix = np.frombuffer(page, np.uint8, count * self.width).reshape(count, self.width)
        matrix[:] = self._template
        for start, size, column in self._columns:
            _put(matrix[:, start : start + size], column.cells[rows])
        for start, numbers in self._numbers:
            # an element for each byte of a record: the number that would begin there
            at = np.ndarray((count, self.width - 7), np.float64, page, 0, (self.width, 1))
            for place, values in zip(numbers.places, numbers.values, strict=True):
                at[:, start + place] = values[rows]
        if self._texts:
            return self._shortened(rows, matrix)
        used = page[: matrix.size]
        ends = range(self.width, matrix.size + 1, self.width)
        return used if len(used) > PAGE_BYTES // 2 else bytes(used), ends  # a page for little is a waste

    def _lengths(self, rows: slice) -> NDArray[np.int64]:
        """Bytes of each record without what follows the ends of its texts."""
        left_out: Any = sum(size - lengths[rows] for _, size, lengths in self._texts)
        return np.asarray(self.width - left_out)

    def _shortened(self, rows: slice, matrix: Bytes) -> tuple[Body, Sequence[int]]:
        keep = np.ones(matrix.shape, bool)
        for start, size, lengths in self._texts:
            keep[:, start : start + size] = np.arange(size) < lengths[rows, None]
        return matrix[keep].tobytes(), np.cumsum(self._lengths(rows)).tolist()


def _put(place: Bytes, cells: NDArray[Any]) -> None:
    """Copy cells into their columns: as one item each where there is a type of that size, for speed."""
    kind = cells.dtype
    if kind.itemsize == 1 and cells.strides[1] == 1:
        kind = _ITEMS.get(cells.shape[1], kind)
    place.view(kind)[:] = cells.view(kind)

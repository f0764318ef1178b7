"""Snapshots of data frames and tensors, told by their class and never imported here."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from modelspan.snapshot import MAX_COLUMNS, Snapshot, sample_stride


def _pandas_frame(frame: Any, rows: int) -> Snapshot:
    """Sampled blocks of a pandas frame: `frame_columns` makes columns of them on the worker.

    The blocks are pandas' private layout but cost 1 µs, while the public way costs 5 µs a column. Labels and
    places of columns are held as they are, since pandas never changes such an object.
    """
    total = len(frame.index)
    step = slice(None, None, sample_stride(total, rows) if total else 1)
    try:
        blocks = [(_thinned(block.values, step), block.mgr_locs) for block in frame._mgr.blocks]  # noqa: SLF001 - see above; the fallback is the public way
    except (AttributeError, TypeError):
        thin = frame.iloc[step, :MAX_COLUMNS]
        columns = [thin.iloc[:, i].array.copy() for i in range(thin.shape[1])]
        return Snapshot("columns", columns, total, thin.columns)
    return Snapshot("frame", blocks, total, frame.columns)


def _thinned(values: Any, step: slice) -> Any:
    """A copy of the sampled rows of a block."""
    if type(values) is np.ndarray:
        return values[:MAX_COLUMNS, step].copy() if values.ndim == 2 else values[step].copy()
    if hasattr(values, "_pa_array"):  # Arrow's data never change, so all rows need no copy of their own
        return values.copy() if step.step == 1 else values[step]  # which keeps no others in memory
    return values[step].copy()


def frame_columns(frame: Snapshot) -> Snapshot:
    """The columns of a frame in their order; runs on the worker."""
    names = list(frame.names[:MAX_COLUMNS])
    columns: list[Any] = [None] * len(names)
    if type(frame.payload) is tuple:
        return Snapshot("columns", [part.to_list() for part in frame.payload], frame.rows, names)
    for values, places in frame.payload:
        parts = values if values.ndim == 2 else [values]
        for part, column in zip(parts, places.as_array.tolist(), strict=False):
            if column < len(names):
                columns[column] = part
    return Snapshot("columns", columns, frame.rows, names)


def _pandas_series(series: Any, rows: int) -> Snapshot:
    total = len(series.index)
    values = series.array[: max(rows, MAX_COLUMNS)].copy()
    return Snapshot("vector", values, total, series.index[:MAX_COLUMNS].tolist())


def _polars_frame(frame: Any, rows: int) -> Snapshot:
    """Sampled columns of a polars frame, taken past its interface.

    The public ways run on threads of polars, which a forked child lacks: it would wait for them for ever.
    Without the private one the columns are held whole, since they never change, and the worker thins them.
    """
    names, total = frame.columns[:MAX_COLUMNS], frame.height
    step = sample_stride(total, rows) if total else 1
    try:
        parts = frame._df.get_columns()[:MAX_COLUMNS]  # noqa: SLF001 - see above
        if step > 1:
            places = _places(total, step)
            parts = [part.gather_with_series(places) for part in parts]
    except (AttributeError, TypeError):
        return Snapshot("columns", [frame.get_column(name) for name in names], total, names)
    return Snapshot("frame", tuple(parts), total, names)


@functools.lru_cache(maxsize=64)
def _places(total: int, step: int) -> Any:
    """The numbers of the sampled rows, as polars wants them."""
    polars = sys.modules["polars"]
    kind = np.dtype(str(polars.get_index_type()).lower())
    return polars.Series(np.arange(0, total, step, dtype=kind))._s  # noqa: SLF001 - see `_polars_frame`


def _polars_series(series: Any, rows: int) -> Snapshot:
    return Snapshot("vector", series.head(max(rows, MAX_COLUMNS)), series.len())


def _tensor(tensor: Any, _rows: int) -> Snapshot:
    """A torch tensor by its shape: reading values could wait for a device."""
    shape = tuple(tensor.shape)
    return Snapshot("opaque", f"Tensor[{tensor.dtype}]{shape}", shape[0] if shape else 1)


Handler = Callable[[Any, int], Snapshot]
_FRAMES: Mapping[tuple[str, str], Handler] = {
    ("pandas", "DataFrame"): _pandas_frame,
    ("pandas", "Series"): _pandas_series,
    ("polars", "DataFrame"): _polars_frame,
    ("polars", "Series"): _polars_series,
    ("torch", "Tensor"): _tensor,
}
SEEN: dict[type, Handler] = {}
"""Classes of frames that came before, so that they need no looking for."""


def frame_handler(kind: type) -> Handler | None:
    """What takes a snapshot of objects of this class; None unless it is the class its library exports."""
    library = kind.__module__.partition(".")[0]
    handler = _FRAMES.get((library, kind.__name__))
    if handler is None or getattr(sys.modules.get(library), kind.__name__, None) is not kind:
        return None
    SEEN[kind] = handler
    return handler

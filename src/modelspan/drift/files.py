"""CSV and Parquet files, read in chunks: memory does not grow with the file."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any, Final

from modelspan.drift.columns import Columns, twice
from modelspan.drift.table import Chunked
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

BLOCK_BYTES: Final = 8 << 20
BATCH_ROWS: Final = 1 << 16
_NULLS: Final = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
    "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""What pandas takes as missing, so that both read the same table."""
_WRONG_TYPE: Final = re.compile(r"In CSV column #(\d+):")


def open_file(path: Path) -> Chunked:
    """The table in a file.

    Raises:
        ConfigError: If the file is missing, of another format, no table, or empty, or Arrow is missing.
    """
    kind = {".csv": CsvTable, ".parquet": ParquetTable}.get(path.suffix.lower())
    if kind is None:
        raise ConfigError(
            f"data={str(path)!r} is neither .csv nor .parquet; convert it, or pass a data frame"
        )
    if not path.exists():
        raise ConfigError(f"data={str(path)!r} does not exist; pass the path of a .csv or .parquet file")
    table = kind(path)
    twice(table.names)
    if not table.names or not table.size:
        raise ConfigError(f"data={str(path)!r} has no rows; pass a table that is not empty")
    return table


class _File(Chunked):
    """A file that Arrow reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # Deferred: servers load references but never build them.
            self.arrow: Any = importlib.import_module("pyarrow")
            self.values_of: Any = importlib.import_module("modelspan.drift.arrow").values_of
            self._open()
        except ImportError as missing:
            raise ConfigError(
                f"data={str(path)!r} needs pyarrow ({missing}); "
                "install it with: pip install 'modelspan[viewer]'"
            ) from missing
        except Exception as unreadable:
            raise self.unreadable(unreadable) from unreadable

    def _open(self) -> None:
        raise NotImplementedError

    def unreadable(self, reason: Exception) -> ConfigError:
        """The error of a file that is no table."""
        return ConfigError(f"data={str(self.path)!r} can't be read as a table ({reason}); check the file")

    def _columns(self, batch: Any) -> Columns:
        return {name: self.values_of(batch.column(at)) for at, name in enumerate(batch.schema.names)}


class ParquetTable(_File):
    """A Parquet file; progress counts rows."""

    def _open(self) -> None:
        self._parquet = importlib.import_module("pyarrow.parquet")
        with self._parquet.ParquetFile(self.path) as file:
            self.names = file.schema_arrow.names
            self.size = file.metadata.num_rows

    def chunks(self, names: Sequence[str]) -> Iterable[tuple[int, int, Columns]]:
        """See `Chunked`."""
        done = 0
        # Buffered: a row group is read piece by piece, not whole.
        with self._parquet.ParquetFile(self.path, buffer_size=1 << 20, pre_buffer=False) as file:
            # One thread: many read ahead as many row groups as they like.
            for batch in file.iter_batches(BATCH_ROWS, columns=list(names), use_threads=False):
                done += batch.num_rows
                yield done, batch.num_rows, self._columns(batch)


class CsvTable(_File):
    """A CSV file with a line of names; progress counts bytes.

    Types are told from the first block. Where a later value does not fit, the column is read again as floats,
    and if it is no number, as text.
    """

    def _open(self) -> None:
        self._csv = importlib.import_module("pyarrow.csv")
        self._types: dict[str, Any] = {}
        self.size = self.path.stat().st_size
        self.names = self._reader([]).schema.names
        self._settle()

    def _reader(self, names: Sequence[str], file: Any = None) -> Any:
        convert = self._csv.ConvertOptions(
            include_columns=list(names),
            column_types=self._types,
            null_values=list(_NULLS),
            strings_can_be_null=True,
            true_values=["true", "True", "TRUE"],
            false_values=["false", "False", "FALSE"],
        )
        read = self._csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False)
        parse = self._csv.ParseOptions(newlines_in_values=True)
        return self._csv.open_csv(file or self.path, read, parse, convert)

    def _settle(self) -> None:
        """Read the file once for types that hold to its end."""
        while True:
            try:
                for _ in self._reader([]):
                    pass
            except self.arrow.ArrowInvalid as wrong:
                self._widen(wrong)
            else:
                return

    def _widen(self, wrong: Exception) -> None:
        """Take a wider type for the column that the error names."""
        found = _WRONG_TYPE.match(str(wrong))
        if found is None:
            raise wrong
        name = self.names[int(found[1])]
        whole = self._reader([]).schema.field(name).type
        number = self.arrow.types.is_integer(whole) or self.arrow.types.is_null(whole)
        self._types[name] = self.arrow.float64() if number else self.arrow.string()

    def chunks(self, names: Sequence[str]) -> Iterable[tuple[int, int, Columns]]:
        """See `Chunked`."""
        with self.path.open("rb") as file:
            for batch in self._reader(names, file):
                yield file.tell(), batch.num_rows, self._columns(batch)

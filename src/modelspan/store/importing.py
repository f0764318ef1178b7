"""Outcomes from a file: in chunks that are committed one after the other, with a result for every row."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from modelspan.errors import ConfigError
from modelspan.store.keys import hashed
from modelspan.store.rows import REJECTED, Outcome, Receipt
from modelspan.store.truth import RefusedError, read_outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from modelspan.store.outcomes import OutcomeStore

    Announce = Callable[[Sequence[tuple[Outcome, Receipt]]], object]

CHUNK: Final = 2000
_FINGERPRINT_BYTES: Final = 1024**2
_WHOLE: Final = re.compile(r"(-?\d{1,15})\.0+\Z")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of the columns; an empty one is not in the file."""

    id: str = "prediction_id"
    outcome: str = "outcome"
    row: str = ""
    at: str = ""
    weight: str = ""
    key: str = ""

    def read(self, cells: Mapping[str, Any], model: str) -> Outcome:
        """The outcome in one row of the file.

        Raises:
            RefusedError: If it has no meaning.
        """
        given: dict[str, Any] = {}
        for name in ("at", "weight", "key"):
            column = getattr(self, name)
            if column and not _empty(cells.get(column)):
                given[name] = _plain(cells[column])
        if self.key and "key" not in given:
            raise RefusedError("invalid_key", f"column {self.key} is empty")
        if "weight" in given:
            given["weight"] = _number("weight", given["weight"])
        position = _plain(cells.get(self.row)) if self.row else 0
        row = int(position) if isinstance(position, str) and position.isdigit() else position
        told = _plain(cells.get(self.outcome))
        return read_outcome(cells.get(self.id), None if _empty(told) else told, row=row, model=model, **given)


def import_outcomes(
    store: OutcomeStore,
    path: Path,
    columns: Columns,
    results: Path,
    *,
    model: str = "",
    progress: Callable[[int], None] = lambda _: None,
    announce: Announce = lambda _: None,
) -> Counter[str]:
    """Tell the outcomes of a .csv or .parquet file, after those that `results` has already.

    Args:
        store: Where to.
        path: The file.
        columns: Its columns.
        results: A CSV file with line, state and reason of each row, written after each commit.
        model: With a key column: only predictions of this model.
        progress: Called with the number of rows that are done.
        announce: Called with the outcomes of each commit and what became of them.

    Returns:
        Rows by state and reason, those of earlier runs too.

    Raises:
        ConfigError: If the file cannot be read, lacks a column, or `results` belongs to another file.
        UnavailableError: If the store cannot be written; run it again to go on.
    """
    rows = _rows(path, columns)
    counts, done = _begin(results, _fingerprint(path, columns))
    progress(done)
    with results.open("a", encoding="utf-8", newline="") as out:
        write = csv.writer(out)
        for chunk in _chunks(rows, done):
            for state, reason in _tell(store, chunk, columns, model, announce):
                done += 1
                counts[f"{state} {reason}".strip()] += 1
                write.writerow((done, state, reason))
            out.flush()
            progress(done)
    return counts


def count_rows(path: Path) -> int:
    """About how many rows the file has, for a progress bar."""
    if path.suffix == ".parquet":
        return int(_parquet(path).metadata.num_rows)
    with path.open("rb") as file:
        return max(0, sum(block.count(b"\n") for block in iter(lambda: file.read(1024**2), b"")) - 1)


def _tell(
    store: OutcomeStore, chunk: list[Row], columns: Columns, model: str, announce: Announce
) -> Iterator[tuple[str, str]]:
    read: list[Outcome | Receipt] = []
    refused: Counter[str] = Counter()
    for cells in chunk:
        try:
            told = columns.read(cells, model)
            read.append(told._replace(key=hashed(told.key, store.secret())) if told.key else told)
        except RefusedError as error:
            refused[error.reason] += 1
            read.append(Receipt(state=REJECTED, reason=error.reason))
    outcomes = [each for each in read if isinstance(each, Outcome)]
    receipts = store.commit([], outcomes, time.time_ns(), refused)
    announce(list(zip(outcomes, receipts, strict=True)))
    answers = iter(receipts)
    for each in read:
        receipt = each if isinstance(each, Receipt) else next(answers)
        yield receipt.state, receipt.reason


def _chunks(rows: Iterator[Row], skip: int) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    for number, cells in enumerate(rows):
        if number < skip:
            continue
        chunk.append(cells)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _rows(path: Path, columns: Columns) -> Iterator[Row]:
    """Rows of the file as dicts; what is wrong with the file as a whole is said now."""
    wanted = [columns.outcome, columns.key or columns.id, columns.row, columns.at, columns.weight]
    if path.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"file={path.name} is neither .csv nor .parquet; convert it")
    try:
        found = _parquet_names(path) if path.suffix == ".parquet" else _csv_names(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"file={str(path)!r} cannot be read ({error})") from error
    if missing := [name for name in wanted if name and name not in found]:
        raise ConfigError(
            f"file={path.name} has no column {missing[0]!r}; give the option one of {', '.join(found)[:300]}"
        )
    return _parquet_rows(path, wanted) if path.suffix == ".parquet" else _csv_rows(path)


def _csv_names(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        yield from csv.DictReader(file)


def _parquet(path: Path) -> Any:
    try:
        from pyarrow import parquet  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError("a .parquet file needs pyarrow: pip install 'modelspan[viewer]'") from None
    try:
        return parquet.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"file={str(path)!r} cannot be read ({error})") from error


def _parquet_names(path: Path) -> list[str]:
    return list(_parquet(path).schema_arrow.names)


def _parquet_rows(path: Path, wanted: list[str]) -> Iterator[Row]:
    for batch in _parquet(path).iter_batches(CHUNK, columns=[name for name in wanted if name]):
        yield from batch.to_pylist()


def _fingerprint(path: Path, columns: Columns) -> str:
    """Names the file and how it is read, so that another one is not taken for the rest of it."""
    with path.open("rb") as file:
        head = file.read(_FINGERPRINT_BYTES)
    said = json.dumps([path.stat().st_size, repr(columns)]).encode()
    return hashlib.sha256(head + said).hexdigest()[:16]


def _begin(results: Path, fingerprint: str) -> tuple[Counter[str], int]:
    """What an earlier run has done, without a last line that a kill has cut."""
    header = f"line,state,reason,{fingerprint}\r\n"
    if not results.exists() or not results.stat().st_size:
        results.write_text(header, encoding="utf-8", newline="")
        return Counter(), 0
    with results.open("r+b") as file:
        whole = file.read()
        file.truncate(whole.rfind(b"\n") + 1)
    lines = whole[: whole.rfind(b"\n") + 1].decode().splitlines()
    if not lines or lines[0] != header.strip():
        raise ConfigError(
            f"results={str(results)!r} is of another file or other options; name another with --results"
        )
    counts = Counter(" ".join(line.split(",")[1:]).strip() for line in lines[1:])
    return counts, len(lines) - 1


def _plain(cell: Any) -> Any:
    """A cell of a file: 1.0 is the whole number 1, for a column with gaps turns classes into such floats."""
    if isinstance(cell, str):
        match = _WHOLE.fullmatch(cell.strip())
        return match[1] if match else cell.strip()
    return int(cell) if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53 else cell


def _number(name: str, cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        raise RefusedError(f"invalid_{name}", f"{name}={cell!r:.60} is no number") from None


def _empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip()) or cell != cell  # noqa: PLR0124 - NaN

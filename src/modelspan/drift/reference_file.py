"""The file of a reference: small JSON with a version and a checksum, written at once or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from modelspan.errors import ReferenceFileError

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "modelspan.reference/2"
_READABLE = ("modelspan.reference/1", SCHEMA)
"""Schema 1 had numeric and categorical features only; it reads as schema 2."""
MAX_BYTES = 16 * 2**20

Document: TypeAlias = dict[str, Any]

_REBUILD = "build it again with: modelspan reference build"


def write_document(document: Document, path: Path) -> None:
    """Write the document with its schema and checksum: a reader sees the old file or the new one."""
    complete = {**document, "schema": SCHEMA}
    complete["checksum"] = _checksum(complete)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="ascii", newline="\n") as file:
            file.write(_lines(complete))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_document(path: Path) -> Document:
    """The document in the file, its schema and checksum verified.

    Raises:
        ReferenceFileError: If the file is missing, too big, not JSON, foreign, of an unknown version or
            edited.
    """
    parsed = _parse(path, _read(path))
    document: Document = parsed if isinstance(parsed, dict) else {}
    schema = document.get("schema")
    if not isinstance(schema, str) or not schema.startswith("modelspan.reference/"):
        _fail(path, "is not a reference of modelspan", "pass the file that Reference.save wrote")
    if schema not in _READABLE:
        _fail(
            path,
            f"has schema {schema[:40]!r} and this version reads up to {SCHEMA!r}",
            f"upgrade modelspan, or {_REBUILD}",
        )
    if document.pop("checksum", None) != _checksum(document):
        _fail(path, "was edited after it was saved: its checksum differs", f"restore it, or {_REBUILD}")
    return document


def _read(path: Path) -> bytes:
    """The bytes of the file, one more than allowed at most."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as unreadable:
        raise ReferenceFileError(
            f"reference={str(path)!r} can't be read ({unreadable.strerror}); check the path, or {_REBUILD}"
        ) from unreadable
    if len(content) > MAX_BYTES:
        _fail(
            path,
            f"is larger than {MAX_BYTES:,} bytes",
            "references are about 1 KB a column; pass the right file",
        )
    return content


def _parse(path: Path, content: bytes) -> Any:
    try:
        return json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as broken:
        reason = "nested too deeply" if isinstance(broken, RecursionError) else broken
        raise ReferenceFileError(f"reference={str(path)!r} is not JSON ({reason}); {_REBUILD}") from broken


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _fail(path: Path, rule: str, way_out: str) -> NoReturn:
    raise ReferenceFileError(f"reference={str(path)!r} {rule}; {way_out}")


def compact(value: object) -> str:
    """JSON of one form only: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _checksum(document: Document) -> str:
    return "sha256:" + hashlib.sha256(compact(document).encode()).hexdigest()


def _lines(document: Document) -> str:
    """JSON with a line for each feature, so that a diff shows which one changed."""
    rest = {key: value for key, value in document.items() if key != "features"}
    features = ",\n".join(compact(feature) for feature in document["features"])
    fields = {key: compact(value) for key, value in rest.items()} | {"features": f"[\n{features}\n]"}
    return "{\n" + ",\n".join(f"{json.dumps(key)}:{fields[key]}" for key in sorted(fields)) + "\n}\n"


def typed(value: Any, *kinds: type) -> Any:
    """The value if it has exactly one of the types."""
    if type(value) not in kinds:
        raise TypeError(f"{type(value).__name__} where {kinds[0].__name__} belongs")
    return value

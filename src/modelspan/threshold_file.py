"""Thresholds from a YAML file, checked at start against the schema that is shipped beside this module."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from modelspan.errors import ConfigError
from modelspan.performance.thresholds import MEASURES, Threshold, is_measure

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA_FILE: Final = "thresholds.schema.json"
_MAX_BYTES: Final = 2**20
_OF_SERIES: Final = (
    "name",
    "model",
    "version",
    "metric",
    "of",
    "segment",
    "min_coverage",
    "cool_down",
    "severity",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdRule:
    """One entry of the file: which series, its threshold, and how a crossing is told."""

    name: str
    model: str
    metric: str
    threshold: Threshold
    version: str = ""
    """Empty: every version, each for itself."""
    of: Literal["realised", "estimated", "kpi"] = "realised"
    segment: str = ""
    """Name of a segment, each of whose values is watched; empty: the whole model."""
    min_coverage: float = 0.5
    """A window with less is not judged yet."""
    cool_down: int = 0
    severity: Literal["warning", "critical"] = "warning"


def schema() -> dict[str, Any]:
    """The JSON schema of the file, draft 2020-12."""
    found: dict[str, Any] = json.loads(files("modelspan").joinpath(SCHEMA_FILE).read_text("utf-8"))
    return found


def load_thresholds(path: str) -> tuple[ThresholdRule, ...]:
    """The rules in the file at `path`.

    Raises:
        ConfigError: If it can't be read, is no YAML, or breaks the schema: the message names file, line and
            field. Or if PyYAML or jsonschema is missing.
    """
    try:
        import jsonschema  # noqa: PLC0415 - an extra, and slow to import
        import yaml  # noqa: PLC0415 - as above
    except ImportError as missing:
        raise ConfigError(
            f"thresholds={path!r} needs {missing.name}; pip install 'modelspan[thresholds]'"
        ) from None
    text = _read(path)
    try:
        root, document = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as broken:
        mark = getattr(broken, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else path
        said = getattr(broken, "problem", None) or broken
        raise ConfigError(f"{where}: not YAML ({said}); mend the file") from None
    errors = jsonschema.Draft202012Validator(schema()).iter_errors(document)
    error = jsonschema.exceptions.best_match(errors)
    if error is not None:
        field = list(error.absolute_path)
        raise ConfigError(f"{path}:{_line(root, field)}: {_field(field)}{_short(error.message)}")
    rules = tuple(_rule(entry) for entry in document["thresholds"])
    _refuse_twins(path, root, rules)
    _refuse_unknown(path, root, rules)
    return rules


def _read(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ConfigError(f"thresholds={path!r} is larger than 1 MiB; pass the right file")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"thresholds={path!r} can't be read ({error}); check the path") from None


def _rule(entry: dict[str, Any]) -> ThresholdRule:
    series = {name: entry[name] for name in _OF_SERIES if name in entry}
    rest = {name: value for name, value in entry.items() if name not in _OF_SERIES}
    return ThresholdRule(**series, threshold=Threshold(**rest))


def _refuse_twins(path: str, root: Any, rules: tuple[ThresholdRule, ...]) -> None:
    seen: set[str] = set()
    for at, rule in enumerate(rules):
        if rule.name in seen:
            line = _line(root, ["thresholds", at, "name"])
            raise ConfigError(f"{path}:{line}: name={rule.name!r} is used twice; give each its own")
        seen.add(rule.name)


def _refuse_unknown(path: str, root: Any, rules: tuple[ThresholdRule, ...]) -> None:
    """A misspelt measure would never cross."""
    for at, rule in enumerate(rules):
        if rule.of != "kpi" and not is_measure(rule.metric):
            line = _line(root, ["thresholds", at, "metric"])
            raise ConfigError(
                f"{path}:{line}: metric={rule.metric!r} is no measure; use {', '.join(sorted(MEASURES))}, "
                "quantile_loss_0.9, or of: kpi"
            )


def _line(node: Any, where: Iterable[Any]) -> int:
    """Line of the deepest node on the way to a field."""
    for step in where:
        children: Any = node.value if node is not None else []
        if isinstance(step, int):
            node = children[step]
        else:
            node = next((value for key, value in children if key.value == step), node)
    return node.start_mark.line + 1 if node is not None else 1


def _field(where: list[Any]) -> str:
    if not where:
        return ""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)[1:] + ": "


def _short(message: str) -> str:
    return message if len(message) <= 300 else message[:299] + "…"

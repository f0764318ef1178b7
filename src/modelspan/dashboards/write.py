"""The writers, and the folder that they fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelspan.dashboards import alerts, elasticsearch, grafana, kibana, provisioning, recording
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from modelspan.dashboards.plan import Plan, Writer

WRITERS: dict[str, tuple[Writer, ...]] = {
    "grafana": (provisioning.files, grafana.files),
    "prometheus": (recording.files, alerts.files),
    "kibana": (kibana.files, elasticsearch.files),
}
"""By the name that `--only` takes: what makes the files of one product."""


def make(plan: Plan, only: Collection[str] = ()) -> dict[str, str]:
    """Content by path below the output folder, sorted; all products, or only those named.

    Raises:
        ConfigError: If a product is unknown.
    """
    unknown = sorted(set(only) - set(WRITERS))
    if unknown:
        raise ConfigError(f"only={unknown[0]!r} is not a product; use {', '.join(WRITERS)}")
    made: dict[str, str] = {}
    for product in only or WRITERS:
        for writer in WRITERS[product]:
            made.update(writer(plan))
    return dict(sorted(made.items()))


def write(files: dict[str, str], out: Path) -> None:
    """Write the files below `out`; others that lie there stay.

    Raises:
        OSError: If a file can't be written.
    """
    for name, content in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8", newline="\n")


def outdated(files: dict[str, str], out: Path) -> list[str]:
    """Names of the files that differ from what lies below `out`, or are not there."""
    return [name for name, content in files.items() if _read(out / name) != content]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None

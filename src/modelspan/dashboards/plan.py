"""What dashboards are to be made of: the models with their references, and where Grafana is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from modelspan.errors import ConfigError
from modelspan.semconv import DURATION_BUCKETS

if TYPE_CHECKING:
    from modelspan.drift.reference import Reference

_DURATION = re.compile(r"([1-9]\d{0,4})([smhdw])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What every writer gets.

    Raises:
        ConfigError: If a setting is wrong; the message names it, the rule and the way out.
    """

    references: tuple[Reference, ...] = ()
    """Models whose features panels name; without one, panels offer the features that are on the wire."""
    windows: tuple[str, ...] = ("1h", "1d")
    """Spans over which the fleet's drift is computed, shortest first."""
    step: str = "1m"
    """How often the fleet's counts are added up; the fineness of the windows."""
    latency_seconds: float = 0.25
    """A call is fast if it took at most this; one of the buckets of the duration."""
    grafana: str = "http://127.0.0.1:3000"
    """Address of Grafana as people reach it; links in alerts lead there."""

    def __post_init__(self) -> None:
        _check_models(self.references)
        if not self.windows:
            raise ConfigError("windows=() leaves no window; name at least one, such as 1h")
        step = seconds(self.step)
        for window in self.windows:
            if seconds(window) < step or seconds(window) % step:
                raise ConfigError(
                    f"window={window!r} must be a whole number of steps of {self.step}; choose another"
                )
        if self.latency_seconds not in DURATION_BUCKETS:
            raise ConfigError(
                f"latency={self.latency_seconds:g} is no bucket of the duration; "
                f"use one of {', '.join(f'{bucket:g}' for bucket in DURATION_BUCKETS)}"
            )
        url = urlsplit(self.grafana)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ConfigError(f"grafana={self.grafana!r} is not an address; use https://HOST or http://HOST")


Files: TypeAlias = Mapping[str, str]
"""Content by path below the output folder, with `/`."""
Writer: TypeAlias = Callable[[Plan], Files]


def seconds(duration: str) -> int:
    """A Prometheus duration of one unit, such as `90s`, `5m`, `1h`, `1d`, in seconds.

    Raises:
        ConfigError: If it is not one.
    """
    found = _DURATION.match(duration)
    if not found:
        raise ConfigError(f"duration={duration!r} is not a number with s, m, h, d or w; for example 1h")
    return int(found[1]) * _SECONDS[found[2]]


def _check_models(references: tuple[Reference, ...]) -> None:
    """Each reference names its model, and no two the same version of one."""
    seen: set[tuple[str, str]] = set()
    for reference in references:
        model = (reference.model, reference.version)
        if not reference.model:
            raise ConfigError(
                "a reference names no model, so its panels could not find their series; "
                "build it with: modelspan reference build --model NAME"
            )
        if model in seen:
            raise ConfigError(f"two references are of model={model[0]!r} version={model[1]!r}; pass one")
        seen.add(model)

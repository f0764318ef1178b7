"""What is told of layers: a bounded number by name, the rest pooled."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from modelspan import semconv
from modelspan.errors import ConfigError
from modelspan.integrations.run import OTHER
from modelspan.pipeline.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelspan.integrations.run import Measured

LAYERS: Final = 20


@dataclass(frozen=True, slots=True)
class Activation:
    """A layer's output over one batch."""

    count: int
    mean: float
    sd: float
    """Divisor n."""
    units: int = 0
    """0: it has no units, so none is dead."""
    dead: float = 0


class LayerNames:
    """The first layers, in the order of their definition, keep their names."""

    def __init__(self, names: Iterable[str], most: int) -> None:
        if not isinstance(most, int) or not 0 <= most <= 1000:
            raise ConfigError(f"layers={most!r:.60} must be a whole number from 0 to 1000")
        kept = list(dict.fromkeys(names))[:most]
        self._told = {name: clean_text(name, 200) for name in kept}

    def __getitem__(self, name: str) -> str:
        return self._told.get(name, OTHER)

    def gradients(self, norms: Iterable[tuple[str, float]]) -> list[Measured]:
        """Norms of the gradients of parameters by layer: root of the sum of squares, and that of all."""
        squares: defaultdict[str, float] = defaultdict(float)
        for name, norm in norms:
            squares[self[name]] += norm * norm
        if not squares:
            return []
        found: list[Measured] = [(semconv.GRADIENT_NORM, math.sqrt(sum(squares.values())), {})]
        for name, square in squares.items():
            found.append((semconv.LAYER_GRADIENT_NORM, math.sqrt(square), {semconv.TRAINING_LAYER: name}))
        return found

    def activations(self, seen: Mapping[str, Activation]) -> list[Measured]:
        """Mean, standard deviation and dead units of each layer, of the pooled ones over all their values."""
        groups: defaultdict[str, list[Activation]] = defaultdict(list)
        for name, activation in seen.items():
            groups[self[name]].append(activation)
        return [each for name, group in groups.items() for each in _measured(name, group)]


def _measured(name: str, group: list[Activation]) -> Iterable[Measured]:
    about = {semconv.TRAINING_LAYER: name}
    count = sum(each.count for each in group)
    mean = sum(each.count * each.mean for each in group) / count
    square = sum(each.count * (each.sd**2 + (each.mean - mean) ** 2) for each in group) / count
    yield semconv.ACTIVATION_MEAN, mean, about
    yield semconv.ACTIVATION_SD, math.sqrt(square), about
    units = sum(each.units for each in group)
    if units:
        yield semconv.DEAD_UNITS, sum(each.dead for each in group) / units, about

"""Which argument of a decorated function holds the features."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from modelspan.capture import ATOMS
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

_OWNERS = ("self", "cls")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Arguments(NamedTuple):
    """Position and name of the features, and the names of all parameters from there on."""

    position: int = 0
    name: str = ""
    names: tuple[str, ...] = ()
    alone: bool = False
    """The user named the parameter: never take the others in."""

    def select(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The features of one call: one argument, or all of them by name when that one is a scalar."""
        if len(args) > self.position:
            value = args[self.position]
        elif self.name in kwargs:
            value = kwargs[self.name]
        else:
            return kwargs
        if type(value) in ATOMS and not self.alone and len(self.names) > 1:
            return {**dict(zip(self.names, args[self.position :], strict=False)), **kwargs}
        return value


def find_arguments(function: Callable[..., Any], argument: str) -> Arguments:
    """Where `function` takes its features; `argument` is the user's choice, or empty.

    Raises:
        ConfigError: If `argument` is not a parameter.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a C function without a signature: take what comes first
        return Arguments()
    names = [p.name for p in parameters if p.kind in _POSITIONAL]
    start = 1 if names and names[0] in _OWNERS else 0
    if not argument:
        first = names[start] if len(names) > start else ""
        return Arguments(start, first, tuple(names[start:]))
    if argument in names:
        return Arguments(names.index(argument), argument, (argument,), alone=True)
    if any(p.name == argument for p in parameters):
        return Arguments(len(parameters) + 1, argument, (argument,), alone=True)
    known = ", ".join(p.name for p in parameters)
    raise ConfigError(f"argument={argument!r} is not a parameter of {function!r:.60}; choose from {known}")

"""Which argument of a decorated function holds the features."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any, Final

from modelspan.errors import ConfigError
from modelspan.snapshot import ATOMS

NOWHERE: Final = sys.maxsize
"""Past the end of any arguments."""
_OWNERS = ("self", "cls")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


Select = Callable[[tuple[Any, ...], dict[str, Any]], Any]
"""From the arguments of one call to its features."""


def _selector(position: int = 0, name: str = "", names: tuple[str, ...] = ()) -> Select:
    """Take the argument at `position` or called `name`; all of `names` when that is a scalar."""
    several = len(names) > 1

    def select(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if len(args) > position:
            value = args[position]
        elif name in kwargs:
            value = kwargs[name]
        else:
            return kwargs
        if several and type(value) in ATOMS:
            return {**dict(zip(names, args[position:], strict=False)), **kwargs}
        return value

    return select


def plain_position(function: Callable[..., Any], argument: str) -> int:
    """Where the features stand when they need no looking for, as in `predict(features)`; else `NOWHERE`."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a C function without a signature
        return NOWHERE
    names = [p.name for p in parameters if p.kind in _POSITIONAL]
    start = 1 if names and names[0] in _OWNERS else 0
    alone = len(names) == len(parameters) == start + 1
    return start if alone and argument in ("", names[start]) else NOWHERE


def find_arguments(function: Callable[..., Any], argument: str) -> Select:
    """Where `function` takes its features; `argument` is the user's choice, or empty.

    Raises:
        ConfigError: If `argument` is not a parameter.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a C function without a signature: take what comes first
        return _selector()
    names = [p.name for p in parameters if p.kind in _POSITIONAL]
    start = 1 if names and names[0] in _OWNERS else 0
    if not argument:
        first = names[start] if len(names) > start else ""
        return _selector(start, first, tuple(names[start:]))
    if argument in names:
        return _selector(names.index(argument), argument)
    if any(p.name == argument for p in parameters):
        return _selector(len(parameters) + 1, argument)
    known = ", ".join(p.name for p in parameters)
    raise ConfigError(f"argument={argument!r} is not a parameter of {function!r:.60}; choose from {known}")

"""Users' own measures over joined rows: registered on import, computed where outcomes arrive."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, overload

from modelspan.errors import ConfigError
from modelspan.outcome import JoinedRow

Function = Callable[[Sequence[JoinedRow]], "float | Mapping[str, float] | None"]
F = TypeVar("F", bound=Function)
_MAX_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class Kpi:
    """One registered function."""

    name: str
    model: str
    """Empty: every model, each for itself."""
    function: Function


registered: dict[str, Kpi] = {}
"""By name."""


@overload
def kpi(function: F) -> F: ...


@overload
def kpi(*, name: str = "", model: str = "") -> Callable[[F], F]: ...


def kpi(function: Any = None, *, name: str = "", model: str = "") -> Any:
    """Export a function of joined rows as the gauge `ml.kpi.value`.

    The function gets the rows of a window of prediction time, those without outcome too (`row.known`), each
    with `label`, `value`, `score`, `segments`, `outcome_label`, `outcome_value`, `weight`; never empty. It
    gives a finite number, a mapping of group to number (at most 50), or None for "not enough data". It runs
    on a thread of modelspan, so it may take its time; if it raises, that is counted (`ml.kpi.errors`) and
    logged, and nothing else happens. It needs a store (`configure(data=…)`).

    Args:
        function: Left out when there are options: `@modelspan.kpi(model="credit-risk")`.
        name: Name of the KPI. Default: the function's.
        model: Model whose rows it is about. Default: every model, each for itself.

    Raises:
        ConfigError: If it is no function, or another one has the name.
    """
    if function is None:
        return lambda decorated: kpi_of(decorated, name, model)
    return kpi_of(function, name, model)


def kpi_of(function: Any, name: str, model: str) -> Any:
    """Register; the same function again, as by a reload of its module, takes its own place."""
    chosen = name or getattr(function, "__name__", "")
    check_kpi(chosen, function)
    registered[chosen] = Kpi(chosen, model, function)
    return function


def check_kpi(name: Any, function: Any) -> None:
    """A KPI is a function with a name that no other one has.

    Raises:
        ConfigError: If it is none.
    """
    if not callable(function):
        raise ConfigError(f"kpi={function!r:.60} is no function; pass one that takes joined rows")
    usable = isinstance(name, str) and name and name != "<lambda>"
    if not usable or len(name) > _MAX_NAME or not name.isprintable():
        raise ConfigError(f"name={name!r:.60} names no KPI; use text of at most {_MAX_NAME} characters")
    before = registered.get(name)
    if before is not None and _home(before.function) != _home(function):
        raise ConfigError(f"name={name!r} is taken by another KPI; name one of them otherwise")


def _home(function: Any) -> tuple[Any, Any]:
    return getattr(function, "__module__", None), getattr(function, "__qualname__", id(function))

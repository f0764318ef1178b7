"""A decorated callable that is not a plain function: a bound method, a partial, an object with `__call__`."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import wrapt

if TYPE_CHECKING:
    from collections.abc import Callable


class MonitoredCallable(wrapt.ObjectProxy[Any]):
    """Behaves as the wrapped object in everything but the call; pickles and copies as a decorated one."""

    def __init__(self, wrapped: Any, call: Callable[..., Any], decorate: Callable[[Any], Any]) -> None:
        super().__init__(wrapped)
        self._self_call = call
        self._self_decorate = decorate

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the monitored call."""
        return self._self_call(*args, **kwargs)

    def __reduce__(self) -> Any:
        return _rebuild, (self.__wrapped__, self._self_decorate)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def __copy__(self) -> Any:
        return self._self_decorate(copy.copy(self.__wrapped__))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self._self_decorate(copy.deepcopy(self.__wrapped__, memo))


def _rebuild(wrapped: Any, decorate: Callable[[Any], Any]) -> Any:
    return decorate(wrapped)

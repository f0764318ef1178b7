"""The decorator: settings in, a watched function of the same kind out."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from modelspan import _setup
from modelspan._wrappers import wrap
from modelspan.pipeline.arguments import find_arguments, plain_position
from modelspan.pipeline.target import resolve_target

F = TypeVar("F", bound=Callable[..., Any])


def monitor(
    *,
    model: str,
    version: str = "",
    variant: str = "",
    reference: Any = None,
    features: Any = (),
    log_features: Any = (),
    classes: Any = (),
    task: str = "",
    operation: str = "",
    argument: str = "",
    drift_window: int = 1000,
    detectors: Any = None,
    key: Callable[[Any], Any] | None = None,
    estimate: Any = None,
    segments: Any = (),
) -> Callable[[F], F]:
    """Observe a predict function: span, log, metrics, drift and errors under one trace id.

    Works on functions, coroutines, generators, async generators, methods, class- and static methods (below or
    above their decorator), `functools.partial` and any callable object. The answer is the same object, an
    exception the same exception.

    Args:
        model: Name of the model; few different ones, since it names time series.
        version: Version of the model.
        variant: Role of the model: champion, challenger, shadow.
        reference: What the data looked like in training: a `Reference` or the path of its file. Gives drift.
        features: Names of the columns, for inputs that carry none (arrays, lists). Default: the reference's.
        log_features: Features whose values may leave the process. Default: none.
        classes: Labels in the order of the model's probability columns.
        task: `binary`, `multiclass` or `regression`. Default: read from each answer.
        operation: What the call is named after. Default: the function's name.
        argument: Name of the parameter that holds the features. Default: the first one, or all of them by
            name when the first is a scalar.
        drift_window: Rows in one drift window, from 100.
        detectors: Streaming detectors by signal, besides the drift test: a feature, `score`, `value`, `error`
            or `loss` (both with feedback), or `features` for all as a row. Those of river and alibi-detect
            are taken as they are.
        key: From the features of one row, by name, to the key under which its truth will be known; runs on
            the worker, and only its keyed hash is stored.
        estimate: What tells performance before outcomes come: of classes an `Estimator`, which
            `modelspan.performance.estimate` fits, of values a `LossModel` of `modelspan.performance.loss`,
            which the worker asks about each row. Default: what the reference has learnt.
        segments: Features whose values the outcome store keeps, to look at performance by them.

    Raises:
        ConfigError: If a setting is wrong, when the function is decorated.
    """
    settings = {name: value for name, value in locals().items() if name != "operation"}

    def decorate(function: F) -> F:
        return cast("F", _decorate(function, settings, operation))

    return decorate


def _decorate(function: Any, settings: dict[str, Any], operation: str) -> Any:
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(_decorate(function.__func__, settings, operation))
    target = resolve_target(function, operation=operation, **settings)
    select = find_arguments(function, settings["argument"])
    _setup.prepare()
    wrapper = wrap(function, target, select, plain_position(function, settings["argument"]))
    if inspect.isfunction(function):
        return functools.wraps(function)(wrapper)
    from modelspan.pipeline.callables import MonitoredCallable  # noqa: PLC0415 - wrapt loads asyncio: 25 ms

    return MonitoredCallable(
        function, wrapper, functools.partial(_decorate, settings=settings, operation=operation)
    )

"""What one decorated function is: settings of `monitor`, checked and resolved at decoration."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelspan.drift.detectors import Detector, as_detector
from modelspan.drift.reference import Reference
from modelspan.errors import ConfigError
from modelspan.performance import special
from modelspan.prediction import Model

TASKS = ("", "binary", "multiclass", "regression")
MIN_WINDOW = 100
MAX_NAME = 200
FRAMEWORKS = frozenset((
    "catboost", "keras", "lightgbm", "mlflow", "onnxruntime", "river", "sklearn", "statsmodels", "tensorflow",
    "torch", "transformers", "xgboost",
))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the worker needs to know of a decorated function; shared by all its calls."""

    model: Model
    reference: Reference | None = None
    feature_names: tuple[str, ...] = ()
    """Names of the columns of inputs that carry none."""
    classes: tuple[str, ...] = ()
    """Class labels in the order of the model's probability columns."""
    drift_window: int = 1000
    """Rows in one drift window."""
    detectors: Mapping[str, Detector] = field(default_factory=dict)
    """Streaming detectors by signal; the worker feeds them."""
    key: Any = None
    """The user's function from the features of a row to its business key."""
    estimator: Any = None
    """What tells performance before outcomes come."""
    loss_model: Any = None
    """A `LossModel`, which the worker asks about each row."""
    segments: tuple[str, ...] = ()
    """Features whose values are stored beside the prediction, to look at performance by them."""


def resolve_target(
    function: Any,
    *,
    model: Any,
    version: Any,
    variant: Any,
    reference: Any,
    features: Any,
    log_features: Any,
    classes: Any,
    task: Any,
    operation: Any,
    argument: Any,
    drift_window: Any,
    detectors: Any,
    key: Any = None,
    estimate: Any = None,
    segments: Any = (),
) -> Target:
    """Check the settings of `monitor` for `function`.

    Raises:
        ConfigError: If one is wrong; the message names it, the rule and the way out.
    """
    if not callable(function) or inspect.isclass(function):
        what = "class" if inspect.isclass(function) else type(function).__name__
        raise ConfigError(f"monitor() decorates callables, not a {what}; decorate its predict method")
    if not isinstance(argument, str):
        raise ConfigError(f"argument={argument!r:.60} is not text; name one parameter")
    if task not in TASKS:
        raise ConfigError(
            f"task={task!r:.60} is not known; use binary, multiclass, regression or leave it out"
        )
    if type(drift_window) is not int or drift_window < MIN_WINDOW:
        raise ConfigError(
            f"drift_window={drift_window!r:.60} must be a whole number of rows from {MIN_WINDOW}"
        )
    resolved = _reference(reference)
    estimator, loss_model = _estimate(estimate, task, resolved)
    names = _texts("features", features) or (tuple(resolved.features) if resolved else ())
    return Target(
        model=Model(
            name=_name("model", model, required=True),
            version=_name("version", version),
            variant=_name("variant", variant),
            operation=_name("operation", operation) or _operation(function),
            task=task,
            framework=_framework(function),
            log_features=_texts("log_features", log_features),
        ),
        reference=resolved,
        feature_names=names,
        classes=_texts("classes", classes),
        drift_window=drift_window,
        detectors=_detectors(detectors),
        key=_key(key),
        estimator=estimator,
        loss_model=loss_model,
        segments=_texts("segments", segments),
    )


def _key(value: Any) -> Any:
    if value is not None and not callable(value):
        raise ConfigError(
            f"key={value!r:.60} is no function; pass one of a row's features, key=lambda row: row['loan_id']"
        )
    return value


def _estimate(value: Any, task: str, reference: Reference | None) -> tuple[Any, Any]:
    """The estimator, and the loss model that it needs, if it is one of values."""
    found = (reference.estimator if reference else None, None) if value is None else _given(value, task)
    if found != (None, None):
        special.load()  # the worker will use it
    return found


def _given(value: Any, task: str) -> tuple[Any, Any]:
    from modelspan.performance.estimate import Estimator  # noqa: PLC0415 - few want it
    from modelspan.performance.loss import LossModel  # noqa: PLC0415 - as above

    if not isinstance(value, (Estimator, LossModel)):
        raise ConfigError(
            f"estimate is a {type(value).__name__}; pass what Estimator.fit(…) gave, of "
            "modelspan.performance.estimate, or LossModel.fit(…), of modelspan.performance.loss"
        )
    values = isinstance(value, LossModel)
    if task and values != (task == "regression"):
        raise ConfigError(
            f"estimate is a {type(value).__name__} and task={task!r}; a LossModel is for regression, "
            "an Estimator for classes"
        )
    return (value.estimator, value) if isinstance(value, LossModel) else (value, None)


def _name(setting: str, value: Any, *, required: bool = False) -> str:
    if not isinstance(value, str):
        raise ConfigError(
            f"{setting}={value!r:.60} is a {type(value).__name__}; it must be text: {setting}='…'"
        )
    if required and not value.strip():
        raise ConfigError(f"{setting}={value!r} is empty; give the model a name, for example 'credit-risk'")
    if len(value) > MAX_NAME or not value.isprintable():
        raise ConfigError(f"{setting}={value!r:.60} must be at most {MAX_NAME} printable characters")
    return value


def _texts(setting: str, value: Any) -> tuple[str, ...]:
    entries = (
        tuple(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict)) else (0,)
    )
    if not all(isinstance(entry, str) for entry in entries):
        raise ConfigError(
            f"{setting}={value!r:.60} is not a list of names; pass for example {setting}=['a', 'b']"
        )
    if len(set(entries)) != len(entries):
        raise ConfigError(f"{setting}={value!r:.60} names something twice; name each once")
    return entries


def _reference(value: Any) -> Reference | None:
    if value is None or isinstance(value, Reference):
        return value
    if isinstance(value, (str, os.PathLike)):
        return Reference.load(value)
    raise ConfigError(
        f"reference is a {type(value).__name__}; pass a Reference, or the path of a file that "
        "`modelspan reference build` wrote"
    )


def _detectors(value: Any) -> Mapping[str, Detector]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(name, str) and name for name in value):
        raise ConfigError(
            f"detectors is a {type(value).__name__}; pass a mapping from signals to detectors: "
            "detectors={'score': river.drift.ADWIN()}"
        )
    if len({id(each) for each in value.values()}) != len(value):
        raise ConfigError("detectors gives one detector to two signals; make one for each")
    try:
        return {name: as_detector(each) for name, each in value.items()}
    except ValueError as error:
        raise ConfigError(f"detectors: {error}") from None


def _operation(function: Any) -> str:
    inner = function.func if isinstance(function, functools.partial) else function
    name = getattr(inner, "__name__", "")
    return name if isinstance(name, str) and name and name != "<lambda>" else "predict"


def _framework(function: Any) -> str:
    """Library of the model whose bound method it is; empty when it is the user's own class."""
    package = type(getattr(function, "__self__", None)).__module__.partition(".")[0]
    return package if package in FRAMEWORKS else ""

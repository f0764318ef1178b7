"""What the wrappers note of a call: its inputs when it begins, its answer or failure when it ends.

Nothing here raises: a fault of ours is contained, and the call goes unobserved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelspan import _setup
from modelspan.capture import capture
from modelspan.guard import fault
from modelspan.pipeline.call import Call, active, finish
from modelspan.snapshot import ATOMS

if TYPE_CHECKING:
    from modelspan.pipeline.arguments import Select
    from modelspan.pipeline.target import Target
    from modelspan.pipeline.yields import Yields


def look(call: Call, features: Any) -> int:
    """Take a snapshot of inputs that are no plain row; how many rows they have."""
    call.features = snapshot = capture(features, _setup.sample_rows)
    return snapshot.rows


def begin(target: Target, select: Select, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
    """A call with its inputs copied; None when modelspan is off, or could not."""
    if _setup.current is None and _setup.start() is None:
        return None
    try:
        call = Call(target, capture(select(args, kwargs), _setup.sample_rows))
        active.add(call)
    except Exception:
        fault("copying the inputs of a prediction")
        return None
    return call


def succeed(call: Call, answer: Any) -> None:
    """The function has answered."""
    finish(call)
    keep(call, answer)


def keep(call: Call, answer: Any) -> None:
    """Copy the answer and hand the call to the worker."""
    try:
        call.atom = answer if type(answer) in ATOMS else None
        call.output = None if type(answer) in ATOMS else capture(answer, _setup.sample_rows)
        _setup.emit(call)
    except Exception:
        fault("copying the answer of a prediction")


def succeed_with(call: Call | None, yields: Yields) -> None:
    """The generator has ended."""
    if call is not None:
        finish(call)
        call.output = yields.snapshot()
        _setup.emit(call)


def fail(call: Call | None, error: BaseException) -> None:
    """The function has raised `error`."""
    if call is None:
        return
    try:
        finish(call)
        call.error = error
        _setup.emit(call)
    except Exception:
        fault("noting the failure of a prediction")

"""The wrappers: same answer, same exception; the caller pays two clocks and a bounded copy.

Four of them, one for each kind of function, because each must *be* of that kind: `inspect` and frameworks
look. They are plain closures, so that they pickle, copy and bind as functions do.
"""

from __future__ import annotations

import functools
import inspect
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from numpy import ndarray
from opentelemetry.context import Context

from modelspan import _setup
from modelspan._noting import begin, fail, keep, look, succeed, succeed_with
from modelspan.guard import fault
from modelspan.pipeline.call import CALL_KEY as CALL
from modelspan.pipeline.call import SPAN_KEY as SPAN
from modelspan.pipeline.call import Call, active, set_last
from modelspan.pipeline.current import get_current, set_current
from modelspan.pipeline.yields import Yields
from modelspan.snapshot import ATOMS, DOUBLE, MAX_COLUMNS, ONE_ROW

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from modelspan.pipeline.arguments import Select
    from modelspan.pipeline.target import Target


_new, _begun, _ended, _are_atoms = object.__new__, active.add, active.discard, ATOMS.issuperset
"""Bound once: looking a method up at each call costs as much as running it."""


def wrap(function: Any, target: Target, select: Select, position: int) -> Callable[..., Any]:
    """A function that runs `function` and notes the call; of the same kind as `function`.

    `position` is where the features stand among the positional arguments; past their end: ask `select`.
    """
    # a callable object is of the kind of its __call__
    body = (
        function
        if inspect.isroutine(function) or isinstance(function, functools.partial)
        else type(function).__call__
    )
    if inspect.iscoroutinefunction(body):
        return _coroutine(function, target, select)
    if inspect.isasyncgenfunction(body):
        return _async_generator(function, target, select)
    if inspect.isgeneratorfunction(body):
        return _generator(function, target, select)
    return _function(function, target, select, position)


def _function(function: Any, target: Target, select: Select, position: int) -> Callable[..., Any]:
    """The plain function is what services call most: everything is written out in one frame.

    So are `Call.__init__`, `Call.inside`, `finish` and `Queue.put`: a frame of Python costs 50 ns.
    """

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        runtime = _setup.current or _setup.start()
        if runtime is None:
            return function(*args, **kwargs)
        try:
            features = args[position] if len(args) > position else select(args, kwargs)
            call, kind, rows = _new(Call), type(features), 1
            if kind is ndarray and features.dtype is DOUBLE and features.shape in ONE_ROW:
                call.row = features.tobytes()
            elif kind is dict and len(features) <= MAX_COLUMNS and _are_atoms(map(type, features.values())):
                call.row = features.copy()
            else:
                rows = look(call, features)
            call.target, call.context, call.clock = target, (outer := get_current()), perf_counter()
            _begun(call)
            set_current(Context({**outer, SPAN: call, CALL: call} if outer else {SPAN: call, CALL: call}))
        except Exception:
            fault("copying the inputs of a prediction")
        else:
            try:
                answer = function(*args, **kwargs)
            except BaseException as error:
                set_current(outer)
                fail(call, error)
                raise
            call.seconds = perf_counter() - call.clock
            set_current(outer)
            _ended(call)
            set_last(call)
            if type(answer) in ATOMS and rows == 1:
                call.atom, room = answer, (queue := runtime.queue).room - queue.each
                if room >= queue.low or queue.has(room):
                    queue.room = room
                    queue.append(call)
            else:
                keep(call, answer)
            return answer
        return function(*args, **kwargs)  # here, so that what it raises has no exception of ours as context

    return wrapper


def _coroutine(function: Any, target: Target, select: Select) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = begin(target, select, args, kwargs)
        if call is None:
            return await function(*args, **kwargs)
        set_current(call.inside())
        try:
            answer = await function(*args, **kwargs)
        except BaseException as error:
            set_current(call.context)
            fail(call, error)
            raise
        set_current(call.context)
        succeed(call, answer)
        return answer

    return wrapper


def _generator(function: Any, target: Target, select: Select) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        call = begin(target, select, args, kwargs)
        if call is None:
            return (yield from function(*args, **kwargs))
        yields, inside = Yields(), call.inside()
        try:
            generator = function(*args, **kwargs)
            step, sent = generator.send, None
            while True:
                item = _step(inside, step, sent)
                yields.add(item)
                try:
                    step, sent = generator.send, (yield item)
                except GeneratorExit:
                    generator.close()
                    raise
                except BaseException as thrown:  # whatever is thrown in goes on to the function
                    step, sent = generator.throw, cast("Any", thrown)
        except StopIteration as stop:
            succeed_with(call, yields)
            return stop.value
        except GeneratorExit:
            succeed_with(call, yields)  # the consumer has had enough: not a failure
            raise
        except BaseException as error:
            fail(call, error)
            raise

    return wrapper


def _step(inside: Context, step: Callable[[Any], Any], sent: Any) -> Any:
    """One step with the call as current span; while suspended the consumer's own context is current."""
    outer = get_current()
    set_current(inside)
    try:
        return step(sent)
    finally:
        set_current(outer)


def _async_generator(function: Any, target: Target, select: Select) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        call = begin(target, select, args, kwargs)
        yields, inside = Yields(), call.inside() if call else get_current()
        try:
            generator = function(*args, **kwargs)
            step, sent = generator.asend, None
            while True:
                item = await _async_step(inside, step, sent)
                yields.add(item)
                try:
                    step, sent = generator.asend, (yield item)
                except GeneratorExit:
                    await generator.aclose()
                    raise
                except BaseException as thrown:  # whatever is thrown in goes on to the function
                    step, sent = generator.athrow, cast("Any", thrown)
        except StopAsyncIteration:
            succeed_with(call, yields)
        except GeneratorExit:
            succeed_with(call, yields)  # the consumer has had enough: not a failure
            raise
        except BaseException as error:
            fail(call, error)
            raise

    return wrapper


async def _async_step(inside: Context, step: Callable[[Any], Any], sent: Any) -> Any:
    """`_step` for an async generator."""
    outer = get_current()
    set_current(inside)
    try:
        return await step(sent)
    finally:
        set_current(outer)

import asyncio
import copy
import functools
import importlib.util
import inspect
import pickle
import sys
from pathlib import Path

import cloudpickle
import pytest

import modelspan

_spec = importlib.util.spec_from_file_location("callable_kinds", Path(__file__).with_name("kinds.py"))
kinds = importlib.util.module_from_spec(_spec)
sys.modules["callable_kinds"] = kinds
_spec.loader.exec_module(kinds)


@pytest.mark.parametrize("name", kinds.SYNC)
def test_every_kind_of_callable_answers_as_before_and_makes_one_span(telemetry, name):
    assert kinds.SYNC[name]({"a": 21}) == 42
    (span,) = telemetry.spans
    assert span.attributes["ml.model.name"] == "m"
    assert span.attributes["ml.operation.name"] in {
        "function", "method", "class_method", "class_method_above", "static_method", "static_method_above",
        "plain", "predict",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["coroutine", "async_callable"])
def test_a_coroutine_answers_as_before_and_makes_one_span(telemetry, name):
    assert asyncio.run(getattr(kinds, name)({"a": 21})) == 42
    assert len(telemetry.spans) == 1


def test_a_generator_yields_as_before_and_its_items_are_counted(telemetry):
    assert list(kinds.generator({"a": 1})) == [2, 2, 2]
    assert len(telemetry.spans) == 1
    assert [e.attributes["ml.prediction.label"] for e in telemetry.events("ml.prediction")] == ["2", "2", "2"]


def test_an_async_generator_yields_as_before(telemetry):
    async def consume():
        return [item async for item in kinds.async_generator({"a": 1})]

    assert asyncio.run(consume()) == [2, 2, 2]
    assert len(telemetry.spans) == 1


def test_name_docstring_and_signature_are_those_of_the_function():
    assert kinds.function.__name__ == "function"
    assert kinds.function.__doc__ == "Docstring of the function."
    assert str(inspect.signature(kinds.function)) == "(x, scale=2)"
    assert str(inspect.signature(kinds.partial)) == "(x, *, scale=2)"
    assert str(inspect.signature(kinds.bound)) == "(x)"
    assert str(inspect.signature(kinds.Model().method)) == "(x)"


def test_inspect_sees_the_same_kind_of_function():
    assert inspect.iscoroutinefunction(kinds.coroutine)
    assert inspect.isgeneratorfunction(kinds.generator)
    assert inspect.isasyncgenfunction(kinds.async_generator)
    assert inspect.isfunction(kinds.function)
    assert not inspect.iscoroutinefunction(kinds.function)
    assert inspect.iscoroutinefunction(modelspan.monitor(model="m")(functools.partial(kinds.coroutine)))


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
@pytest.mark.parametrize("name", ["function", "bound", "partial", "callable_object"])
def test_a_decorated_callable_pickles_and_is_still_watched(telemetry, dumps, name):
    again = pickle.loads(dumps(getattr(kinds, name)))
    assert again({"a": 21}) == 42
    assert len(telemetry.spans) == 1


def test_a_callable_with_a_reference_object_pickles(telemetry):
    reference = modelspan.Reference.build({"a": list(range(200))})
    watched = modelspan.monitor(model="m", reference=reference)(functools.partial(kinds.plain, scale=2))
    assert pickle.loads(pickle.dumps(watched))({"a": 3}) == 6
    assert len(telemetry.spans) == 1


def test_an_instance_with_a_decorated_method_pickles_and_copies(telemetry):
    for again in (pickle.loads(pickle.dumps(kinds.Model())), copy.deepcopy(kinds.Model())):
        assert again.method({"a": 21}) == 42
    assert len(telemetry.spans) == 2


def test_a_decorated_object_copies_deeply_and_keeps_its_attributes(telemetry):
    again = copy.deepcopy(kinds.callable_object)
    again.factor = 3
    assert again({"a": 1}) == 3
    assert kinds.callable_object({"a": 1}) == 2
    assert isinstance(again, kinds.Callable)
    assert len(telemetry.spans) == 2


def test_a_wrong_call_raises_the_type_error_of_the_function(telemetry):
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        kinds.function()
    assert telemetry.spans[0].attributes["error.type"] == "TypeError"


def test_stacked_decorators_nest(telemetry):
    inner = modelspan.monitor(model="inner")(kinds.plain)
    outer = modelspan.monitor(model="outer")(inner)
    assert outer({"a": 1}) == 2
    by_name = {span.name: span for span in telemetry.spans}
    assert by_name["plain inner"].parent.span_id == by_name["plain outer"].context.span_id


def test_recursion_answers_as_before(telemetry):
    @modelspan.monitor(model="m")
    def count(n):
        return 0 if n == 0 else 1 + count(n - 1)

    assert count(100) == 100
    assert len(telemetry.spans) == 101
    assert len({span.context.trace_id for span in telemetry.spans}) == 1

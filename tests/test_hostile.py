"""Hostile inputs, answers, exceptions: nothing changes for the caller and no neighbour is lost."""

import math
import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import modelspan

CALLS = int(os.environ.get("MODELSPAN_TEST_HOSTILE_CALLS", "5000"))
"""Generated calls; a long run sets 200000."""


class Broken:
    """Every hook a library might call raises."""

    def _fail(self, *_args):
        raise RuntimeError("user code ran")

    __str__ = __repr__ = __len__ = __iter__ = __eq__ = __bool__ = __float__ = __int__ = __getitem__ = _fail
    __hash__ = object.__hash__

    def __getattr__(self, name):
        raise RuntimeError("user code ran")


class Exits:
    def __str__(self):
        raise SystemExit(3)

    __repr__ = __str__


def cyclic():
    value = {"a": 1}
    value["self"] = value
    return value


def filled():
    """An object array of broken objects; `np.array([...])` itself would run their code."""
    table = np.empty((1, 2), dtype=object)
    table.fill(Broken())
    return table


def deep():
    value = []
    for _ in range(3000):
        value = [value]
    return value


HOSTILE = {
    "broken object": Broken(),
    "exiting str": Exits(),
    "nan": math.nan,
    "inf": math.inf,
    "2**70": 2**70,
    "10**400": 10**400,
    "lone surrogate": "\ud800abc",
    "nul and ansi": "a\0\x1b[31m",
    "70 MB string": "x" * 70_000_000,
    "cyclic dict": cyclic(),
    "deep list": deep(),
    "no rows": pd.DataFrame({"a": []}),
    "ragged": [[1], [1, 2], []],
    "ragged array": np.array([[1], [1, 2]], dtype=object),
    "broken in array": filled(),
    "broken in frame": pd.DataFrame(filled(), columns=["a", "b"]),
    "broken key": {Broken(): 1, None: 2, 5: 3, "": 4},
    "duplicate columns": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "generator": (i for i in range(3)),
    "bytes": b"\xff" * 1000,
    "complex": 1j,
    "0-d array": np.array(3.0),
    "3-d array": np.zeros((2, 3, 4)),
    "datetime": np.array(["2020-01-01"], dtype="M8[D]"),
    "masked": np.ma.array([[1.0, 2.0]], mask=[[0, 1]]),
    "100,000 columns": {str(i): i for i in range(100_000)},
    "nested": {"a": {"b": {"c": [Broken()]}}},
    "na": pd.NA,
    "set": {1, 2},
    "exception": ValueError("\udfff"),
}


@pytest.fixture(scope="module")
def reference():
    return modelspan.Reference.build(
        {"a": np.arange(200.0), "b": ["x", "y"] * 100}, score=np.linspace(0, 1, 200)
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_input_and_answer_reach_the_caller_and_the_neighbours_arrive(telemetry, reference, name):
    value = HOSTILE[name]
    predict = modelspan.monitor(model="m", reference=reference, log_features=["a", "b", "f0", "5"])(
        lambda x: x
    )
    good = {"a": 1.0, "b": "x"}
    assert predict(good) is good
    assert predict(value) is value
    assert predict({"a": value}) is not None
    assert predict([value, 1]) is not None
    assert predict(good) is good
    events = telemetry.events("ml.prediction")
    assert len(telemetry.spans) == 5
    assert sum(event.attributes.get("ml.feature.value.a") == 1.0 for event in events) >= 2
    assert all(encodes(event) for event in telemetry.logs)


def encodes(record):
    """Whether every value of a record is one that OTLP carries."""
    return all(
        isinstance(value, (bool, int, float, tuple))
        or (isinstance(value, str) and len(value) <= 16_400 and value.encode() is not None)
        for value in record.attributes.values()
    ) and bool(record.body.encode())


class BrokenError(Exception):
    def __str__(self):
        raise RuntimeError("user code ran")


class ExitingError(Exception):
    def __str__(self):
        raise SystemExit(3)


def chained():
    error = ValueError("first")
    for i in range(3000):
        following = ValueError(i)
        following.__cause__ = error
        error = following
    return error


@pytest.mark.parametrize(
    "error",
    [
        BrokenError(),
        ExitingError(),
        ValueError("\ud800 surrogate"),
        ValueError("x" * 5_000_000),
        chained(),
        ExceptionGroup("many", [ValueError(i) for i in range(1000)]),
    ],
    ids=["broken str", "exiting str", "surrogate", "5 MB", "chain", "group"],
)
def test_a_hostile_exception_stays_itself_and_is_described_within_bounds(telemetry, error):
    def fail(x):
        raise error

    with pytest.raises(type(error)) as caught:
        modelspan.monitor(model="m")(fail)({"a": 1})
    assert caught.value is error
    (event,) = telemetry.events("ml.inference.exception")
    assert encodes(event)
    assert event.attributes["exception.type"].endswith(type(error).__name__)


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary(max_size=8),
    st.builds(Broken), st.builds(Exits), st.sampled_from(["\ud800", "\0", np.float32(1), np.int64(2**62)]),
    st.just(pd.NaT),
)  # fmt: skip
keys = st.one_of(st.text(max_size=5), st.integers(), st.none(), st.binary(max_size=3))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(keys, inner, max_size=5), st.tuples(inner, inner)
    ),
    max_leaves=20,
)


def test_a01_generated_hostile_values_never_reach_the_caller_as_errors():
    with modelspan.testing.record() as telemetry:
        predict = modelspan.monitor(model="m", log_features=["a"])(lambda x: x)
        count = 0

        @settings(max_examples=CALLS, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(values)
        def call(value):
            nonlocal count
            count += 1
            assert predict(value) is value

        call()
        assert len(telemetry.spans) == count
        assert all(encodes(record) for record in telemetry.logs)

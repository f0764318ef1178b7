"""Section A of the fault catalogue: bad input. Each test is named by the row that it covers.

What every row asks besides: the caller gets the same object, and the neighbours of a bad value arrive.
Rows A02 (fuzzing) and A20 to A23 (feedback, settings) have files of their own; docs/reliability.md
has the list.
"""

import asyncio
import decimal
import io
import math
import sys
import threading
import tracemalloc
import types

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

import modelspan
from modelspan.capture import capture
from modelspan.pipeline.rows import to_columns

GOOD = {"a": 1.0, "b": "x"}
MAX_VALUE, MAX_RECORD = 4 * 1024, 64 * 1024


def watched(function=lambda x: x, **settings):
    return modelspan.monitor(model="m", log_features=("a", "b"), **settings)(function)


def features(event):
    """The logged features of an `ml.prediction` event."""
    prefix = "ml.feature.value."
    return {name.removeprefix(prefix): v for name, v in event.attributes.items() if name.startswith(prefix)}


def counted(reference, column, values):
    return dict(zip(column.labels, column.count(values).tolist(), strict=True))


@pytest.fixture(scope="module")
def reference():
    random = np.random.default_rng(7)
    return modelspan.Reference.build({"a": random.normal(size=500), "b": ["x", "y"] * 250})


def test_a03_values_that_are_no_finite_number_count_as_missing_and_move_no_bin(reference):
    column = reference.features["a"]
    clean = [-0.0, 5e-324, 1e308, -1e308, 0.5]
    spoilt = [*clean, math.nan, math.inf, -math.inf]
    before, after = counted(reference, column, clean), counted(reference, column, spoilt)
    assert after.pop("(missing)") == before.pop("(missing)") + 3
    assert after == before
    assert sum(before.values()) == len(clean)


@pytest.mark.parametrize("missing", [None, pd.NA, pd.NaT, math.nan, np.datetime64("NaT"), np.float32("nan")])
def test_a04_every_marker_of_missing_counts_as_missing_and_is_never_a_text(telemetry, reference, missing):
    for name in ("a", "b"):
        assert counted(reference, reference.features[name], [missing])["(missing)"] == 1
    predict = watched(reference=reference)
    predict({"a": missing, "b": missing})
    (event,) = telemetry.events("ml.prediction")
    assert not {"None", "<NA>", "NaT", "nan"} & set(map(str, features(event).values()))


def test_a04_what_a_mask_hides_is_missing(telemetry, reference):
    watched(reference=reference, features=("a", "z"))(
        np.ma.array([[1.0, 2.0], [3.0, 4.0]], mask=[[1, 0], [0, 0]])
    )
    first, second = telemetry.events("ml.prediction")
    assert "a" not in features(first)
    assert features(second)["a"] == 3.0
    (missing,) = (p for p in telemetry.points("ml.feature.missing") if p.attributes["ml.feature.name"] == "a")
    assert missing.value == 1


@pytest.mark.parametrize("dtype", [np.bool, *np.sctypeDict.values()], ids=lambda kind: kind.__name__)
def test_a05_a_numpy_scalar_leaves_as_the_python_value_it_stands_for(telemetry, dtype):
    value = np.ones(1, dtype=dtype)[0] if dtype is not np.object_ else np.float64(1)
    assert watched()({"a": value, "b": "x"})["a"] is value
    (event,) = telemetry.events("ml.prediction")
    sent = features(event)
    assert sent["b"] == "x"
    if issubclass(dtype, (np.bool, np.integer, np.floating)) and not issubclass(dtype, np.timedelta64):
        assert sent["a"] == 1
        assert type(sent["a"]) in (bool, int, float)


@pytest.mark.parametrize(
    "value", [2**63, -(2**70), 10**400, decimal.Decimal("1e500"), decimal.Decimal("NaN")]
)
def test_a06_numbers_out_of_range_harm_no_neighbour_and_metrics_go_on(telemetry, reference, value):
    predict = watched(reference=reference)
    for features_of_call in (GOOD, {"a": value, "b": "x"}, GOOD):
        assert predict(features_of_call) is features_of_call
    events = telemetry.events("ml.prediction")
    assert [features(event)["b"] for event in events] == ["x", "x", "x"]
    assert [features(event).get("a") for event in events][::2] == [1.0, 1.0]
    (calls,) = telemetry.points("ml.inference.duration")
    assert calls.count == 3


TEXTS = {
    "surrogate": "\ud800tail",
    "nul": "a\0b",
    "ansi": "\x1b[31mred",
    "rtl": "\u202eabc",
    "four bytes": "\U0001f9ea",
    "separator": "a\u2028b",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_a07_odd_text_in_values_keys_and_messages_arrives_encoded_with_its_neighbours(telemetry, text):
    def predict(x):
        if x.get("a") == "fail":
            raise ValueError(text)
        return x

    call = watched(predict)
    for _ in range(5):
        call(GOOD)
        call({"a": 1.0, "b": text, text: 1})
        with pytest.raises(ValueError):
            call({"a": "fail"})
    events = telemetry.events("ml.prediction")
    assert len(events) == 10
    (kept,) = {features(event)["b"] for event in events[1::2]}
    assert kept.encode() == text.encode("utf-8", "replace")
    failures = telemetry.events("ml.inference.exception")
    assert len(failures) == 5
    assert all(event.attributes["exception.message"].encode() for event in failures)


def test_a07_a_model_name_that_no_wire_can_carry_is_refused_at_decoration():
    for name in ("\ud800", "a\0b", "a\nb"):
        with pytest.raises(ValueError, match="model="):
            modelspan.monitor(model=name)(lambda x: x)


LARGE = {
    "70 MB string": lambda: {"a": "x" * 70_000_000, "b": "x"},
    "10 million items": lambda: {"a": np.zeros(10_000_000), "b": "x"},
    "100,000 columns": lambda: {**GOOD, **{f"c{i}": "v" * 100 for i in range(100_000)}},
    "frame of 1,000 x 50": lambda: pd.DataFrame(np.zeros((1000, 50)), columns=["a", *map(str, range(49))]),
}


@pytest.mark.parametrize("name", LARGE)
def test_a08_large_values_are_cut_to_their_limits(telemetry, name):
    value = LARGE[name]()
    assert watched()(value) is value
    for event in telemetry.events("ml.prediction"):
        assert all(len(str(v).encode()) <= MAX_VALUE for v in event.attributes.values())
        assert sum(len(k) + len(str(v).encode()) for k, v in event.attributes.items()) <= MAX_RECORD


ARRAYS = {
    "ragged": (np.array([[1.0], [1.0, 2.0]], dtype=object), 2),
    "object": (np.array([[1, "x"], [None, 2.0]], dtype=object), 2),
    "structured": (np.array([(1.0, 2), (3.0, 4)], dtype=[("a", "f8"), ("b", "i4")]), 2),
    "no dimensions": (np.array(3.0), 1),
    "no rows": (np.zeros((0, 3)), 0),
    "every other": (np.arange(40.0).reshape(10, 4)[::2, ::2], 5),
    "fortran": (np.asfortranarray(np.arange(6.0).reshape(3, 2)), 3),
    "big endian": (np.arange(6, dtype=">f8").reshape(3, 2), 3),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_a09_an_array_of_any_layout_is_counted_exactly_and_left_as_it_was(telemetry, name):
    array, rows = ARRAYS[name]
    array = array.copy(order="K")
    before = array.copy()
    array.setflags(write=False)
    assert watched()(array) is array
    assert array.dtype == before.dtype
    assert array.tobytes() == before.tobytes() or array.dtype == object
    (span,) = telemetry.spans
    assert span.attributes["ml.inference.batch.size"] == rows


def test_a09_a_memory_map_of_a_gigabyte_is_not_read(tmp_path):
    huge = np.memmap(tmp_path / "huge", dtype=np.float64, mode="w+", shape=(4_000_000, 32))
    tracemalloc.start()
    try:
        snapshot = capture(huge, 256)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert snapshot.rows == 4_000_000
    assert peak < 1_000_000


def tables():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    yield "pandas nullable", frame.assign(a=pd.array([1, None], dtype="Int64")), 2
    yield "pandas categorical", frame.assign(b=frame["b"].astype("category")), 2
    yield "pandas string", frame.assign(b=frame["b"].astype("string")), 2
    yield (
        "two levels of columns",
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])),
        1,
    )
    yield "two columns of one name", pd.DataFrame([[1, 2]], columns=["a", "a"]), 1
    yield "polars", pl.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}), 2
    yield "polars lazy", pl.DataFrame({"a": [1.0]}).lazy(), 1
    yield "arrow", pa.table({"a": [1.0, 2.0], "b": ["x", "y"]}), 1
    yield "sparse", sparse.eye_array(100_000, format="csr"), 1


@pytest.mark.parametrize(("table", "rows"), [pytest.param(t, n, id=name) for name, t, n in tables()])
def test_a10_tables_of_other_libraries_are_summed_up_and_never_made_dense(telemetry, table, rows):
    assert watched()(table) is table
    assert len(telemetry.spans) == 1
    assert telemetry.spans[0].attributes["ml.inference.batch.size"] == rows
    assert len(telemetry.logs) >= 1


def test_a11_a_tensor_is_known_by_its_shape_and_never_moved(telemetry, monkeypatch):
    def moved(self, *_args):
        raise AssertionError("a device was waited for")

    names = (
        "cpu",
        "item",
        "numpy",
        "tolist",
        "__array__",
        "__repr__",
        "__str__",
        "__len__",
        "__iter__",
        "__bool__",
    )
    tensor = type(
        "Tensor",
        (),
        {**dict.fromkeys(names, moved), "shape": (5, 3), "dtype": "float32", "__module__": "torch"},
    )
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(Tensor=tensor))
    value = tensor()
    assert watched()(value) is value
    assert len(telemetry.spans) == 1


def test_a12_cycles_depths_and_breadths_are_bounded(telemetry):
    cycle = {"a": 1.0}
    cycle["self"] = [cycle]
    deep = []
    for _ in range(2000):
        deep = [deep]
    broad = list(range(300_000))
    predict = watched()
    for value in (cycle, deep, {"a": deep}, broad, {"a": broad}):
        assert predict(value) is value
    assert len(telemetry.spans) == 5
    assert len(to_columns(capture(broad, 256), (), 256)) <= 512


def test_a12_a_dict_that_another_thread_changes_meanwhile_harms_nobody(telemetry):
    shared, over = {f"k{i}": float(i) for i in range(300)}, threading.Event()

    def change():
        i = 0
        while not over.is_set():
            shared[f"new{i % 50}"] = 1.0
            shared.pop(f"new{(i + 25) % 50}", None)
            i += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        predict = watched(lambda x: 0.5)
        assert [predict(shared) for _ in range(500)] == [0.5] * 500
    finally:
        over.set()
        thread.join()
    assert len(telemetry.spans) == 500


DUNDERS = (
    "__str__", "__repr__", "__len__", "__iter__", "__eq__", "__bool__", "__float__", "__int__", "__index__",
    "__getitem__", "__contains__", "__array__", "__array_interface__", "__dict__", "__class__", "__format__",
    "__reduce_ex__", "__fspath__", "__hash__",
)  # fmt: skip


@pytest.mark.parametrize("name", DUNDERS)
def test_a13_no_method_of_an_unknown_type_is_ever_run(telemetry, name):
    touched = []

    def touch(self, *_args):
        touched.append(name)
        raise SystemExit(3)

    method = property(touch) if name in ("__class__", "__dict__", "__array_interface__") else touch
    hostile = type("Hostile", (), {name: method, "__getattr__": touch})()
    predict = watched()
    for value in (hostile, {"a": hostile}, [hostile, 1.0], [{"a": hostile}], (1.0, [hostile])):
        assert predict(value) is value
    telemetry.flush()
    assert touched == []
    assert len(telemetry.spans) == 5


MUTABLE = {
    "dict": (lambda: {"a": 1.0, "b": "x"}, lambda v: v.update(a=9.0)),
    "records": (lambda: [{"a": 1.0, "b": "x"}], lambda v: v[0].update(a=9.0)),
    "array": (lambda: np.array([[1.0, 5.0]]), lambda v: v.fill(9.0)),
    "lists": (lambda: [[1.0, 5.0]], lambda v: v[0].__setitem__(0, 9.0)),
    "frame": (lambda: pd.DataFrame({"a": [1.0], "b": ["x"]}), lambda v: v.__setitem__("a", 9.0)),
}


@pytest.mark.parametrize("name", MUTABLE)
@pytest.mark.parametrize("when", ["during the call", "after it"])
def test_a14_the_record_holds_the_values_at_the_time_of_the_call(telemetry, name, when):
    make, change = MUTABLE[name]

    def predict(x):
        if when == "during the call":
            change(x)
        return 0.5

    value = make()
    watched(predict, features=("a", "z"))(value)
    if when == "after it":
        change(value)
    (event,) = telemetry.events("ml.prediction")
    assert features(event)["a"] == 1.0


def test_a15_lazy_inputs_and_answers_are_left_unread(telemetry, tmp_path):
    async def pending():
        return 1

    path = tmp_path / "file"
    path.write_text("line\n")
    coroutine = pending()
    with path.open() as file:
        predict = watched()
        lazy = [(i for i in range(3)), iter([1, 2]), map(str, [1]), file, io.BytesIO(b"abc"), coroutine]
        for value in lazy:
            assert predict(value) is value
            assert predict({"a": value})["a"] is value
        telemetry.flush()
        assert list(lazy[0]) == [0, 1, 2]
        assert list(lazy[1]) == [1, 2]
        assert list(lazy[2]) == ["1"]
        assert file.read() == "line\n"
        assert lazy[4].read() == b"abc"
    assert asyncio.run(coroutine) == 1


def test_a16_keys_of_every_kind_become_names_and_no_two_fields_merge_silently():
    keys = [5, "5", None, "None", b"x", "", "k" * 1000, "a", "a.b", True, 1.5, ("t",)]
    row = dict.fromkeys(keys, 0.0)
    names = list(to_columns(capture(row, 256), (), 256))
    assert all(isinstance(name, str) and len(name) <= 200 for name in names)
    assert names == list(to_columns(capture(row, 256), (), 256))
    assert len(names) == len(set(names)) == len(keys)


def test_a17_a_feature_keeps_one_type_on_the_wire(telemetry):
    predict = watched()
    for value in (1, "one", {"deep": 1}, 2.5, True):
        predict({"a": value, "b": "x"})
    sent = [features(event).get("a") for event in telemetry.events("ml.prediction")]
    assert sent == [1.0, None, None, 2.5, None]
    assert {type(v) for v in sent if v is not None} == {float}


def test_a19_ten_thousand_feature_names_stay_within_the_bounds(telemetry, reference):
    predict = watched(reference=reference)
    value = {f"c{i}": float(i) for i in range(10_000)}
    assert predict(value) is value
    assert len(to_columns(capture(value, 256), (), 256)) <= 512
    names = {p.attributes["ml.feature.name"] for p in telemetry.points("ml.feature.observations")}
    assert names <= {"a", "b", "score"}


class BrokenError(Exception):
    def __str__(self):
        raise RuntimeError("user code ran")


class SlottedError(Exception):
    __slots__ = ()

    def __setattr__(self, name, value):
        raise AttributeError("frozen")


def chain(length):
    error = ValueError("first")
    for i in range(length):
        following = ValueError(i)
        following.__cause__ = error
        error = following
    return error


def deep_traceback(depth=900):
    def dive(left):
        if left:
            dive(left - 1)
        raise LookupError("deep")

    return lambda x: dive(depth)


ERRORS = {
    "surrogate": ValueError("\ud800"),
    "broken str": BrokenError(),
    "5 MB": ValueError("x" * 5_000_000),
    "chain of 3,000": chain(3000),
    "group of 1,000": ExceptionGroup("many", [ValueError(i) for i in range(1000)]),
    "slots": SlottedError("frozen"),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
def test_a24_an_exception_passes_unchanged_and_its_record_is_bounded(telemetry, error):
    def fail(x):
        raise error

    context, cause = error.__context__, error.__cause__
    with pytest.raises(type(error)) as caught:
        watched(fail)(GOOD)
    assert caught.value is error
    assert (error.__context__, error.__cause__) == (context, cause)
    frames = []
    step = error.__traceback__
    while step is not None:
        frames.append(step.tb_frame.f_code.co_name)
        step = step.tb_next
    assert frames[-1] == "fail"
    (event,) = telemetry.events("ml.inference.exception")
    assert sum(len(k) + len(str(v).encode()) for k, v in event.attributes.items()) <= MAX_RECORD


def test_a24_a_deep_traceback_is_cut_to_its_end(telemetry):
    with pytest.raises(LookupError):
        watched(deep_traceback())(GOOD)
    (event,) = telemetry.events("ml.inference.exception")
    assert event.attributes["exception.stacktrace"].endswith("LookupError: deep\n")
    assert len(event.attributes["exception.stacktrace"]) <= 16_400

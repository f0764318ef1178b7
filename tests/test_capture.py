import array
import collections
import dataclasses
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pydantic
import pytest

import modelspan
from modelspan.capture import capture
from modelspan.pipeline.rows import to_columns, unpacked

ROWS = 256


def columns(value, names=()):
    return {name: list(cells) for name, cells in to_columns(capture(value, ROWS), names, ROWS).items()}


def test_a_dict_of_scalars_is_one_row():
    assert columns({"age": 40, "job": "clerk"}) == {"age": [40], "job": ["clerk"]}


def test_a_flat_sequence_is_one_row_named_in_order():
    assert columns([1.5, 2.5], ("a",)) == {"a": [1.5], "f1": [2.5]}
    assert columns((1.5, 2.5)) == {"f0": [1.5], "f1": [2.5]}
    assert columns(np.array([1.5, 2.5])) == {"f0": [1.5], "f1": [2.5]}
    assert columns(pd.Series([1.5, 2.5], index=["a", "b"])) == {"a": [1.5], "b": [2.5]}


@pytest.mark.parametrize(
    "table",
    [
        [[1, 2], [3, 4]],
        [(1, 2), (3, 4)],
        np.array([[1, 2], [3, 4]]),
        np.asfortranarray([[1, 2], [3, 4]]),
        [np.array([1, 2]), np.array([3, 4])],
        [{"f0": 1, "f1": 2}, {"f0": 3, "f1": 4}],
        {"f0": [1, 3], "f1": [2, 4]},
        {"f0": np.array([1, 3]), "f1": np.array([2, 4])},
        pd.DataFrame({"f0": [1, 3], "f1": [2, 4]}),
        pl.DataFrame({"f0": [1, 3], "f1": [2, 4]}),
        np.array([(1, 2), (3, 4)], dtype=[("f0", "i8"), ("f1", "i8")]),
    ],
    ids=lambda table: type(table).__name__,
)
def test_every_kind_of_table_becomes_the_same_columns(table):
    assert columns(table) == {"f0": [1, 3], "f1": [2, 4]}
    assert capture(table, ROWS).rows == 2


def test_a_mixed_pandas_frame_keeps_its_columns_in_order():
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [0.5, None], "d": pd.Categorical(["u", "v"])})
    seen = columns(frame)
    assert list(seen) == ["a", "b", "c", "d"]
    assert seen["a"] == [1, 2]
    assert seen["b"] == ["x", "y"]
    assert seen["d"] == ["u", "v"]
    assert seen["c"][0] == 0.5
    assert np.isnan(seen["c"][1])


def test_the_record_holds_the_values_at_the_time_of_the_call():
    row, table, frame = {"a": 1}, np.ones((3, 2)), pd.DataFrame({"a": [1.0, 2.0]})
    seen = [capture(value, ROWS) for value in (row, table, frame)]
    row["a"], table[:], frame.loc[0, "a"] = 9, 9, 9.0
    assert to_columns(seen[0], (), ROWS) == {"a": [1]}
    assert to_columns(seen[1], (), ROWS)["f0"] == [1.0, 1.0, 1.0]
    assert list(to_columns(seen[2], (), ROWS)["a"]) == [1.0, 2.0]


def test_a_frame_holds_what_stood_in_it_at_the_time_of_the_call_whatever_is_done_to_it_after():
    size = 1000
    frame = pd.DataFrame({"a": np.arange(size, dtype=float), "b": ["x"] * size, "c": np.arange(size)})
    seen = capture(frame, ROWS)
    frame.iloc[:, 1] = "y"
    frame.loc[0, "a"] = 9.0
    frame.insert(0, "new", 1)
    frame.columns = ["p", "q", "r", "s"]
    del frame["s"]
    found = to_columns(seen, (), ROWS)
    assert list(found) == ["a", "b", "c"]
    assert found["a"][:2] == [0.0, 4.0]
    assert set(found["b"]) == {"x"}
    assert len({len(cells) for cells in found.values()}) == 1


def test_texts_of_a_frame_stay_in_line_with_its_numbers():
    numbers = np.arange(1003)
    frame = pd.DataFrame(
        {"n": numbers, "t": numbers.astype(str), "o": pd.Series(list(numbers), dtype=object)}
    )
    found = columns(frame)
    assert found["t"] == [str(n) for n in found["n"]]
    assert found["o"] == found["n"]


def test_of_texts_in_arrow_no_more_than_the_sampled_ones_are_kept():
    pyarrow = pytest.importorskip("pyarrow")
    before = pyarrow.total_allocated_bytes()
    frame = pd.DataFrame({"t": pd.Series(np.arange(300_000).astype(str), dtype="str")})
    whole = pyarrow.total_allocated_bytes() - before
    seen = capture(frame, ROWS)
    del frame
    assert pyarrow.total_allocated_bytes() - before < whole / 100
    assert to_columns(seen, (), ROWS)["t"][0] == "0"


def test_of_a_wide_frame_no_more_than_the_first_columns_are_copied():
    frame = pd.DataFrame(np.zeros((ROWS, 20_000)))
    tracemalloc.start()
    snapshot = capture(frame, ROWS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert list(to_columns(snapshot, (), ROWS)) == [str(i) for i in range(512)]
    assert peak < 2_000_000


@pytest.mark.parametrize("rows", [257, 1000, 100_000])
@pytest.mark.parametrize("make", [np.asarray, pd.DataFrame, pl.DataFrame, list, lambda x: x.tolist()])
def test_a_batch_is_sampled_over_its_length_and_counted_exactly(rows, make):
    table = np.arange(rows, dtype=float).reshape(-1, 1)
    snapshot = capture(make(table), ROWS)
    (seen,) = to_columns(snapshot, (), ROWS).values()
    assert snapshot.rows == rows
    assert 128 <= len(seen) <= ROWS
    assert max(seen) > 0.98 * rows


def test_a_polars_frame_is_sampled_whatever_its_types_and_its_memory_is_let_go():
    count = 10_000
    frame = pl.DataFrame({"i": range(count)}).select(
        "i",
        float=pl.col("i") / 3, text=pl.col("i").cast(pl.String) + " is longer than a view",
        flag=pl.col("i") % 2 == 0, day=pl.date(2026, 1, 1) + pl.duration(days=pl.col("i")),
        none=pl.when(pl.col("i") % 3 > 0).then("i"), cents=pl.col("i").cast(pl.Decimal(12, 2)),
        kind=(pl.col("i") % 5).cast(pl.String).cast(pl.Categorical),
        list=pl.concat_list("i", "i"), struct=pl.struct("i"),
    ).with_columns(object=pl.Series([{i} for i in range(count)], dtype=pl.Object))  # fmt: skip
    in_chunks = pl.concat([frame[:3000], frame[3000:]], rechunk=False)
    for table in (frame, in_chunks):
        snapshot = capture(table, ROWS)
        assert snapshot.kind == "frame"
        assert sum(part.estimated_size() for part in snapshot.payload) < 50_000
        seen = unpacked(snapshot)
        assert dict(zip(seen.names, seen.payload, strict=True)) == {
            name: table[name].to_list()[:: -(-count // ROWS)] for name in table.columns
        }


def test_a_memory_map_of_a_gigabyte_costs_less_than_a_megabyte(tmp_path):
    big = np.memmap(tmp_path / "big", dtype="f8", mode="w+", shape=(2_000_000, 64))
    tracemalloc.start()
    snapshot = capture(big, ROWS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert snapshot.rows == 2_000_000
    assert peak < 1_000_000


def test_dataclasses_and_pydantic_models_are_rows():
    @dataclasses.dataclass
    class Applicant:
        age: int
        job: str

    class Loan(pydantic.BaseModel):
        amount: float

    assert columns(Applicant(40, "clerk")) == {"age": [40], "job": ["clerk"]}
    assert columns(Loan(amount=2.5)) == {"amount": [2.5]}


def test_subclasses_of_builtins_are_read_past_their_own_methods():
    class Loud(dict):
        def __iter__(self):
            raise AssertionError("user code ran")

        items = keys = values = __len__ = __getitem__ = copy = __iter__

    class LoudList(list):
        def __iter__(self):
            raise AssertionError("user code ran")

        __len__ = __getitem__ = copy = __iter__

    assert columns(Loud(a=1)) == {"a": [1]}
    assert columns(LoudList([1, 2])) == {"f0": [1], "f1": [2]}
    assert columns(collections.OrderedDict(a=1)) == {"a": [1]}
    assert columns(collections.namedtuple("P", "a b")(1, 2)) == {"f0": [1], "f1": [2]}


@pytest.mark.parametrize(
    "value", [iter([1]), (i for i in range(3)), open, object(), {1, 2}, array.array("d", [1.0]), range(3), 1j]
)
def test_what_is_not_known_is_named_by_its_type_and_not_touched(value):
    assert capture(value, ROWS)[:2] == ("opaque", type(value).__name__)


def test_a_generator_is_not_consumed():
    items = (i for i in range(3))
    capture(items, ROWS)
    assert list(items) == [0, 1, 2]


def test_a_look_alike_of_a_data_frame_is_not_touched():
    class DataFrame:
        def __getattr__(self, name):
            raise AssertionError("user code ran")

    DataFrame.__module__ = "pandas.core.frame"
    assert capture(DataFrame(), ROWS).kind == "opaque"


@pytest.mark.parametrize("empty", [{}, [], (), np.empty((0, 3)), pd.DataFrame(), pl.DataFrame(), np.empty(0)])
def test_empty_inputs_have_no_values(empty):
    assert not any(columns(empty).values())


def test_ragged_rows_are_filled_with_missing():
    assert columns([[1, 2], [3]]) == {"f0": [1, 3], "f1": [2, None]}


def test_columns_beyond_the_limit_are_left_out():
    assert len(columns({str(i): i for i in range(100_000)})) == 512
    assert len(columns(np.zeros((2, 100_000)))) == 512


@pytest.mark.parametrize("make", [list, tuple, np.array], ids=["list", "tuple", "array"])
def test_a_short_vector_of_numbers_in_a_dict_is_kept_as_a_copy(make):
    vector = make([0.5, 1.5, 2.5])
    for value in ({"face": vector, "age": 3}, [{"face": vector}, {"face": vector}]):
        (first, *_) = to_columns(capture(value, ROWS), (), ROWS)["face"]
        assert list(first) == [0.5, 1.5, 2.5]
        assert type(vector) is tuple or first is not vector


@pytest.mark.parametrize(
    "cell", [[0.5] * 5000, np.zeros(5000), np.zeros((2, 2)), [1, "a"], [[1.0]], ["a", "b"]]
)
def test_what_is_no_short_vector_in_a_dict_is_named_by_its_type(cell):
    (found,) = to_columns(capture({"face": cell, "age": 3}, ROWS), (), ROWS)["face"]
    assert type(found) is str


def test_embeddings_in_dicts_are_counted_as_those_of_a_frame():
    rows = np.random.default_rng(2).normal(size=(200, 8))
    reference = modelspan.Reference.build({"face": rows, "age": np.arange(200.0)})
    with modelspan.testing.record() as telemetry:
        predict = modelspan.monitor(model="faces", reference=reference)(lambda call: 0.5)
        for row in rows:
            predict({"face": row, "age": 1.0})
        seen = telemetry.points("ml.feature.observations")
    for name in ("face.norm", "face.p1"):
        counts = [p.value for p in seen if p.attributes["ml.feature.name"] == name]
        assert sorted(counts) == sorted(reference.features[name].count(rows).tolist())

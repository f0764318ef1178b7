"""Files are read in chunks and give what the whole table gives."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelspan.drift import files
from modelspan.drift.reference import Reference
from modelspan.errors import ConfigError


def table(rows, seed=1):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "x": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)), "k": rng.integers(0, 90, rows),
        "job": rng.choice(["cook", "smith", None], rows), "flag": rng.random(rows) < 0.5,
        "when": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 10**7, rows), unit="s"),
    })  # fmt: skip


def same(one, other):
    return one.fingerprint == other.fingerprint and all(
        feature.same_bins(other.features[name]) and (feature.counts == other.features[name].counts).all()
        for name, feature in one.features.items()
    )


@pytest.mark.parametrize("rows", [1_000, 120_000])
def test_files_read_in_chunks_give_the_reference_of_the_whole_frame(tmp_path, monkeypatch, rows):
    frame = table(rows)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=7_000)
    monkeypatch.setattr(files, "BLOCK_BYTES", 50_000)
    monkeypatch.setattr(files, "BATCH_ROWS", 3_000)
    whole = Reference.build(frame)
    assert whole.rows == rows
    for name in ("t.csv", "t.parquet"):
        assert same(whole, Reference.build(tmp_path / name))
        assert whole.compare(tmp_path / name).to_dict() == whole.compare(frame).to_dict()


def test_a_csv_column_widens_where_a_later_value_asks_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BLOCK_BYTES", 100)
    lines = [f"{i},{i},x" for i in range(200)] + ["1.5,late,x"] + [f"{i}.5,{i},x" for i in range(200)]
    (tmp_path / "t.csv").write_text("\n".join(["float,text,same", *lines]))
    kinds = {name: f.kind for name, f in Reference.build(tmp_path / "t.csv").features.items()}
    assert kinds == {"float": "numeric", "text": "categorical", "same": "categorical"}


def test_progress_ends_at_the_size_of_the_file(tmp_path):
    table(5_000).to_csv(tmp_path / "t.csv", index=False)
    heard = []
    Reference.build(tmp_path / "t.csv", progress=lambda *step: heard.append(step))
    size = (tmp_path / "t.csv").stat().st_size
    assert heard[-1] == ("counting", size, size)
    assert {what for what, *_ in heard} == {"choosing bins", "counting"}


def test_scores_can_not_be_values_beside_a_file(tmp_path):
    table(100).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ConfigError, match="must name a column of the data"):
        Reference.build(tmp_path / "t.parquet", score=[0.5] * 100)


BUILD = """
import resource, sys
from modelspan.drift.reference import Reference
import pyarrow.parquet
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reference = Reference.build(sys.argv[1])
print(reference.rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_memory_does_not_grow_with_the_file(tmp_path):
    rng = np.random.default_rng(2)
    chunk = pa.table({f"f{i}": rng.normal(size=100_000) for i in range(10)})
    used = {}
    for groups in (4, 40):
        path = tmp_path / f"{groups}.parquet"
        with pq.ParquetWriter(path, chunk.schema, compression="none", use_dictionary=False) as writer:
            for _ in range(groups):
                writer.write_table(chunk)
        done = subprocess.run(
            [sys.executable, "-c", BUILD, str(path)], capture_output=True, text=True, timeout=300, check=True
        )
        rows, used[groups] = map(int, done.stdout.split())
        assert rows == groups * 100_000
    # 32 MB and 320 MB of numbers
    assert used[40] < used[4] + 60

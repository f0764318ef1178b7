"""`modelspan feedback import`: every row has a result, a second run repeats nothing, a broken one goes on."""

import csv
import subprocess
import sys

import pandas as pd
import pytest
from store_rows import CREDIT, NOW, awaiting, counts, new_id, priced
from typer.testing import CliRunner

from modelspan.cli import app
from modelspan.store import importing
from modelspan.store.keys import hashed


@pytest.fixture
def run(store):
    def invoke(*arguments):
        return CliRunner().invoke(
            app, ["feedback", *map(str, arguments), "--data", str(store.database.folder)]
        )

    return invoke


def identifier(pid):
    return f"{pid.hex()[:32]}-{pid.hex()[32:]}"


@pytest.fixture
def labels(store, tmp_path):
    """A file of five outcomes: three join, one has an unknown id, one is empty."""
    pids = [new_id() for _ in range(3)]
    store.commit([awaiting(pid) for pid in pids], [], NOW)
    rows = [
        (identifier(pid), label)
        for pid, label in zip([*pids, new_id()], ("good", "1", "1.0", "bad"), strict=True)
    ]
    path = tmp_path / "labels.csv"
    pd.DataFrame([*rows, (identifier(pids[0]), None)], columns=["prediction_id", "outcome"]).to_csv(
        path, index=False
    )
    return path


def results(path):
    with path.with_name(path.name + ".results.csv").open() as file:
        return [(line["line"], line["state"], line["reason"]) for line in csv.DictReader(file)]


EXPECTED = [
    ("1", "joined", ""), ("2", "joined", ""), ("3", "joined", ""), ("4", "orphan", ""),
    ("5", "rejected", "missing"),
]  # fmt: skip


def test_every_row_of_a_file_gets_a_state_and_a_rejected_one_shows_in_the_status(run, labels, store):
    done = run("import", labels)
    assert done.exit_code == 1, done.output
    assert results(labels) == EXPECTED
    assert "joined" in done.output
    assert [c.after.outcome_label for c in store.changes(0) if c.after.known] == ["good", "bad", "bad"]


def test_a_second_run_has_nothing_to_do(run, labels, store):
    run("import", labels)
    before = counts(store)
    assert run("import", labels).exit_code == 1
    assert counts(store) == before
    assert results(labels) == EXPECTED


def test_the_same_file_told_anew_counts_once(run, labels, store, tmp_path):
    run("import", labels)
    run("import", labels, "--results", tmp_path / "again.csv")
    totals = counts(store)
    assert (totals["outcome.joined"], totals["outcome.orphan"]) == (3, 1)
    assert totals["outcome.rejected:duplicate"] == 4


def test_a_run_that_was_killed_goes_on_where_it_stopped(run, labels, store, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK", 2)
    run("import", labels)
    out = labels.with_name(labels.name + ".results.csv")
    whole = out.read_bytes()
    out.write_bytes(b"".join(whole.splitlines(keepends=True)[:3]) + b"3,joi")
    run("import", labels)
    assert [state for _, state, _ in results(labels)] == [
        "joined",
        "joined",
        "rejected",
        "rejected",
        "rejected",
    ]
    assert [reason for _, _, reason in results(labels)][2:] == ["duplicate", "duplicate", "missing"]
    assert counts(store)["outcome.joined"] == 3


def test_a_parquet_file_by_business_key_with_times_and_weights(run, store, tmp_path):
    keys = [hashed(text, store.secret()) for text in ("7", "8")]
    store.commit([awaiting(key=key) for key in keys], [], NOW)
    path = tmp_path / "loans.parquet"
    frame = {
        "loan": [7, 8],
        "bad": [1.0, 0.0],
        "known": pd.to_datetime(["2026-01-02", "2026-01-03"]),
        "w": [2, 3],
    }
    pd.DataFrame(frame).to_parquet(path)
    done = run("import", path, "--key", "loan", "--outcome", "bad", "--at", "known", "--weight", "w")
    assert done.exit_code == 0, done.output
    joined = [change.after for change in store.changes(0) if change.after.known]
    assert [(row.outcome_label, row.weight) for row in joined] == [("bad", 2.0), ("good", 3.0)]
    assert joined[0].outcome_ns == pd.Timestamp("2026-01-02", tz="UTC").value


def test_numbers_of_a_regression_are_numbers(run, store, tmp_path):
    pid = new_id()
    store.commit([priced(pid)], [], NOW)
    path = tmp_path / "prices.csv"
    path.write_text(f"prediction_id,outcome\n{identifier(pid)},12.75\n")
    assert run("import", path).exit_code == 0
    assert store.changes(0)[-1].after.outcome_value == 12.75


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("a,b\n1,2\n", (), "has no column 'outcome'"),
        ("", (), "has no column 'outcome'"),
        ("prediction_id,outcome\n", ("--at", "when"), "has no column 'when'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(run, tmp_path, text, options, said):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    done = run("import", path, *options)
    assert done.exit_code == 2
    assert said in done.stderr


def test_results_of_another_file_are_not_mixed_up(run, labels, tmp_path):
    run("import", labels)
    other = tmp_path / "other.csv"
    other.write_text("prediction_id,outcome\n")
    done = run("import", other, "--results", labels.with_name(labels.name + ".results.csv"))
    assert done.exit_code == 2
    assert "of another file" in done.stderr


def test_a_folder_must_be_named(tmp_path, monkeypatch):
    monkeypatch.delenv("MODELSPAN_DATA", raising=False)
    command = [sys.executable, "-m", "modelspan", "feedback", "states"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--data" in done.stderr


@pytest.mark.parametrize("what", ["states", "report"])
def test_reading_makes_no_store_in_a_folder_that_has_none(tmp_path, what):
    done = CliRunner().invoke(app, ["feedback", what, "--data", str(tmp_path / "mistyped")])
    assert done.exit_code == 2
    assert "that folder holds no store" in done.stderr
    assert not (tmp_path / "mistyped").exists()


def test_the_states_of_a_store_are_printed(run, store):
    store.commit([awaiting()], [], NOW)
    done = run("states", "--check")
    assert done.exit_code == 0
    assert "prediction.pending" in done.output
    assert "rows read" in done.output
    assert CREDIT.name not in done.output

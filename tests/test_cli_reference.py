"""`modelspan reference`: a file from training data, a table to look at, one line when it can't be."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from modelspan.cli import app
from modelspan.drift.reference import Reference


def run(*arguments):
    return CliRunner().invoke(app, ["reference", *map(str, arguments)])


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(9)
    path = tmp_path / "train.csv"
    pd.DataFrame(
        {
            "age": rng.integers(18, 80, 600),
            "income": [np.nan if i % 4 == 0 else i for i in range(600)],
            "job [b]": rng.choice(["cook", "smith"], 600),
            "p": rng.random(600),
            "default": rng.integers(0, 2, 600),
        }
    ).to_csv(path, index=False)
    return path


def test_build_writes_what_the_python_api_builds_and_prints_a_line_per_column(data, tmp_path):
    output = tmp_path / "ref.json"
    options = (
        "--target",
        "default",
        "--score",
        "p",
        "--model",
        "credit",
        "--model-version",
        "1.4.2",
        "--bins",
        5,
    )
    result = run("build", data, "-o", output, *options)
    assert result.exit_code == 0, result.output
    written = Reference.load(output)
    built = Reference.build(data, target="default", score="p", bins=5)
    assert written.fingerprint == built.fingerprint
    assert (written.model, written.version, written.rows) == ("credit", "1.4.2", 600)
    assert written.features["age"].labels == built.features["age"].labels
    *table, _ = result.output.splitlines()
    rows = {line.split("  ")[0].strip(): line.split() for line in table}
    assert list(rows) == ["column", "age", "income", "job [b]", "score"]
    assert rows["age"][1:4] == ["integer", "7", "0.0%"]
    assert rows["job [b]"][2:5] == ["categorical", "3", "0.0%"]
    assert float(rows["income"][3].rstrip("%")) == pytest.approx(25, abs=3)
    assert all(
        0 < int(rows[name][-1].replace(",", "")) < 1024 for name in ("age", "income", "job [b]", "score")
    )


def test_show_prints_the_same_as_build(data, tmp_path):
    built = run("build", data, "-o", tmp_path / "ref.json")
    shown = run("show", tmp_path / "ref.json")
    assert shown.exit_code == 0
    assert shown.output == built.output
    assert "600 rows" in shown.output


def test_features_are_taken_in_the_order_asked_for(data, tmp_path):
    assert run("build", data, "-o", tmp_path / "ref.json", "--features", "income, age").exit_code == 0
    assert list(Reference.load(tmp_path / "ref.json").features) == ["income", "age"]


def test_an_existing_output_is_kept_unless_forced(data, tmp_path):
    output = tmp_path / "ref.json"
    output.write_text("precious")
    refused = run("build", data, "-o", output)
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert output.read_text() == "precious"
    assert run("build", data, "-o", output, "--force").exit_code == 0
    assert Reference.load(output).rows == 600


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", "nope"], "column='nope' is not in the data; it has age, income"),
        (["--score", "nope"], "score='nope'"),
        (["--features", "age,nope"], "column='nope'"),
        (["--bins", "1"], "bins=1 must be from 2 to 20"),
        (["--max-levels", "0"], "max_levels=0"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_two(data, tmp_path, options, message):
    result = run("build", data, "-o", tmp_path / "ref.json", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "ref.json").exists()


@pytest.mark.parametrize("name", ["missing.csv", "table.xlsx", "broken.parquet", "empty.csv"])
def test_data_that_cannot_be_read_is_one_line_and_status_two(tmp_path, name):
    if name in {"broken.parquet", "empty.csv"}:
        (tmp_path / name).write_text("")
    result = run("build", tmp_path / name, "-o", tmp_path / "ref.json")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert name in result.stderr


def test_an_output_in_no_folder_is_refused_before_the_work(data, tmp_path):
    for output in (tmp_path / "no" / "ref.json", tmp_path):
        result = run("build", data, "-o", output)
        assert result.exit_code == 2
        assert "a folder that exists" in result.stderr


def test_an_edited_reference_is_not_shown(data, tmp_path):
    output = tmp_path / "ref.json"
    run("build", data, "-o", output)
    output.write_text(output.read_text().replace('"age"', '"years"'))
    result = run("show", output)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "was edited" in result.stderr


def test_a_real_process_shows_no_traceback(tmp_path):
    command = [sys.executable, "-m", "modelspan", "reference", "show", str(tmp_path / "none.json")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 2
    assert result.stderr.startswith("error: reference=")
    assert "Traceback" not in result.stderr


def test_help_has_examples():
    result = run("build", "--help")
    assert result.exit_code == 0
    assert "modelspan reference build train.csv" in result.output


def test_the_command_line_starts_without_pandas():
    code = "import sys, modelspan.cli.reference; print('pandas' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout == "False\n"

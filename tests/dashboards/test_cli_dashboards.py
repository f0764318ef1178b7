"""`modelspan dashboards`: the same files each time, and one line when something is wrong."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from modelspan import Reference
from modelspan.cli import app


def run(*arguments):
    return CliRunner().invoke(app, ["dashboards", *map(str, arguments)])


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def reference(tmp_path):
    rng = np.random.default_rng(1)
    built = Reference.build({"age": rng.normal(40, 9, 500)}, model="credit", version="2")
    built.save(tmp_path / "ref.json")
    return tmp_path / "ref.json"


def test_the_same_arguments_give_the_same_bytes_and_leave_other_files_alone(tmp_path, reference):
    first, second = tmp_path / "first", tmp_path / "deep" / "second"
    first.mkdir()
    (first / "mine.txt").write_text("mine")
    for out in (first, second):
        result = run("--out", out, "--reference", reference)
        assert result.exit_code == 0, result.output
    assert contents(first) == contents(second) | {"mine.txt": b"mine"}
    assert sorted(result.output.split()) == sorted(str(second / name) for name in contents(second))


def test_check_tells_what_is_out_of_date_and_writes_nothing(tmp_path):
    missing = run("--out", tmp_path, "--check")
    assert missing.exit_code == 1
    assert "out of date" in missing.stderr
    assert contents(tmp_path) == {}
    run("--out", tmp_path)
    assert run("--out", tmp_path, "--check").exit_code == 0


def test_what_lies_in_the_repository_is_current():
    collector = Path(__file__).parents[2] / "collector"
    result = run("--out", collector, "--check")
    assert result.exit_code == 0, f"{result.stderr}\nrun: modelspan dashboards --out collector"


def test_every_yaml_file_is_yaml(tmp_path):
    run("--out", tmp_path)
    files = list(tmp_path.rglob("*.y*ml"))
    assert files
    assert all(isinstance(yaml.safe_load(path.read_text()), dict) for path in files)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--reference", "none.json"), "reference='none.json' can't be read"),
        (("--only", "excel"), "only='excel' is not a product; use grafana, prometheus"),
        (("--window", "90"), "duration='90' is not a number with s, m, h, d or w"),
        (("--window", "90s"), "window='90s' must be a whole number of steps of 1m"),
        (("--step", "soon"), "duration='soon'"),
        (("--latency", "0.2"), "latency=0.2 is no bucket of the duration; use one of 0.0001,"),
        (("--grafana", "grafana:3000"), "grafana='grafana:3000' is not an address"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_two(tmp_path, arguments, message):
    result = run("--out", tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_reference_that_names_no_model_or_a_model_twice_is_refused(tmp_path, reference):
    Reference.build({"age": [1.0, 2.0, 3.0] * 20}).save(tmp_path / "nameless.json")
    nameless = run("--out", tmp_path / "out", "--reference", tmp_path / "nameless.json")
    assert "names no model" in nameless.stderr
    twice = run("--out", tmp_path / "out", "--reference", reference, "--reference", reference)
    assert "two references are of model='credit' version='2'" in twice.stderr


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    result = run("--out", tmp_path / "file")
    assert result.exit_code == 2
    assert "can't be written" in result.stderr

"""The report: one verdict as terminal table, JSON, page and notebook, and an exit status for CI."""

import json
import re
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from modelspan.cli import app
from modelspan.drift.reference import Reference

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def table(rows, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "amount": rng.normal(shift, 1, rows), "age": rng.integers(18, 80, rows),
        "<b>job</b>": rng.choice(["cook", "<img src=x onerror=alert(1)>"], rows),
    })  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("report")
    Reference.build(table(4000, 1), model="credit", version="2").save(path / "ref.json")
    table(1000, 2).to_parquet(path / "calm.parquet")
    table(1000, 3, shift=1).assign(extra=1).to_csv(path / "moved.csv", index=False)
    return path


@pytest.fixture(scope="module")
def moved(folder):
    return Reference.load(folder / "ref.json").compare(folder / "moved.csv")


def run(folder, current, *options):
    arguments = [
        "report",
        "--reference",
        str(folder / "ref.json"),
        "--current",
        str(folder / current),
        *options,
    ]
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("current", "options", "status"),
    [
        ("calm.parquet", ["--fail-on-drift"], 0), ("moved.csv", ["--fail-on-drift"], 1), ("moved.csv", [], 0),
        ("nowhere.csv", [], 2), ("moved.csv", ["--score", "p"], 2),
        ("moved.csv", ["--html", "/no/such/folder/x.html"], 2),
    ],
)  # fmt: skip
def test_the_exit_status_tells_drift_from_a_mistake(folder, current, options, status):
    done = run(folder, current, *options)
    assert done.exit_code == status, done.output
    assert done.stderr.count("\n") == (1 if status == 2 else 0)


def test_the_table_ranks_features_and_says_what_was_not_looked_at(folder):
    printed = run(folder, "moved.csv").stdout
    assert printed.startswith("credit 2: 1 of 3 drifted; 1,000 current rows, reference of 4,000")
    assert re.search(r"^amount .* drifted", printed, re.MULTILINE)
    assert printed.index("amount") < printed.index("age")
    assert "not looked at: extra" in printed
    assert run(folder, "moved.csv", "--quiet").stdout == ""


def test_json_holds_what_the_report_holds(folder, moved, tmp_path):
    run(folder, "moved.csv", "--json", str(tmp_path / "drift.json"))
    written = json.loads((tmp_path / "drift.json").read_text())
    assert written == json.loads(json.dumps(moved.to_dict()))
    assert written["features"][0]["drifted"] is True
    assert sum(written["features"][0]["current_counts"]) == 1000


def test_a_wide_report_prints_forty_features_and_all_on_request(folder, tmp_path):
    rng = np.random.default_rng(4)
    wide = pd.DataFrame(rng.normal(size=(200, 60)), columns=[f"f{i}" for i in range(60)])
    Reference.build(wide).save(tmp_path / "ref.json")
    wide.to_parquet(tmp_path / "wide.parquet")
    assert "20 more with a smaller PSI; --all prints them" in run(tmp_path, "wide.parquet").stdout
    assert run(tmp_path, "wide.parquet", "--all").stdout.count("numeric") == 60


def test_a_notebook_shows_the_page_in_a_frame(moved):
    shown = moved._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert "<script" not in shown, "it is escaped inside of the attribute"


def test_the_page_without_plotly_has_the_table_and_says_so(moved, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    page = moved.to_html()
    assert "pip install" in page
    assert "<td>amount</td>" in page
    assert len(page) < 10_000


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium or google-chrome on the PATH")
def test_the_page_draws_offline_asks_for_nothing_and_runs_no_name(folder, tmp_path):
    from playwright.sync_api import sync_playwright

    assert run(folder, "moved.csv", "--html", str(tmp_path / "drift.html")).exit_code == 0
    said = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(offline=True, viewport={"width": 400, "height": 800}).new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda request: said.append(request.url) if request.url[:4] == "http" else None)
        page.goto((tmp_path / "drift.html").as_uri())
        page.wait_for_function("document.querySelectorAll('.main-svg').length >= 3", timeout=60_000)
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        names = page.locator("td:first-child").all_inner_texts()
        browser.close()
    assert (said, over) == ([], 0)
    assert names == ["amount", *sorted(names[1:], key=names.index)]
    assert "<b>job</b>" in names


def pairs(rows, seed, sign):
    rng = np.random.default_rng(seed)
    first = rng.normal(size=rows)
    return pd.DataFrame(
        {"a": first, "b": sign * first + rng.normal(0, 0.3, rows), "c": rng.normal(size=rows)}
    )


@pytest.mark.parametrize(("sign", "drifted"), [(1, False), (-1, True)])
def test_with_the_rows_of_the_reference_columns_are_compared_together(tmp_path, sign, drifted):
    pairs(2_000, 1, 1).to_parquet(tmp_path / "train.parquet")
    pairs(1_000, 2, sign).to_parquet(tmp_path / "now.parquet")
    Reference.build(tmp_path / "train.parquet").save(tmp_path / "ref.json")
    page, numbers = tmp_path / "page.html", tmp_path / "numbers.json"
    done = run(
        tmp_path, "now.parquet", "--reference-data", tmp_path / "train.parquet", "--fail-on-drift",
        "--html", page, "--json", numbers,
    )  # fmt: skip
    assert done.exit_code == drifted
    found = json.loads(numbers.read_text())
    assert (found["drifted"], found["multivariate"]["drifted"]) == (False, drifted)
    said = f"columns together: {'drifted' if drifted else 'no drift'}"
    assert said in done.output
    assert "correlation of a and b" in done.output
    assert "Columns together" in page.read_text()


def test_rows_of_a_reference_that_lack_its_columns_are_refused(folder, tmp_path):
    pairs(500, 1, 1).to_parquet(tmp_path / "other.parquet")
    done = run(folder, "calm.parquet", "--reference-data", tmp_path / "other.parquet")
    assert done.exit_code == 2
    assert "amount" in done.output


def test_violations_of_data_quality_stand_in_the_table_and_on_the_page(folder, tmp_path):
    spoilt = table(1_000, 2)
    spoilt.loc[::5, "amount"] = np.nan
    spoilt.to_parquet(tmp_path / "spoilt.parquet")
    done = run(folder, tmp_path / "spoilt.parquet", "--html", tmp_path / "page.html")
    assert "data quality: amount: 20.0% missing, in the reference 0.0%" in done.output
    page = (tmp_path / "page.html").read_text()
    assert "<td>amount</td><td>missing</td><td>20.0%</td><td>0.0%</td>" in page

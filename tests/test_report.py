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

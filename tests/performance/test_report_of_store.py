"""`modelspan feedback report`: scikit-learn's numbers from what a store holds, and nothing written to it."""

import json

import numpy as np
import pytest
from sklearn import metrics
from typer.testing import CliRunner

from modelspan.cli import app
from modelspan.performance.estimate import Estimator
from modelspan.sinks.performance_book import ESTIMATORS
from modelspan.store.opening import open_store
from modelspan.store.rows import Awaiting, ModelFacts, Outcome

NOW = 1_790_000_000 * 10**9
CREDIT = ModelFacts("credit", "1", task="binary", classes=("good", "bad"))
HOSTILE = ModelFacts("<script>x</script>", task="regression")
ROWS = 400


@pytest.fixture
def stored(tmp_path):
    """400 predictions over two hours, three quarters with outcomes, and a regression of a hostile name."""
    random = np.random.default_rng(1)
    score = random.random(ROWS)
    truth = np.where(random.random(ROWS) < score, "bad", "good")
    store = open_store(data=tmp_path / "data")
    pids = [bytes([*number.to_bytes(4, "big"), *([7] * 20)]) for number in range(ROWS + 2)]
    store.commit(
        [
            Awaiting(pids[n], 0, CREDIT, NOW + n * 18 * 10**9, "bad" if score[n] >= 0.5 else "good", None,
                     float(score[n]), json.dumps({"segments": {"region": ("north", "south")[n % 2]}}))
            for n in range(ROWS)
        ]
        + [Awaiting(pid, 0, HOSTILE, NOW, None, 2.0) for pid in pids[ROWS:]],
        [Outcome(pids[n], 0, str(truth[n]), None, 1.0, NOW + (n + 1) * 18 * 10**9, True) for n in range(300)]
        + [Outcome(pid, 0, None, 3.0, 1.0, NOW + 10**9, True) for pid in pids[ROWS:]],
        NOW,
    )  # fmt: skip
    estimator = Estimator.fit(score[:300], truth[:300].tolist(), classes=("good", "bad"))
    name = json.dumps(["credit", "1", ""], separators=(",", ":"))
    store.save(ESTIMATORS, {name: json.dumps(estimator.document())})
    store.close()
    return tmp_path / "data", score[:300], truth[:300]


def run(data, *options):
    return CliRunner().invoke(app, ["feedback", "report", "--data", str(data), *map(str, options)])


def test_the_numbers_are_scikit_learns_and_the_store_is_only_read(stored, tmp_path):
    data, score, truth = stored
    before = open_store(data=data)
    seen = before.documents("performance.windows"), before.position("performance"), before.totals()
    done = run(data, "--json", tmp_path / "p.json", "--model", "credit")
    assert done.exit_code == 0, done.output
    (found,) = json.loads((tmp_path / "p.json").read_text())
    assert (found["predictions"], found["outcomes"], found["coverage"]) == (ROWS, 300, 0.75)
    assert found["overall"]["roc_auc"] == pytest.approx(
        metrics.roc_auc_score(truth == "bad", score), abs=1e-5
    )
    assert found["overall"]["accuracy"] == pytest.approx(((score >= 0.5) == (truth == "bad")).mean())
    assert found["lag_p50_seconds"] == pytest.approx(18, rel=0.1)
    counts = [each["predictions"] for each in found["windows"]]
    hour = (NOW // 10**9 // 3600 + 1) * 3600
    assert counts[0] == sum(NOW // 10**9 + n * 18 < hour for n in range(ROWS))
    assert sum(counts) == ROWS
    assert found["estimates"][-1]["estimated"]["accuracy"]["value"] == pytest.approx(0.75, abs=0.08)
    assert {(each["segment"], each["value"]) for each in found["segments"]} == {
        ("region", "north"), ("region", "south"), ("region", ""),
    }  # fmt: skip
    assert (before.documents("performance.windows"), before.position("performance"), before.totals()) == seen
    before.close()


def test_the_page_stands_alone_and_shows_names_as_text(stored, tmp_path):
    data, *_ = stored
    done = run(data, "--html", tmp_path / "p.html", "--window", 600, "--quantile", 0.9)
    assert done.exit_code == 0, done.output
    assert "quantile_loss_0.9" in done.output
    said = (tmp_path / "p.html").read_text()
    assert "Performance of credit 1" in said
    assert "&lt;script&gt;x&lt;/script&gt;" in said
    assert "<script>x</script>" not in said
    for heading in ("Over prediction time", "Confusion matrix", "ROC", "Estimated and realised", "Segments"):
        assert f"<h2>{heading}</h2>" in said
    assert 'src="http' not in said


def test_a_store_without_predictions_is_said(tmp_path):
    open_store(data=tmp_path).close()
    done = run(tmp_path)
    assert done.exit_code == 1
    assert "holds no predictions" in done.output
    assert run(tmp_path, "--window", "0").exit_code == 2

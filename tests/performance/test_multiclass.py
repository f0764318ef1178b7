"""Measures of full probabilities: scikit-learn's values, sums that add, and what is undefined."""

import numpy as np
import pytest
from sklearn import metrics

from modelspan.outcome import JoinedRow
from modelspan.performance.documents import from_json, to_json
from modelspan.performance.sums import Options, Sums

NAMES = ("cat", "dog", "eel", "fox")


def drawn(count, seed=1, names=NAMES):
    """Rows with probabilities, and the table and truth that they were made of."""
    random = np.random.default_rng(seed)
    table = random.dirichlet(np.ones(len(names)), size=count)
    truth = [str(random.choice(names, p=chances)) for chances in table]
    weights = random.uniform(0.5, 2, size=count)
    rows = [
        JoinedRow(
            prediction_id=str(at), model="m", task="multiclass", classes=names, predicted_ns=0,
            label=names[int(table[at].argmax())],
            probabilities=dict(zip(names, table[at].tolist(), strict=True)),
            outcome_label=truth[at], outcome_ns=1, weight=float(weights[at]),
        )
        for at in range(count)
    ]  # fmt: skip
    return rows, table, truth, weights


def measures(sums):
    return sums.measures(Options(classes=NAMES))


def test_areas_and_losses_are_scikit_learns():
    rows, table, truth, weights = drawn(300)
    found = measures(Sums.of(rows, Options(classes=NAMES)))
    for average in ("macro", "weighted"):
        expected = metrics.roc_auc_score(truth, table, multi_class="ovr", average=average, labels=NAMES,
                                         sample_weight=weights)  # fmt: skip
        assert found[f"roc_auc_{average}"].value == pytest.approx(expected, abs=2e-5)
    expected = metrics.log_loss(truth, table, labels=NAMES, sample_weight=weights)
    assert found["log_loss"].value == pytest.approx(expected)
    happened = np.array([[name == each for name in NAMES] for each in truth])
    expected = np.average(((table - happened) ** 2).sum(axis=1), weights=weights)
    assert found["brier"].value == pytest.approx(expected)


def test_windows_add_corrections_subtract_and_the_store_gives_them_back():
    rows, *_ = drawn(200)
    options = Options(classes=NAMES)
    one, two, whole = Sums.of(rows[:80], options), Sums.of(rows[80:], options), Sums.of(rows, options)
    for sums in (one + two, whole + one - one):
        for name, expected in measures(whole).items():
            assert measures(sums)[name].value == pytest.approx(expected.value)
    stored = measures(from_json(to_json(whole)))
    for name in ("roc_auc_macro", "roc_auc_weighted", "log_loss", "brier"):
        assert stored[name].value == pytest.approx(measures(whole)[name].value, abs=2e-3)


def test_intervals_of_areas_hold_the_truth_at_least_as_often_as_they_say():
    _, table, truth, _ = drawn(20_000, seed=2)
    expected = metrics.roc_auc_score(truth, table, multi_class="ovr", average="macro", labels=NAMES)
    held = 0
    for seed in range(60):
        found = measures(Sums.of(drawn(200, seed=100 + seed)[0], Options(classes=NAMES)))["roc_auc_macro"]
        held += found.lower < expected < found.upper
    assert held >= 54


def test_without_probabilities_or_a_class_among_outcomes_nothing_is_claimed():
    rows, *_ = drawn(50)
    seen = [row for row in rows if row.outcome_label != "fox"]
    found = measures(Sums.of(seen, Options(classes=NAMES)))
    assert "roc_auc_macro" not in found
    assert found["log_loss"].value > 0
    assert "log_loss" not in measures(Sums())


def test_sums_that_an_older_version_stored_are_read():
    text = to_json(Sums.of(drawn(5)[0], Options())).replace('"probabilities"', '"unknown"')
    assert from_json(text).outcomes == 5

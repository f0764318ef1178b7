import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from modelspan.drift.columns import read_columns
from modelspan.drift.multivariate.correlation import correlation_changes
from modelspan.drift.multivariate.domain import domain_classifier
from modelspan.drift.multivariate.reconstruction import Reconstruction, mean_shift_p
from modelspan.drift.multivariate.report import compare_rows
from modelspan.errors import ConfigError
from tests.published import CAR_LOAN_FEATURES, car_loan, chunks


def columns(frame):
    return read_columns(frame)[0]


def correlated(rows, seed, sign=1.0):
    """Three columns with the same single distributions for either sign: only their joint one differs."""
    random = np.random.default_rng(seed)
    a = random.normal(size=rows)
    b = sign * 0.9 * a + np.sqrt(1 - 0.81) * random.normal(size=rows)
    return {"a": a, "b": b, "c": random.normal(size=rows)}


def test_the_published_reconstruction_errors_and_alerts_of_the_car_loan_data():
    names = list(CAR_LOAN_FEATURES)
    reference, current = car_loan("reference")[names], car_loan("analysis")[names]
    fitted = Reconstruction.fit(columns(reference))
    errors = [float(fitted.errors(columns(chunk)).mean()) for chunk in chunks(current)]
    # NannyML's documentation, tutorial "Multivariate Data Drift Detection", five digits
    published = [1.14152, 1.13064, 1.13891, 1.14504, 1.13756, 1.24921, 1.24310, 1.25815, 1.22818, 1.25988]
    assert errors == pytest.approx(published, abs=5e-6)
    usual = [float(fitted.errors(columns(chunk)).mean()) for chunk in chunks(reference)]
    low, high = np.mean(usual) - 3 * np.std(usual), np.mean(usual) + 3 * np.std(usual)
    assert (low, high) == pytest.approx((1.11528, 1.15302), abs=5e-6)
    assert [not low < error < high for error in errors] == [False] * 5 + [True] * 5


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.floats(0.3, 0.95))
def test_numeric_errors_are_those_of_scikit_learn(seed, width, explained):
    random = np.random.default_rng(seed)
    rows = random.normal(size=(60, width)) @ random.normal(size=(width, width))
    scaled = StandardScaler().fit(rows)
    pca = PCA(n_components=explained, svd_solver="full").fit(scaled.transform(rows))
    new = random.normal(size=(20, width))
    restored = pca.inverse_transform(pca.transform(scaled.transform(new)))
    wanted = np.linalg.norm(scaled.transform(new) - restored, axis=1)
    fitted = Reconstruction.fit(columns(rows), explained=explained)
    assert fitted.errors(columns(new)) == pytest.approx(wanted, abs=1e-8)


def test_missing_and_unseen_values_have_an_error_and_a_constant_column_has_none():
    frame = {"x": [1.0, 2.0, np.nan, 4.0], "level": ["a", "a", None, "b"], "constant": [7.0] * 4}
    fitted = Reconstruction.fit(columns(frame))
    # the mean of 1, 2 and 4 stands for the missing number; "a" takes the missing category: 3 of 4 rows
    assert fitted.means == pytest.approx([7 / 3, (3 * 0.75 + 0.25) / 4, 7.0])
    new = fitted.errors(columns({"x": [np.nan], "level": ["never seen"], "constant": [7.0]}))
    assert np.isfinite(new).all()
    alone = Reconstruction.fit(columns({"constant": [7.0] * 4}))
    assert alone.errors(columns({"constant": [7.0, 7.0]})) == pytest.approx([0.0, 0.0])


def test_a_column_without_numbers_or_text_is_no_ground_for_a_fit():
    with pytest.raises(ValueError, match=r"columns=\['when'\] hold neither"):
        Reconstruction.fit({"when": [object(), object()]})
    with pytest.raises(ValueError, match=r"explained=1\.5"):
        Reconstruction.fit(columns({"x": [1.0, 2.0]}), explained=1.5)


def test_the_shift_of_means_is_welchs_test():
    random = np.random.default_rng(7)
    a, b = random.normal(size=50), random.normal(0.5, 2.0, size=80)
    assert mean_shift_p(a, b) == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)
    assert mean_shift_p(a[:1], b) == 1.0
    assert mean_shift_p(np.zeros(5), np.zeros(5)) == 1.0
    assert mean_shift_p(np.zeros(5), np.ones(5)) == 0.0


def test_a_correlation_that_turns_round_is_found_and_correlations_are_scipys():
    before, after = correlated(400, 1), correlated(300, 2, sign=-1.0)
    changes = correlation_changes(before, after)
    assert (changes[0].first, changes[0].second) == ("a", "b")
    assert changes[0].reference == pytest.approx(stats.spearmanr(before["a"], before["b"]).statistic)
    assert changes[0].current == pytest.approx(stats.spearmanr(after["a"], after["b"]).statistic)
    assert changes[0].p_value < 1e-12
    assert min(c.p_value for c in changes[1:]) > 0.001


def test_pairs_without_a_correlation_are_left_out():
    few = {"a": [1.0] * 40, "b": list(range(40)), "text": ["x"] * 40, "gap": [np.nan] * 35 + [1.0] * 5}
    assert correlation_changes(columns(few), columns(few)) == []


def test_p_values_of_unchanged_correlations_are_uniform():
    found = [
        change.p_value
        for seed in range(100)
        for change in correlation_changes(correlated(200, seed), correlated(150, 1000 + seed))
    ]
    # pairs of one sample share a column, so their p-values are not quite independent: a generous bound
    assert stats.kstest(found, "uniform").pvalue > 1e-4


def test_the_domain_classifier_finds_a_joint_change_and_names_its_columns():
    verdict = domain_classifier(correlated(1000, 1), correlated(1000, 2, sign=-1.0))
    assert verdict.auc > 0.8
    assert verdict.p_value < 1e-10
    assert set(list(verdict.importance)[:2]) == {"a", "b"}
    assert abs(verdict.importance["c"]) < 0.05


def test_the_domain_classifier_keeps_its_level():
    flagged = sum(
        domain_classifier(correlated(200, seed), correlated(120, 500 + seed), seed=seed).p_value <= 0.1
        for seed in range(40)
    )
    # at most 12 of 40 at a true level of 0.1, but for one chance in ten thousand
    assert flagged <= stats.binom.isf(1e-4, 40, 0.1)


ALONE = """
import os
import numpy as np
import sklearn.ensemble
from modelspan.drift.multivariate.domain import domain_classifier

random = np.random.default_rng(1)
before, after = ({name: random.normal(size=2000) for name in "abcd"} for _ in range(2))
found = len(os.listdir("/proc/self/task"))
domain_classifier(before, after)
print(len(os.listdir("/proc/self/task")) - found)
"""


def test_the_domain_classifier_starts_no_thread_beside_a_service():
    many = {**os.environ, "OMP_NUM_THREADS": "4"}
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True, env=many)
    assert done.stdout == "0\n"


def test_a_report_finds_what_no_single_column_shows():
    before, after = correlated(2000, 1), correlated(800, 2, sign=-1.0)
    for name in before:
        assert stats.ks_2samp(before[name], after[name]).pvalue > 0.01
    assert compare_rows(before, after).drifted
    assert not compare_rows(before, correlated(800, 3)).drifted


def test_a_report_reads_frames_samples_rows_and_is_plain_json():
    frame = pd.DataFrame(correlated(3000, 1)).assign(kind=["x", "y", None] * 1000)
    report = compare_rows(frame, frame.iloc[::2], sample_rows=500)
    assert report.rows == (500, 500)
    plain = report.to_dict()
    assert plain["drifted"] is False
    assert set(plain) == {"rows", "drifted", "reconstruction", "domain_classifier", "correlations"}
    assert compare_rows(frame, frame.iloc[::2], sample_rows=500).to_dict() == plain


@pytest.mark.parametrize(
    ("current", "options", "message"),
    [
        ({"a": [1.0] * 50}, {}, r"columns=\['b', 'c'\] of the reference are not in the current data"),
        (correlated(20, 1), {}, "rows>=40"),
        (correlated(50, 1), {"features": ["z"]}, r"features=\['z'\] are not in the data"),
        (correlated(50, 1), {"false_alarm_rate": 2.0}, r"false_alarm_rate=2\.0 is a probability"),
    ],
)
def test_what_cannot_be_compared_is_said_plainly(current, options, message):
    with pytest.raises(ConfigError, match=message):
        compare_rows(correlated(60, 1), current, **options)

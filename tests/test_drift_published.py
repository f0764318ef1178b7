"""Values that NannyML published for its car loan data, from counts over the same bins."""

import numpy as np
import pytest
from scipy import stats

from modelspan.drift.distances import bin_positions, chi_squared, g_test, jensen_shannon, ks, wasserstein
from modelspan.drift.feature import categorical_feature, numeric_feature
from tests.published import car_loan, chunks


@pytest.fixture(scope="module")
def reference():
    return car_loan("reference")


@pytest.fixture(scope="module")
def current():
    return chunks(car_loan("analysis"))


def counted(edges, values):
    """A feature with these edges and the counts of the values; a bin takes its lower end, as numpy's do."""
    below = np.append(np.nextafter(edges[:-1], -np.inf), edges[-1])
    empty = numeric_feature("x", below, np.zeros(below.size + 2, dtype=np.int64))
    return numeric_feature("x", below, empty.count(values))


def test_the_published_jensen_shannon_distances_and_their_one_alert(reference, current):
    values = reference["debt_to_income_ratio"].to_numpy()
    feature = counted(np.histogram_bin_edges(values, bins="doane"), values)
    found = [
        jensen_shannon(feature.counts, feature.count(c["debt_to_income_ratio"].to_numpy()), pseudo_count=0)
        for c in current
    ]
    published = [
        0.031661,
        0.030011,
        0.031129,
        0.029464,
        0.030809,
        0.028681,
        0.043628,
        0.029253,
        0.030628,
        0.028330,
    ]
    assert found == pytest.approx(published, abs=5e-7)
    assert [at for at, distance in enumerate(found) if distance > 0.039328] == [6]


def test_the_published_kolmogorov_smirnov_distances_and_their_one_alert(reference, current):
    values = reference["debt_to_income_ratio"].to_numpy()
    feature = counted(np.unique(np.quantile(values, np.linspace(0, 1, 10_001))), values)
    found = [ks(feature.counts, feature.count(c["debt_to_income_ratio"].to_numpy())) for c in current]
    published = [0.01576, 0.01268, 0.01734, 0.01280, 0.01918, 0.00824, 0.01058, 0.01002, 0.01068, 0.00680]
    assert found == pytest.approx(published, abs=2e-4)
    assert [at for at, distance in enumerate(found) if distance > 0.018584] == [4]


def test_the_published_chi_squared_statistics_are_scipys_and_ours(reference, current):
    levels = sorted(reference["salary_range"].unique())
    feature = categorical_feature("salary_range", levels, np.zeros(len(levels) + 2, dtype=np.int64))
    before = feature.count(reference["salary_range"].tolist())
    counts = [feature.count(chunk["salary_range"].tolist()) for chunk in current]
    found = [chi_squared(before, after) for after in counts]
    published = [1.0337, 5.7624, 2.6540, 0.0708, 1.0054, 455.62]
    assert [statistic for statistic, _ in found[:6]] == pytest.approx(published, abs=6e-3)
    for after, pair, ratio in zip(counts, found, [g_test(before, after) for after in counts], strict=True):
        table = np.array((before, after))[:, :-2]
        for ours, kind in ((pair, None), (ratio, "log-likelihood")):
            expected = stats.chi2_contingency(table, correction=False, lambda_=kind)
            assert ours == pytest.approx((expected.statistic, expected.pvalue), rel=1e-6, abs=1e-300)


def test_wasserstein_from_fine_counts_is_scipys_of_the_raw_values(reference, current):
    values = reference["car_value"].to_numpy()
    feature = counted(np.unique(np.quantile(values, np.linspace(0, 1, 1001))), values)
    positions = bin_positions(feature.edges)
    found = [
        wasserstein(feature.counts[:-1], feature.count(c["car_value"].to_numpy())[:-1], positions)
        for c in current
    ]
    published = [348, 243, 248, 490, 464, 18734, 19416, 19170, 19401, 19062]
    assert found == pytest.approx(published, rel=0.03)

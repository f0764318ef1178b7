"""Champion and challenger, and rankings."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics

from modelspan.outcome import JoinedRow
from modelspan.performance.ranking import ranking
from modelspan.performance.variants import AnytimeMean, compare_variants


def row(request, variant, label, truth=None, score=None, *, at=0, **more):
    return JoinedRow(
        prediction_id=f"{request:032x}-{at + 1:016x}", model="m", variant=variant, predicted_ns=at,
        label=label, score=score, outcome_label=truth, outcome_ns=None if truth is None else 1, **more,
    )  # fmt: skip


def test_variants_are_matched_by_trace_and_row():
    rows = [
        row(1, "champion", "a", "a", 0.2), row(1, "shadow", "a", "a", 0.4),
        row(2, "champion", "a", "b"), row(2, "shadow", "b", "b"),
        row(3, "champion", "a", "a"), row(4, "shadow", "b", "b"), row(1, "another", "b", "a"),
    ]  # fmt: skip
    found = compare_variants(rows, "champion", "shadow")
    assert (found.pairs, found.agreed) == (2, 1)
    assert found.agreement.value == 0.5
    assert found.scores.measure().value == pytest.approx(0.2)
    assert found.better.measure().value == 0.5
    assert found.verdict == ""


def test_without_pairs_nothing_is_known():
    found = compare_variants([row(1, "champion", "a", "a")], "champion", "shadow")
    assert found.agreement is None
    assert found.better.measure() is None
    assert found.verdict == ""


def test_a_better_challenger_is_found_and_of_equal_ones_none():
    random = np.random.default_rng(1)
    rows = []
    for request in range(2000):
        rows += [
            row(request, "champion", "1" if random.random() < 0.7 else "0", "1", at=2 * request),
            row(request, "challenger", "1" if random.random() < 0.8 else "0", "1", at=2 * request + 1),
        ]
    assert compare_variants(rows, "champion", "challenger").verdict == "challenger"
    assert compare_variants(rows, "challenger", "champion").verdict == "champion"


def test_values_are_compared_by_who_is_closer():
    def priced(variant, value):
        return JoinedRow(
            prediction_id=f"{1:032x}-{1:016x}", model="m", variant=variant, predicted_ns=0, value=value,
            outcome_value=10.0, outcome_ns=1,
        )  # fmt: skip

    found = compare_variants([priced("a", 9.0), priced("b", 9.5)], "a", "b")
    assert found.better.measure().value == 1.0


@pytest.mark.parametrize("chances", [(0.1, 0.8, 0.1), (0.4, 0.2, 0.4)])
def test_whoever_looks_at_every_row_is_misled_at_most_one_time_in_twenty(chances):
    random = np.random.default_rng(2)
    wrong = 0
    for _ in range(150):
        mean = AnytimeMean()
        for value in random.choice([-1.0, 0.0, 1.0], size=600, p=chances):
            mean.add(float(value))
            found = mean.measure()
            if found.lower > 0 or found.upper < 0:
                wrong += 1
                break
    assert wrong / 150 <= 0.05 + 0.03


def test_the_interval_narrows_to_the_truth():
    mean = AnytimeMean()
    for value in np.random.default_rng(1).choice([-1.0, 0.0, 1.0], size=5000, p=(0.1, 0.7, 0.2)):
        mean.add(float(value))
    found = mean.measure()
    assert found.lower < 0.1 < found.upper
    assert found.upper - found.lower < 0.1


def test_a_value_out_of_range_is_refused():
    with pytest.raises(ValueError, match="outside"):
        AnytimeMean().add(1.5)


judged = st.lists(
    st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.sampled_from([0.0, 1.0, 2.0])),
    min_size=2,
    max_size=12,
)


@given(st.lists(judged, min_size=1, max_size=4), st.sampled_from([None, 1, 3]))
def test_ndcg_and_map_are_scikit_learns(queries, k):
    usable = [query for query in queries if any(gain for _, gain in query)]
    assume(usable)
    names = [at for at, query in enumerate(queries) for _ in query]
    found = ranking(names, [s for q in queries for s, _ in q], [g for q in queries for _, g in q], k=k)
    expected = [metrics.ndcg_score([[g for _, g in query]], [[s for s, _ in query]], k=k) for query in usable]
    assert found["ndcg"].value == pytest.approx(np.mean(expected))
    expected = [metrics.average_precision_score([g > 0 for _, g in q], [s for s, _ in q]) for q in usable]
    assert found["map"].value == pytest.approx(np.mean(expected))


def test_queries_without_relevant_rows_define_nothing():
    assert ranking(["a", "a"], [0.1, 0.2], [0.0, 0.0]) == {}
    assert ranking([], [], []) == {}
    with pytest.raises(ValueError, match="finite"):
        ranking(["a"], [float("nan")], [1.0])

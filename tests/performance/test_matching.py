"""Which rows of several variants belong together, by hand, and what becomes of them in bounded memory."""

from dataclasses import replace

import pytest

from modelspan.outcome import Change, JoinedRow
from modelspan.performance.matching import Traffic
from modelspan.performance.variants import Comparisons, Roles


def said(trace, variant, label, *, call=1, key="", **more):
    return JoinedRow(prediction_id=f"{trace:032x}-{call:016x}", key=key, model="m", variant=variant,
                     predicted_ns=0, label=label, **more)  # fmt: skip


def told(row, truth):
    return replace(row, outcome_label=truth, outcome_ns=1)


def follow(comparisons, *steps):
    """Predictions, and (prediction, truth)s, as changes of the store."""
    for position, step in enumerate(steps, 1):
        row, truth = step if isinstance(step, tuple) else (step, None)
        change = (None, row) if truth is None else (row, told(row, truth))
        comparisons.take(Change(position=position, before=change[0], after=change[1]))
    return comparisons.found


def test_agreement_and_difference_are_those_counted_by_hand():
    a, b = said(1, "champion", "x", score=0.2), said(1, "shadow", "x", call=2, score=0.5)
    c, d = said(2, "champion", "x", score=0.4), said(2, "shadow", "y", call=2, score=0.9)
    e, f = said(3, "champion", "y"), said(3, "shadow", "x", call=2)
    alone = said(4, "champion", "x")
    found = follow(Comparisons(), a, b, c, d, e, f, alone, (a, "x"), (d, "y"), (f, "y"), (alone, "x"))
    assert list(found) == [Roles("m", "champion", "", "shadow", "")]
    (one,) = found.values()
    assert (one.pairs, one.agreed) == (3, 1)
    assert one.scores.measure().value == pytest.approx((0.3 + 0.5) / 2)
    assert one.better.rows == 3
    assert one.better.measure().value == pytest.approx((0 + 1 - 1) / 3)


def test_the_outcome_of_one_variant_is_that_of_the_other_and_counts_once():
    a, b = said(1, "champion", "x"), said(1, "shadow", "y", call=2)
    (one,) = follow(Comparisons(), a, b, (a, "y"), (b, "y"), (a, "x")).values()
    assert (one.better.rows, one.better.measure().value) == (1, 1.0)


def test_of_three_variants_every_two_get_the_outcome_that_one_was_told():
    a, b, c = (
        said(1, name, label, call=at) for at, (name, label) in enumerate(zip("abc", "xyx", strict=True))
    )
    for steps in ((a, b, c, (a, "x")), (a, b, (a, "x"), c)):
        found = follow(Comparisons(), *steps)
        better = {(r.champion, r.challenger): each.better.measure().value for r, each in found.items()}
        assert better == {("a", "b"): -1.0, ("a", "c"): 0.0, ("b", "c"): 1.0}


def test_an_outcome_that_is_there_before_the_challenger_counts():
    a = said(1, "champion", "x", key="ab" * 16)
    (one,) = follow(Comparisons(), a, (a, "y"), said(9, "shadow", "y", key="ab" * 16)).values()
    assert (one.better.rows, one.better.measure().value) == (1, 1.0)


def test_calls_of_one_trace_meet_in_their_order():
    rows = [said(1, "champion", label, call=call) for call, label in enumerate("abc")]
    rows += [said(1, "shadow", label, call=10 + call) for call, label in enumerate("abx")]
    (one,) = follow(Comparisons(), *rows).values()
    assert (one.pairs, one.agreed) == (3, 2)


def test_interleaved_calls_of_one_trace_meet_their_neighbour_only():
    rows = [said(1, v, label, call=at) for at, (v, label) in enumerate(zip("ABABAB", "xxyyzz", strict=True))]
    (one,) = follow(Comparisons(), *rows).values()
    assert (one.pairs, one.agreed) == (3, 3)


def test_a_key_that_comes_again_begins_anew_and_what_was_before_still_gets_its_outcome():
    key = "cd" * 16
    monday, friday = said(1, "champion", "x", key=key), said(2, "champion", "y", key=key)
    shadow, later = said(3, "shadow", "y", key=key), said(4, "shadow", "x", key=key)
    (one,) = follow(Comparisons(), monday, friday, shadow, (friday, "y")).values()
    assert (one.pairs, one.agreed, one.better.rows) == (1, 1, 1)
    (one,) = follow(Comparisons(), monday, later, friday, (monday, "x")).values()
    assert (one.pairs, one.better.rows) == (1, 1)


def test_the_champion_is_the_one_of_that_name_else_the_one_without():
    rows = [said(1, "a", "x"), said(1, "", "x", call=2), said(1, "champion", "x", call=3, version="2")]
    assert set(follow(Comparisons(), *rows)) == {
        Roles("m", "champion", "2", "", ""),
        Roles("m", "champion", "2", "a", ""),
        Roles("m", "", "", "a", ""),
    }


def test_beyond_its_bound_an_even_share_of_the_traffic_is_followed():
    traffic = Traffic(most=64)
    for trace in range(4000):
        for variant in ("champion", "shadow"):
            traffic.take(said(trace, variant, "x"))
    assert len(traffic._requests) <= 64
    assert traffic.share == 0.5**6
    pairs, _ = traffic.take(said(64 * 4000, "champion", "x"))
    assert pairs == []
    pairs, _ = traffic.take(said(64 * 4000, "shadow", "x"))
    assert len(pairs) == 1


def test_lone_rows_go_before_any_share_is_given_up():
    traffic = Traffic(most=64)
    for trace in range(1000):
        traffic.take(said(trace, "champion", "x"))
    assert traffic.share == 1
    assert len(traffic._requests) <= 64

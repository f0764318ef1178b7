"""Every outcome has exactly one state, and a prediction has at most one current outcome."""

import json
import sys

import pytest
from store_rows import CREDIT, DAY, NOW, PRICE, SECOND, awaiting, counts, new_id, outcome, priced, states

from modelspan.store.reading import Read
from modelspan.store.rows import ModelFacts


def tell(store, *outcomes, at=NOW):
    return states(store.commit([], list(outcomes), at))


def add(store, *predictions, at=NOW):
    store.commit(list(predictions), [], at)


def test_a_prediction_is_pending_until_its_outcome_joins(either):
    pid = new_id()
    add(either, awaiting(pid))
    assert counts(either) == {"prediction.pending": 1}
    assert tell(either, outcome(pid)) == ["joined"]
    assert counts(either) == {"outcome.joined": 1}


def test_a20_the_same_outcome_again_is_a_duplicate_and_counts_once(either):
    pid = new_id()
    add(either, awaiting(pid))
    assert tell(either, outcome(pid), outcome(pid)) == ["joined", "rejected:duplicate"]
    assert tell(either, outcome(pid)) == ["rejected:duplicate"]
    assert counts(either) == {"outcome.joined": 1, "outcome.rejected:duplicate": 2}


def test_a20_a_different_later_outcome_supersedes_the_first(either):
    pid = new_id()
    add(either, awaiting(pid))
    tell(either, outcome(pid, "bad"))
    assert tell(either, outcome(pid, "good", at=NOW + 2 * SECOND)) == ["joined"]
    assert counts(either) == {"outcome.joined": 1, "outcome.superseded": 1}


def test_an_older_outcome_that_arrives_late_does_not_replace_the_newer(either):
    pid = new_id()
    add(either, awaiting(pid))
    assert tell(either, outcome(pid, "bad", at=NOW + 9 * SECOND), outcome(pid, "good")) == [
        "joined",
        "superseded",
    ]
    assert either.changes(0)[-1].after.outcome_label == "bad"


def test_an_outcome_without_date_is_the_newest_also_after_the_clock_was_set_back(either):
    pid = new_id()
    add(either, awaiting(pid))
    tell(either, outcome(pid, "bad", at=NOW + DAY, dated=False))
    assert tell(either, outcome(pid, "good", at=NOW, dated=False)) == ["joined"]
    assert tell(either, outcome(pid, "good", at=NOW + 5, dated=False)) == ["rejected:duplicate"]
    assert either.changes(0)[-1].after.outcome_label == "good"


def test_a20_an_outcome_before_its_prediction_waits_and_joins_when_it_comes(either):
    pid = new_id()
    assert tell(either, outcome(pid, "bad"), outcome(pid, "bad")) == ["orphan", "rejected:duplicate"]
    assert tell(either, outcome(pid, "good", at=NOW + 5 * SECOND)) == ["orphan"]
    add(either, awaiting(pid))
    assert counts(either) == {"outcome.joined": 1, "outcome.superseded": 1, "outcome.rejected:duplicate": 1}
    assert either.changes(0)[-1].after.outcome_label == "good"


def test_a22_rows_of_one_call_and_ids_that_share_a_span_do_not_cross(either):
    pid = new_id()
    twin = bytes(16) + pid[16:]
    add(either, awaiting(pid, row=0), awaiting(pid, row=1))
    assert tell(either, outcome(pid, row=1), outcome(twin, row=1)) == ["joined", "orphan"]
    assert counts(either) == {"prediction.pending": 1, "outcome.joined": 1, "outcome.orphan": 1}


def test_a22_a_reused_prediction_id_is_refused_and_counted(either):
    pid = new_id()
    add(either, awaiting(pid), awaiting(pid))
    add(either, awaiting(pid, label="bad"))
    assert counts(either) == {"prediction.pending": 1, "prediction.rejected:reused_id": 2}


@pytest.mark.parametrize(
    ("told", "said", "label"),
    [
        (outcome(b"", "1"), "joined", "bad"),  # a position in the classes
        (outcome(b"", None, 1.0), "joined", "bad"),  # as a data frame with gaps has it
        (outcome(b"", "good"), "joined", "good"),
        (outcome(b"", "worse"), "rejected:unknown_class", None),
        (outcome(b"", "2"), "rejected:unknown_class", None),
        (outcome(b"", None, 0.5), "rejected:wrong_type", None),
    ],
)
def test_an_outcome_of_a_classifier_is_one_of_its_classes_or_is_refused(either, told, said, label):
    pid = new_id()
    add(either, awaiting(pid))
    assert tell(either, told._replace(pid=pid)) == [said]
    assert either.changes(0)[-1].after.outcome_label == label


@pytest.mark.parametrize(
    ("told", "said", "value"),
    [
        (outcome(b"", None, 2.5), "joined", 2.5),
        (outcome(b"", "3"), "joined", 3.0),
        (outcome(b"", "-3"), "joined", -3.0),
        (outcome(b"", "dear"), "rejected:wrong_type", None),
    ],
)
def test_an_outcome_of_a_regression_is_a_number_or_is_refused(either, told, said, value):
    pid = new_id()
    add(either, priced(pid))
    assert tell(either, told._replace(pid=pid)) == [said]
    assert either.changes(0)[-1].after.outcome_value == value


def test_a_model_without_declared_classes_takes_any_class(either):
    pid = new_id()
    add(either, awaiting(pid, model=ModelFacts("m")))
    assert tell(either, outcome(pid, "never predicted")) == ["joined"]


def test_an_outcome_by_business_key_joins_every_prediction_of_the_key(either):
    champion, challenger = ModelFacts("credit", "1"), ModelFacts("credit", "2", "challenger")
    key = (123, 456)
    add(
        either,
        awaiting(key=key, model=champion),
        awaiting(key=key, model=challenger),
        awaiting(key=(123, 457)),
    )
    assert tell(either, outcome(b"", key=key)) == ["joined"]
    assert counts(either) == {"outcome.joined": 2, "prediction.pending": 1}
    assert tell(either, outcome(b"", key=key)) == ["rejected:duplicate"]


def test_an_outcome_by_key_may_be_meant_for_one_model_only(either):
    key = (123, 456)
    add(either, awaiting(key=key, model=ModelFacts("a")), awaiting(key=key, model=ModelFacts("b")))
    assert tell(either, outcome(b"", key=key, model="b"), outcome(b"", key=key, model="c")) == [
        "joined",
        "orphan",
    ]
    assert [change.after.model for change in either.changes(0) if change.after.known] == ["b"]


def test_an_outcome_by_key_waits_for_its_prediction(either):
    assert tell(either, outcome(b"", key=(7, 8)), outcome(b"", key=(7, 9))) == ["orphan", "orphan"]
    add(either, awaiting(key=(7, 8)))
    assert counts(either) == {"outcome.joined": 1, "outcome.orphan": 1}


def test_outcomes_refused_at_the_door_are_counted_in_the_same_commit(either):
    either.commit([], [], NOW, {"nan": 2, "future": 1})
    assert counts(either) == {"outcome.rejected:nan": 2, "outcome.rejected:future": 1}


def test_a_reader_sees_each_step_with_what_it_replaces(either):
    pid = new_id()
    extra = json.dumps({"segments": {"purpose": "car"}, "probabilities": {"a": 0.2, "b": 0.8}})
    add(either, awaiting(pid, extra=extra))
    tell(either, outcome(pid, "bad", weight=2.0))
    tell(either, outcome(pid, "good", at=NOW + 5 * SECOND))
    made, joined, corrected = either.changes(0)
    assert (made.before, made.after.known, made.after.segments) == (None, False, {"purpose": "car"})
    assert joined.before == made.after
    assert (joined.after.outcome_label, joined.after.weight, joined.after.outcome_ns) == (
        "bad",
        2.0,
        NOW + SECOND,
    )
    assert corrected.before == joined.after
    assert corrected.after.outcome_label == "good"
    assert made.after.probabilities == {"a": 0.2, "b": 0.8}
    assert made.after.prediction_id == f"{pid.hex()[:32]}-{pid.hex()[32:]}"
    assert either.changes(made.position) == [joined, corrected]
    assert either.changes(0, limit=2) == [made, joined]


def test_sums_and_the_position_of_a_reader_move_together_or_not_at_all(either):
    assert either.position("sums") == 0
    assert either.save("aggregate", {"a": "1"}, Read("sums", 0, 5))
    assert not either.save("aggregate", {"a": "2"}, Read("sums", 0, 7))
    assert (either.position("sums"), either.documents("aggregate")) == (5, {"a": "1"})
    assert either.save("aggregate", {"a": None, "b": "3"}, Read("sums", 5, 6))
    assert either.documents("aggregate") == {"b": "3"}


def test_counts_are_kept_by_model(either):
    pid = new_id()
    add(either, awaiting(pid), priced())
    tell(either, outcome(pid))
    assert {(facts.name, name, n) for facts, name, n in either.states() if facts and n} == {
        (CREDIT.name, "outcome.joined", 1),
        (PRICE.name, "prediction.pending", 1),
    }


def test_the_secret_of_business_keys_is_drawn_once(either):
    assert either.secret() == either.secret()
    assert len(either.secret()) == 32


def test_an_outcome_by_key_joins_predictions_that_are_stored_later_but_were_made_before_its_time(either):
    champion, shadow = ModelFacts("credit", "1"), ModelFacts("credit", "2", "shadow")
    key = (7, 8)
    assert tell(either, outcome(b"", key=key, at=NOW + SECOND)) == ["orphan"]
    add(either, awaiting(key=key, model=champion), awaiting(key=key, model=shadow))
    add(either, awaiting(key=key, model=champion, at=NOW + SECOND))
    assert counts(either) == {"outcome.joined": 3}
    add(either, awaiting(key=key, model=champion, at=NOW + 2 * SECOND), awaiting(key=(7, 9)))
    assert counts(either) == {"outcome.joined": 3, "prediction.pending": 2}


def test_a_later_stored_prediction_gets_the_latest_outcome_of_its_key_and_model_and_corrections_follow(
    either,
):
    key, fraud, credit = (7, 8), ModelFacts("fraud"), ModelFacts("credit")
    add(either, awaiting(key=key, model=credit), awaiting(key=key, model=fraud))
    tell(either, outcome(b"", "good", key=key, model="credit"))
    tell(either, outcome(b"", "bad", key=key, model="credit", at=NOW + 2 * SECOND))
    add(either, awaiting(key=key, model=credit), awaiting(key=key, model=fraud))
    assert counts(either) == {
        "outcome.joined": 2, "outcome.superseded": 1, "prediction.pending": 2,
    }  # fmt: skip
    assert {c.after.outcome_label for c in either.changes(0)[-2:] if c.after.known} == {"bad"}
    assert tell(either, outcome(b"", "good", key=key, at=NOW + 3 * SECOND)) == ["joined"]
    assert counts(either) == {"outcome.joined": 4, "outcome.superseded": 3}


def test_an_outcome_by_prediction_id_is_the_truth_of_that_prediction_only(either):
    pid, key = new_id(), (7, 8)
    add(either, awaiting(pid, key=key))
    tell(either, outcome(pid))
    add(either, awaiting(key=key))
    assert counts(either) == {"outcome.joined": 1, "prediction.pending": 1}


FIRST = ModelFacts("credit", "1", classes=("good", "bad"))
OTHER = ModelFacts("credit", "2", "shadow", classes=("paid", "default", "unclear"))


def labels(store):
    return {c.after.version: c.after.outcome_label for c in store.changes(0) if c.after.known}


@pytest.mark.parametrize("told", [outcome(b"", "1", key=(7, 8)), outcome(b"", None, 1.0, key=(7, 8))])
@pytest.mark.parametrize("models", [(FIRST, OTHER), (OTHER, FIRST)])
def test_an_outcome_by_key_is_read_by_each_model_by_its_own_classes(either, told, models):
    first, second = models
    add(either, awaiting(key=(7, 8), model=first))
    tell(either, told)
    add(either, awaiting(key=(7, 8), model=second), awaiting(key=(7, 8), model=second))
    assert labels(either) == {"1": "bad", "2": "default"}
    assert counts(either) == {"outcome.joined": 3}
    assert tell(either, told) == ["rejected:duplicate"]
    either.check()


def test_an_outcome_by_key_is_of_a_regression_and_of_a_classifier_of_the_same_key(either):
    add(either, awaiting(key=(7, 8), model=PRICE, label=None, value=3.0))
    tell(either, outcome(b"", "1", key=(7, 8)))
    add(either, awaiting(key=(7, 8), model=OTHER))
    assert [(c.after.outcome_label, c.after.outcome_value) for c in either.changes(0) if c.after.known] == [
        (None, 1.0), ("default", None),
    ]  # fmt: skip


def test_an_outcome_by_key_that_waits_joins_those_of_its_key_that_can_have_it(either):
    tell(either, outcome(b"", "bad", key=(7, 8)))
    add(either, awaiting(key=(7, 8), model=OTHER), awaiting(key=(7, 8), model=FIRST))
    assert labels(either) == {"1": "bad"}
    assert counts(either) == {
        "outcome.joined": 1, "outcome.rejected:unknown_class": 1, "prediction.pending": 1,
    }  # fmt: skip


def test_an_outcome_by_key_that_no_prediction_of_it_can_have_is_refused_once_and_waits_no_more(either):
    tell(either, outcome(b"", "unheard of", key=(7, 8)))
    add(either, awaiting(key=(7, 8), model=OTHER), awaiting(key=(7, 8), model=FIRST))
    assert counts(either) == {"outcome.rejected:unknown_class": 1, "prediction.pending": 2}


def test_what_one_prediction_was_told_later_by_id_hides_no_outcome_of_its_key_from_others(either):
    pid, key = new_id(), (7, 8)
    add(either, awaiting(pid, key=key))
    tell(either, outcome(pid, "good", at=NOW + 9 * SECOND))
    assert tell(either, outcome(b"", "bad", key=key)) == ["superseded"]
    add(either, awaiting(key=key))
    assert [c.after.outcome_label for c in either.changes(0) if c.after.known] == ["good", "bad"]


def lines_run(act):
    """Lines of our code that run in `act`: a measure of its work that no other process disturbs."""
    count, before = 0, sys.gettrace()

    def trace(frame, event, _):
        nonlocal count
        count += event == "line"
        return trace if "modelspan/store" in frame.f_code.co_filename else None

    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return count


def test_the_work_for_a_key_that_many_predictions_share_does_not_grow_with_their_square(store):
    def work(many, key):
        add(store, awaiting(key=key))
        tell(store, outcome(b"", key=key))
        predictions = [awaiting(key=key) for _ in range(many)]
        return lines_run(lambda: add(store, *predictions))

    assert work(200, (1, 2)) < 3 * work(100, (3, 4))
    assert counts(store) == {"outcome.joined": 302}

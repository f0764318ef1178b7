"""Every outcome has exactly one state, and a prediction has at most one current outcome."""

import json

import pytest
from store_rows import CREDIT, DAY, NOW, PRICE, SECOND, awaiting, counts, new_id, outcome, priced, states

from modelspan.store.rows import ModelFacts


def tell(store, *outcomes, at=NOW):
    return states(store.commit([], list(outcomes), at))


def add(store, *predictions, at=NOW):
    store.commit(list(predictions), [], at)


def test_a_prediction_is_pending_until_its_outcome_joins(store):
    pid = new_id()
    add(store, awaiting(pid))
    assert counts(store) == {"prediction.pending": 1}
    assert tell(store, outcome(pid)) == ["joined"]
    assert counts(store) == {"outcome.joined": 1}


def test_the_same_outcome_again_is_a_duplicate_and_counts_once(store):
    pid = new_id()
    add(store, awaiting(pid))
    assert tell(store, outcome(pid), outcome(pid)) == ["joined", "rejected:duplicate"]
    assert tell(store, outcome(pid)) == ["rejected:duplicate"]
    assert counts(store) == {"outcome.joined": 1, "outcome.rejected:duplicate": 2}


def test_a_different_later_outcome_supersedes_the_first(store):
    pid = new_id()
    add(store, awaiting(pid))
    tell(store, outcome(pid, "bad"))
    assert tell(store, outcome(pid, "good", at=NOW + 2 * SECOND)) == ["joined"]
    assert counts(store) == {"outcome.joined": 1, "outcome.superseded": 1}


def test_an_older_outcome_that_arrives_late_does_not_replace_the_newer(store):
    pid = new_id()
    add(store, awaiting(pid))
    assert tell(store, outcome(pid, "bad", at=NOW + 9 * SECOND), outcome(pid, "good")) == [
        "joined",
        "superseded",
    ]
    assert store.changes(0)[-1].after.outcome_label == "bad"


def test_an_outcome_without_date_is_the_newest_also_after_the_clock_was_set_back(store):
    pid = new_id()
    add(store, awaiting(pid))
    tell(store, outcome(pid, "bad", at=NOW + DAY, dated=False))
    assert tell(store, outcome(pid, "good", at=NOW, dated=False)) == ["joined"]
    assert tell(store, outcome(pid, "good", at=NOW + 5, dated=False)) == ["rejected:duplicate"]
    assert store.changes(0)[-1].after.outcome_label == "good"


def test_an_outcome_before_its_prediction_waits_and_joins_when_it_comes(store):
    pid = new_id()
    assert tell(store, outcome(pid, "bad"), outcome(pid, "bad")) == ["orphan", "rejected:duplicate"]
    assert tell(store, outcome(pid, "good", at=NOW + 5 * SECOND)) == ["orphan"]
    add(store, awaiting(pid))
    assert counts(store) == {"outcome.joined": 1, "outcome.superseded": 1, "outcome.rejected:duplicate": 1}
    assert store.changes(0)[-1].after.outcome_label == "good"


def test_rows_of_one_call_and_ids_that_share_a_span_do_not_cross(store):
    pid = new_id()
    twin = bytes(16) + pid[16:]
    add(store, awaiting(pid, row=0), awaiting(pid, row=1))
    assert tell(store, outcome(pid, row=1), outcome(twin, row=1)) == ["joined", "orphan"]
    assert counts(store) == {"prediction.pending": 1, "outcome.joined": 1, "outcome.orphan": 1}


def test_a_reused_prediction_id_is_refused_and_counted(store):
    pid = new_id()
    add(store, awaiting(pid), awaiting(pid))
    add(store, awaiting(pid, label="bad"))
    assert counts(store) == {"prediction.pending": 1, "prediction.rejected:reused_id": 2}


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
def test_an_outcome_of_a_classifier_is_one_of_its_classes_or_is_refused(store, told, said, label):
    pid = new_id()
    add(store, awaiting(pid))
    assert tell(store, told._replace(pid=pid)) == [said]
    assert store.changes(0)[-1].after.outcome_label == label


@pytest.mark.parametrize(
    ("told", "said", "value"),
    [
        (outcome(b"", None, 2.5), "joined", 2.5),
        (outcome(b"", "3"), "joined", 3.0),
        (outcome(b"", "-3"), "joined", -3.0),
        (outcome(b"", "dear"), "rejected:wrong_type", None),
    ],
)
def test_an_outcome_of_a_regression_is_a_number_or_is_refused(store, told, said, value):
    pid = new_id()
    add(store, priced(pid))
    assert tell(store, told._replace(pid=pid)) == [said]
    assert store.changes(0)[-1].after.outcome_value == value


def test_a_model_without_declared_classes_takes_any_class(store):
    pid = new_id()
    add(store, awaiting(pid, model=ModelFacts("m")))
    assert tell(store, outcome(pid, "never predicted")) == ["joined"]


def test_an_outcome_by_business_key_joins_every_prediction_of_the_key(store):
    champion, challenger = ModelFacts("credit", "1"), ModelFacts("credit", "2", "challenger")
    key = (123, 456)
    add(
        store,
        awaiting(key=key, model=champion),
        awaiting(key=key, model=challenger),
        awaiting(key=(123, 457)),
    )
    assert tell(store, outcome(b"", key=key)) == ["joined"]
    assert counts(store) == {"outcome.joined": 2, "prediction.pending": 1}
    assert tell(store, outcome(b"", key=key)) == ["rejected:duplicate"]


def test_an_outcome_by_key_may_be_meant_for_one_model_only(store):
    key = (123, 456)
    add(store, awaiting(key=key, model=ModelFacts("a")), awaiting(key=key, model=ModelFacts("b")))
    assert tell(store, outcome(b"", key=key, model="b"), outcome(b"", key=key, model="c")) == [
        "joined",
        "orphan",
    ]
    assert [change.after.model for change in store.changes(0) if change.after.known] == ["b"]


def test_an_outcome_by_key_waits_for_its_prediction(store):
    assert tell(store, outcome(b"", key=(7, 8)), outcome(b"", key=(7, 9))) == ["orphan", "orphan"]
    add(store, awaiting(key=(7, 8)))
    assert counts(store) == {"outcome.joined": 1, "outcome.orphan": 1}


def test_outcomes_refused_at_the_door_are_counted_in_the_same_commit(store):
    store.commit([], [], NOW, {"nan": 2, "future": 1})
    assert counts(store) == {"outcome.rejected:nan": 2, "outcome.rejected:future": 1}


def test_a_reader_sees_each_step_with_what_it_replaces(store):
    pid = new_id()
    extra = json.dumps({"segments": {"purpose": "car"}, "probabilities": {"a": 0.2, "b": 0.8}})
    add(store, awaiting(pid, extra=extra))
    tell(store, outcome(pid, "bad", weight=2.0))
    tell(store, outcome(pid, "good", at=NOW + 5 * SECOND))
    made, joined, corrected = store.changes(0)
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
    assert store.changes(made.position) == [joined, corrected]
    assert store.changes(0, limit=2) == [made, joined]


def test_sums_and_the_position_of_a_reader_move_together_or_not_at_all(store):
    assert store.position("sums") == 0
    assert store.save("aggregate", {"a": "1"}, reader="sums", read_from=0, read_to=5)
    assert not store.save("aggregate", {"a": "2"}, reader="sums", read_from=0, read_to=7)
    assert (store.position("sums"), store.documents("aggregate")) == (5, {"a": "1"})
    assert store.save("aggregate", {"a": None, "b": "3"}, reader="sums", read_from=5, read_to=6)
    assert store.documents("aggregate") == {"b": "3"}


def test_counts_are_kept_by_model(store):
    pid = new_id()
    add(store, awaiting(pid), priced())
    tell(store, outcome(pid))
    assert {(facts.name, name, n) for facts, name, n in store.states() if facts and n} == {
        (CREDIT.name, "outcome.joined", 1),
        (PRICE.name, "prediction.pending", 1),
    }


def test_the_secret_of_business_keys_is_drawn_once(store):
    assert store.secret() == store.secret()
    assert len(store.secret()) == 32

"""Outcomes by business key: whatever comes first, the same truth stands at the end."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_rows import NOW, SECOND, awaiting, outcome

from modelspan.store.outcomes import OutcomeStore
from modelspan.store.rows import ModelFacts
from modelspan.store.sqlite_database import SqliteDatabase

KEYS = [(7, 8), (7, 9)]  # they share the number by which they are looked up
ROLES = [
    ModelFacts("credit", "1", classes=("good", "bad")),
    ModelFacts("credit", "2", "shadow", classes=("paid", "default", "other")),
    ModelFacts("fraud"),
]

made = st.tuples(st.just("made"), st.sampled_from(KEYS), st.sampled_from(ROLES))
told = st.tuples(
    st.just("told"), st.sampled_from(KEYS), st.sampled_from(["", "credit", "fraud"]), st.integers(0, 5),
    st.sampled_from(["0", "1"]),
)  # fmt: skip


def truth(events, key, model):
    """The latest outcome of the key that is meant for the model; of one time the first that was told."""
    known = [each for each in events if each[0] == "told" and each[1] == key and each[2] in ("", model.name)]
    latest = max((each[3] for each in known), default=None)
    return {each[4] for each in known if each[3] == latest}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(st.one_of(made, told), max_size=9), commits=st.integers(1, 4))
def test_the_latest_outcome_of_a_key_is_the_truth_of_every_prediction_made_before(
    events, commits, tmp_path_factory
):
    store = OutcomeStore(SqliteDatabase(tmp_path_factory.mktemp("keys")))
    for start in range(0, len(events), commits):
        part = events[start : start + commits]
        store.commit(
            [awaiting(key=each[1], model=each[2]) for each in part if each[0] == "made"],
            [
                outcome(b"", label, key=key, model=model, at=NOW + at * SECOND)
                for _, key, model, at, label in (each for each in part if each[0] == "told")
            ],
            NOW,
        )
    rows = {change.after.prediction_id: change.after for change in store.changes(0, 10**6)}
    roles = {(each.name, each.version): each for each in ROLES}
    for row in rows.values():
        key = next(each for each in KEYS if row.key == f"{each[0]:016x}{each[1]:016x}")
        possible = truth(events, key, roles[row.model, row.version])
        read = {row.classes[int(label)] if row.classes else label for label in possible}
        assert (row.outcome_label in read) if possible else not row.known
    assert len(rows) == sum(event[0] == "made" for event in events)
    store.check()
    store.close()

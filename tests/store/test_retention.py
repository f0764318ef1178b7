"""The promised window, and what goes first when the store is too large."""

from store_rows import DAY, NOW, SECOND, awaiting, counts, new_id, outcome, states

from modelspan.store.reading import Read
from modelspan.store.retention import sweep

PLENTY = 10**12


def test_a_prediction_waits_for_the_whole_window_and_then_expires(either):
    either.commit([awaiting() for _ in range(5)], [], NOW)
    sweep(either, NOW + 90 * DAY - SECOND, 90, PLENTY)
    assert counts(either) == {"prediction.pending": 5}
    assert sweep(either, NOW + 90 * DAY, 90, PLENTY) == 5
    assert counts(either) == {"prediction.expired": 5}
    assert either.check()["predictions"] == 0


def test_an_outcome_without_prediction_expires_and_stays_counted(either):
    either.commit([], [outcome(new_id())], NOW)
    sweep(either, NOW + 91 * DAY, 90, PLENTY)
    assert counts(either) == {"outcome.expired": 1}


def test_a_joined_prediction_is_forgotten_after_the_window_and_stays_counted(either):
    pid = new_id()
    either.commit([awaiting(pid, key=(1, 1))], [outcome(pid)], NOW)
    sweep(either, NOW + 91 * DAY, 90, PLENTY)
    assert counts(either) == {"outcome.joined": 1, "prediction.forgotten": 1}
    assert [either.check()[table] for table in ("predictions", "outcomes", "keys")] == [0, 0, 0]


def test_an_outcome_after_the_window_has_nothing_to_join_and_says_so(either):
    pid = new_id()
    either.commit([awaiting(pid)], [], NOW)
    sweep(either, NOW + 91 * DAY, 90, PLENTY)
    assert states(either.commit([], [outcome(pid)], NOW + 91 * DAY)) == ["orphan"]


def test_predictions_of_the_last_minutes_outlive_those_before(either):
    either.commit([awaiting()], [], NOW)
    either.commit([awaiting()], [], NOW + 10 * DAY)
    sweep(either, NOW + 95 * DAY, 90, PLENTY)
    assert counts(either) == {"prediction.expired": 1, "prediction.pending": 1}


def test_e07_beyond_the_size_settled_rows_go_and_pending_ones_are_kept(either):
    pids = [new_id() for _ in range(3000)]
    either.commit([awaiting(pid) for pid in pids], [outcome(pid) for pid in pids[:2500]], NOW)
    size = either.size()
    sweep(either, NOW, 90, size // 3)
    totals = counts(either)
    assert totals["prediction.pending"] == 500
    assert totals["prediction.evicted"] > 0
    assert totals["outcome.joined"] == 2500
    assert states(either.commit([], [outcome(pids[-1])], NOW)) == ["joined"]
    either.check()


def test_e07_when_all_must_be_kept_new_predictions_are_refused_and_counted(either):
    either.commit([awaiting() for _ in range(200)], [], NOW)
    sweep(either, NOW, 90, 1000)
    either.commit([awaiting()], [], NOW)
    assert counts(either) == {"prediction.pending": 200, "prediction.rejected:full": 1}


def test_settled_rows_that_a_reader_has_not_seen_are_not_evicted(either):
    pids = [new_id() for _ in range(50)]
    either.commit([awaiting(pid) for pid in pids], [outcome(pid) for pid in pids], NOW)
    either.save("aggregate", {}, Read("slow", 0, 0))
    sweep(either, NOW, 90, 1000)
    assert counts(either) == {"outcome.joined": 50}

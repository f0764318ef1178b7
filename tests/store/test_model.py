"""A state machine: whatever happens in whatever order, the store agrees with a few lines of Python.

MODELSPAN_TEST_SEQUENCES=2000 runs more sequences than every change does.
"""

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from store_rows import DAY, NOW, SECOND

from modelspan.store.outcomes import OutcomeStore
from modelspan.store.reading import Read
from modelspan.store.retention import sweep
from modelspan.store.rows import Awaiting, ModelFacts, Outcome
from modelspan.store.sqlite_database import SqliteDatabase

SEQUENCES = int(os.environ.get("MODELSPAN_TEST_SEQUENCES", "100"))
WINDOW_DAYS, PLENTY = 90, 10**12
FACTS = ModelFacts("m", classes=("a", "b", "c"))
NAMES = [bytes([n]) * 24 for n in range(1, 7)]
times = st.integers(0, 5).map(lambda n: NOW + n * SECOND)
labels = st.sampled_from([*FACTS.classes, "unheard of"])


class Told:
    """What the model remembers of one stored outcome."""

    def __init__(self, label, at):
        self.label, self.at, self.stale = label, at, False


class Feedback(RuleBasedStateMachine):
    """The model: predictions by name with their outcomes, outcomes that wait, and counts."""

    predictions = Bundle("predictions")

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp(prefix="store"))
        self.store = self.open()
        self.now, self.set_back = NOW, False
        self.known, self.waiting, self.counts = {}, {}, Counter()
        self.stored_at = {}
        self.sums, self.position = Counter(), 0

    def open(self):
        return OutcomeStore(SqliteDatabase(self.folder, busy_seconds=5))

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- what may happen

    @rule(name=st.sampled_from(NAMES))
    def predict(self, name):
        self.store.commit([Awaiting(name, 0, FACTS, self.now, "a")], [], self.now)
        if name in self.known:
            self.counts["prediction.rejected:reused_id"] += 1
            return
        self.known[name], self.stored_at[name] = [], self.now
        self.counts["prediction.pending"] += 1
        for label, at, dated, _ in self.waiting.pop(name, []):
            self.counts["outcome.orphan"] -= 1
            self.join(name, label, at, dated)

    @rule(name=st.sampled_from(NAMES), label=labels, at=times, dated=st.booleans())
    def feedback(self, name, label, at, dated):
        at = at if dated else self.now
        (receipt,) = self.store.commit([], [Outcome(name, 0, label, None, 1.0, at, dated)], self.now)
        said = f"outcome.{receipt.state}" + (f":{receipt.reason}" if receipt.reason else "")
        if name in self.known:
            assert said == self.join(name, label, at, dated)
            return
        waiting = self.waiting.setdefault(name, [])
        repeats = [w for w in waiting if w[0] == label and (w[1] == at or (not dated and w is waiting[-1]))]
        expected = "outcome.rejected:duplicate" if repeats else "outcome.orphan"
        if not repeats:
            waiting.append((label, at, dated, self.now))
        self.counts[expected] += 1
        assert said == expected

    @rule(
        names=st.lists(st.sampled_from(NAMES), min_size=2, max_size=6),
        label=st.sampled_from(FACTS.classes), at=times,
    )  # fmt: skip
    def feedback_in_one_commit(self, names, label, at):
        rows = [Outcome(name, 0, label, None, 1.0, at, True) for name in names if name in self.known]
        receipts = self.store.commit([], rows, self.now)
        for row, receipt in zip(rows, receipts, strict=True):
            said = f"outcome.{receipt.state}" + (f":{receipt.reason}" if receipt.reason else "")
            assert said == self.join(row.pid, label, at, dated=True)

    @rule(days=st.sampled_from([0.001, 1, 40, 91]))
    def time_passes_and_old_rows_expire(self, days):
        self.now += 61 * SECOND
        sweep(self.store, self.now, WINDOW_DAYS, PLENTY)  # notes where the store stands now
        self.now += int(days * DAY)
        sweep(self.store, self.now, WINDOW_DAYS, PLENTY)
        left = {change.after.prediction_id for change in self.store.changes(0, 10**6)}
        for name in [name for name in self.known if f"{name.hex()[:32]}-{name.hex()[32:]}" not in left]:
            assert self.now - self.stored_at.pop(name) >= WINDOW_DAYS * DAY, "gone before its time"
            told = self.known.pop(name)
            joined = any(not each.stale for each in told)
            self.counts["prediction.forgotten" if joined else "prediction.expired"] += 1
            self.counts["prediction.pending"] -= not joined
        for name in [
            name for name in self.known if self.now - self.stored_at[name] > WINDOW_DAYS * DAY + 120 * SECOND
        ]:
            assert self.set_back, (
                f"{name[:1]} outlives its window"
            )  # a clock set back may only keep it longer
        self.expire_waiting()

    def expire_waiting(self):
        rows = self.store.database
        with rows.reading():
            left = Counter(bytes(pid) for (pid,) in rows.rows("SELECT pid FROM orphans"))
        for name, waiting in list(self.waiting.items()):
            for _ in range(len(waiting) - left[name]):
                assert self.now - waiting.pop(0)[3] >= WINDOW_DAYS * DAY, "gone before its time"
                self.counts["outcome.orphan"] -= 1
                self.counts["outcome.expired"] += 1
            if not waiting:
                del self.waiting[name]

    @rule(seconds=st.sampled_from([-3600, -5, 3600]))
    def clock_steps(self, seconds):
        self.now = max(NOW, self.now + seconds * SECOND)
        self.set_back |= seconds < 0

    @rule()
    def restart(self):
        self.store.close()
        self.store = self.open()

    @rule(name=st.sampled_from(NAMES))
    def crash_in_a_commit(self, name):
        """What was not acknowledged is undone, by another connection that never closes the first."""
        try:
            with self.store.database.writing():
                self.store.database.run("DELETE FROM predictions")
                self.store.database.run("DELETE FROM outcomes")
                raise InterruptedError
        except InterruptedError:
            self.store = self.open()

    @rule(bytes_=st.sampled_from([1, PLENTY]))
    def cap(self, bytes_):
        """Nothing is evicted that a reader has not seen, so with a reader at 0 nothing at all."""
        self.store.save("aggregate", {}, Read("slow", 0, 0))
        sweep(self.store, self.now - WINDOW_DAYS * DAY, WINDOW_DAYS, bytes_)
        self.store.full = False

    @rule()
    def follow(self):
        for change in self.store.changes(self.position):
            for row, sign in ((change.before, -1), (change.after, 1)):
                if row is not None and row.known:
                    self.sums[row.outcome_label] += sign
            self.position = change.position

    # -- the rule of joining, once more and in short

    def join(self, name, label, at, dated):
        told = self.known[name]
        current = next((each for each in reversed(told) if not each.stale), None)
        if label not in FACTS.classes:
            said = "outcome.rejected:unknown_class"
        elif any(each.label == label and (each.at == at or (each is current and not dated)) for each in told):
            said = "outcome.rejected:duplicate"
        else:
            new = Told(label, at if dated or current is None else max(at, current.at + 1))
            new.stale = current is not None and new.at < current.at
            told.append(new)
            said = "outcome.superseded" if new.stale else "outcome.joined"
            if current is None:
                self.counts["prediction.pending"] -= 1
            elif not new.stale:
                self.counts["outcome.joined"] -= 1
                self.counts["outcome.superseded"] += 1
        self.counts[said] += 1
        return said

    # -- what must always hold

    @invariant()
    def the_states_are_those_of_the_model(self):
        if hasattr(self, "store"):
            wanted = {name: n for name, n in self.counts.items() if n}
            assert {name: n for name, n in self.store.totals().items() if n} == wanted

    @invariant()
    def each_prediction_has_the_outcome_of_the_model(self):
        if hasattr(self, "store"):
            found = {}
            for change in self.store.changes(0, 10**6):
                found[change.after.prediction_id.replace("-", "")] = change.after.outcome_label
            current = {
                name.hex(): next((each.label for each in reversed(told) if not each.stale), None)
                for name, told in self.known.items()
            }
            assert found == current


def test_e08_the_store_agrees_with_its_model_in_any_sequence():
    run_state_machine_as_test(
        Feedback,
        settings=settings(
            max_examples=SEQUENCES, stateful_step_count=20, deadline=None,
            suppress_health_check=list(HealthCheck), database=None,
        ),
    )  # fmt: skip

"""Windows that processes keep together: every change counts once, and sums are those of all rows."""

import json
import threading

import numpy as np
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from modelspan import semconv
from modelspan.performance.estimate import Estimator
from modelspan.performance.sums import Options, Sums
from modelspan.performance.window import Window
from modelspan.sinks.follower import Follower
from modelspan.sinks.performance import PerformanceSink
from modelspan.sinks.performance_book import MAX_SEGMENTS, Book, Subject
from modelspan.store.outcomes import OutcomeStore
from modelspan.store.rows import Awaiting, ModelFacts, Outcome
from modelspan.store.sqlite_database import SqliteDatabase

FACTS = ModelFacts(
    name="credit", version="1", variant="", operation="", task="binary", classes=("good", "bad")
)
SUBJECT = Subject("credit", "1", "")
OPTIONS = Options(positive="bad", classes=("good", "bad"))
START = 1_700_000_000
RANDOM = np.random.default_rng(1)


@pytest.fixture
def store(tmp_path):
    store = OutcomeStore(SqliteDatabase(tmp_path))
    yield store
    store.close()


def pid(number):
    return number.to_bytes(24, "big")


def predict(store, numbers, seconds=0.0, region=None):
    """A prediction a second, scores known, from `seconds` after the start."""
    extra = None if region is None else json.dumps({"segments": {"region": region}})
    rows = []
    for number in numbers:
        score = (number * 37 % 100) / 100
        label = "bad" if score >= 0.5 else "good"
        at = int((START + seconds + number) * 1e9)
        rows.append(Awaiting(pid(number), 0, FACTS, at, label, None, score, extra))
    store.commit(rows, [], START * 10**9)


def tell(store, numbers, lag=30.0, label=None):
    told = [
        Outcome(pid(n), 0, label or ("bad" if n * 53 % 100 < n * 37 % 100 else "good"), None, 1.0,
                int((START + n + lag) * 1e9), True)
        for n in numbers
    ]  # fmt: skip
    return store.commit([], told, (START + 10_000) * 10**9)


def expected(store):
    """The sums of all rows as they stand now."""
    rows = {}
    for change in store.changes(0, 10**6):
        rows[change.after.prediction_id] = change.after
    return Sums.of(list(rows.values()), OPTIONS)


def total(book, subject=SUBJECT):
    return sum((window.sums for _, window in book.of(subject)), Sums())


def values(sums):
    return {name: each.value for name, each in sums.measures(OPTIONS).items()}


def book_of(store, seconds=100.0, keep=100):
    return Book(store, seconds, keep)


def test_windows_are_of_prediction_time_and_outcomes_join_theirs_late(store):
    book = book_of(store)
    predict(store, range(300))
    book.step()
    assert [start for start, _ in book.of(SUBJECT)] == [START, START + 100, START + 200]
    assert total(book).coverage.value == 0
    tell(store, range(100, 200), lag=5000)
    book.step()
    assert [window.sums.coverage.value for _, window in book.of(SUBJECT)] == [0, 1, 0]
    assert values(total(book)) == pytest.approx(values(expected(store)))


def test_a_correction_counts_instead_of_what_it_corrects(store):
    book = book_of(store)
    predict(store, range(60))
    tell(store, range(60))
    book.step()
    tell(store, range(20), lag=60, label="bad")
    book.step()
    assert total(book).outcomes == 60
    assert values(total(book)) == pytest.approx(values(expected(store)))


def test_several_books_of_one_store_count_each_change_once(store):
    predict(store, range(500))
    tell(store, range(400))
    books = [book_of(store) for _ in range(4)]
    counted = []

    def follow(book):
        for _ in range(6):
            step = book.step()
            counted.append(sum(w.sums.outcomes for w in step.added.values()))

    threads = [threading.Thread(target=follow, args=(book,)) for book in books]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fresh = book_of(store)
    fresh.step()
    assert total(fresh).outcomes == 400
    assert sum(counted) == 400
    assert values(total(fresh)) == pytest.approx(values(expected(store)), abs=1e-3)


def test_a_restart_goes_on_where_the_last_process_saved(store):
    predict(store, range(100))
    book_of(store).step()
    tell(store, range(100))
    later = book_of(store)
    step = later.step()
    assert step.added[SUBJECT].sums.outcomes == 100
    assert total(later).outcomes == 100
    assert later.options_of(SUBJECT).positive == "bad"


def test_old_windows_go(store):
    book = book_of(store, keep=2)
    predict(store, range(0, 1000, 10))
    book.step()
    assert [start for start, _ in book.of(SUBJECT)] == [START + 800, START + 900]
    assert set(store.documents("performance.windows")) == {
        json.dumps([list(SUBJECT), START + at], separators=(",", ":")) for at in (800.0, 900.0)
    }


def test_segments_add_up_to_the_whole_and_are_bounded(store):
    book = book_of(store)
    for at in range(MAX_SEGMENTS + 5):
        predict(store, range(at * 10, at * 10 + 10), region=f"r{at:02d}")
    book.step()
    segments = [each for each in book.subjects() if each.segment]
    assert len(segments) == MAX_SEGMENTS
    assert total(book).predictions == 10 * (MAX_SEGMENTS + 5)
    assert {total(book, each).predictions for each in segments} == {10}


def test_a_model_that_declares_no_classes_learns_its_positive_class_once(store):
    facts = FACTS._replace(classes=(), task="")
    rows = [
        Awaiting(pid(n), 0, facts, (START + n) * 10**9, "b" if n % 2 else "a", None, 0.9 if n % 2 else 0.1)
        for n in range(10)
    ]
    store.commit(rows, [], START * 10**9)
    book = book_of(store)
    book.step()
    assert book.options_of(SUBJECT).positive == "b"
    again = book_of(store)
    again.step()
    assert again.options_of(SUBJECT).positive == "b"


# -- the sink


class Wire:
    """A sink on a real meter, and what it says."""

    def __init__(self, store, seconds=100.0):
        self.reader, self.events = InMemoryMetricReader(), []
        meter = MeterProvider(metric_readers=[self.reader]).get_meter("test")
        self.book = book_of(store, seconds)
        self.sink = PerformanceSink(meter, self.events.append, self.book)

    def points(self, metric):
        """Value by attributes of interest."""
        data = self.reader.get_metrics_data()
        found = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for each in scope.metrics:
                    if each.name == metric.name:
                        found |= {tuple(sorted(p.attributes.items())): p.value for p in each.data.data_points}
        return found

    def one(self, instrument, **named):
        names = {
            "metric": semconv.PERFORMANCE_METRIC, "window": semconv.PERFORMANCE_WINDOW,
            "segment": semconv.SEGMENT_NAME, "state": semconv.OUTCOME_STATE,
            "quantile": semconv.PERFORMANCE_QUANTILE,
        }  # fmt: skip
        wanted = {names[name]: value for name, value in named.items()}
        return [v for key, v in self.points(instrument).items() if wanted.items() <= dict(key).items()]


def test_gauges_show_score_interval_coverage_and_lag(store):
    wire = Wire(store)
    predict(store, range(200))
    tell(store, range(150), lag=64)
    wire.sink.step()
    (score,) = wire.one(semconv.PERFORMANCE_SCORE, metric="roc_auc", window="all")
    (low,) = wire.one(semconv.PERFORMANCE_LOWER, metric="roc_auc", window="all")
    (high,) = wire.one(semconv.PERFORMANCE_UPPER, metric="roc_auc", window="all")
    assert low < score < high
    assert score == pytest.approx(values(expected(store))["roc_auc"], abs=1e-3)
    assert wire.one(semconv.PERFORMANCE_SHARE, window="all") == [0.75]
    assert wire.one(semconv.PERFORMANCE_SHARE, window="last") == [0.5]
    assert wire.one(semconv.PERFORMANCE_LAG, window="all", quantile="0.5") == [pytest.approx(64, rel=0.05)]


def test_counters_add_over_processes_and_only_grow(store):
    wires = [Wire(store), Wire(store)]
    predict(store, range(100))
    tell(store, range(50))
    wires[0].sink.step()
    tell(store, range(50, 80))
    wires[1].sink.step()
    tell(store, range(10), lag=60, label="bad")
    wires[0].sink.step()
    assert sum(sum(wire.one(semconv.PERFORMANCE_ROWS)) for wire in wires) == 100
    joined = sum(sum(wire.one(semconv.PERFORMANCE_PAIRS, state="joined")) for wire in wires)
    superseded = sum(sum(wire.one(semconv.PERFORMANCE_PAIRS, state="superseded")) for wire in wires)
    assert joined - superseded == 80
    losses = [
        sum(sum(w.one(m, state="joined", metric="brier")) for w in wires)
        - sum(sum(w.one(m, state="superseded", metric="brier")) for w in wires)
        for m in (semconv.PERFORMANCE_LOSS, semconv.PERFORMANCE_WEIGHT)
    ]
    assert losses[0] / losses[1] == pytest.approx(values(expected(store))["brier"])


def test_an_estimate_is_there_before_any_outcome_and_says_what_it_doubts(store):
    wire = Wire(store)
    score = RANDOM.random(2000)
    truth = np.where(RANDOM.random(2000) < score, "bad", "good")
    wire.book.offer(SUBJECT, Estimator.fit(score, truth.tolist(), classes=("good", "bad")))
    predict(store, range(200))
    wire.sink.step()
    (accuracy,) = wire.one(semconv.ESTIMATE, metric="accuracy", window="all")
    assert accuracy == pytest.approx(0.75, abs=0.03)
    assert wire.one(semconv.PERFORMANCE_SCORE, window="all") == []
    assert wire.one(semconv.ESTIMATE_DOUBTS, window="all") == [0]
    event = wire.events[0]
    assert event.event == semconv.PERFORMANCE_EVENT.name
    assert event.attributes[semconv.PERFORMANCE_ESTIMATE_PREFIX + "accuracy"] == pytest.approx(0.75, abs=0.05)
    tell(store, range(200), label="good")
    wire.sink.step()
    assert wire.one(semconv.ESTIMATE_DOUBTS, window="all") == [1]
    assert "concept drift" in wire.events[-1].attributes[semconv.PERFORMANCE_DOUBTS][0]


def test_another_process_uses_the_estimator_that_one_offered(store):
    score = RANDOM.random(600)
    truth = np.where(RANDOM.random(600) < score, "bad", "good").tolist()
    book_of(store).offer(SUBJECT, Estimator.fit(score, truth, classes=("good", "bad")))
    predict(store, range(50))
    other = book_of(store)
    other.step()
    assert sum(window.expected.predictions for _, window in other.of(SUBJECT)) == 50


def test_gaps_between_segments_are_a_hand_count(store):
    wire = Wire(store)
    predict(store, range(100), region="north")
    predict(store, range(100, 150), region="south")
    tell(store, range(100), label="bad")
    tell(store, range(100, 150))
    wire.sink.step()
    share = [sum((n * 37 % 100) >= 50 for n in r) / len(r) for r in (range(100), range(100, 150))]
    found = wire.one(semconv.PERFORMANCE_SCORE, metric="demographic_parity_difference", segment="region")
    assert found == [pytest.approx(abs(share[0] - share[1]))]
    assert len(wire.one(semconv.PERFORMANCE_SCORE, metric="equal_opportunity_difference")) == 1


def test_a_window_is_reported_when_it_begins_and_as_coverage_grows_not_at_every_outcome(store):
    wire = Wire(store)
    predict(store, range(100))
    wire.sink.step()
    assert len(wire.events) == 1
    for number in range(100):
        tell(store, [number])
        wire.sink.step()
    assert 5 < len(wire.events) < 25
    assert wire.events[-1].attributes[semconv.PERFORMANCE_COVERAGE] > 0.9


def test_nothing_that_leaves_is_nan(store):
    wire = Wire(store)
    predict(store, [1])
    tell(store, [1])
    wire.sink.step()
    for metric in semconv.METRICS:
        assert all(value == value for value in wire.points(metric).values())  # noqa: PLR0124 - NaN
    for event in wire.events:
        json.dumps(dict(event.attributes), allow_nan=False)


def test_the_follower_steps_alone_and_stops(store):
    wire = Wire(store)
    follower = Follower(wire.sink, 0.02)
    follower.start()
    predict(store, range(10))
    done = threading.Event()
    for _ in range(500):
        if wire.one(semconv.PERFORMANCE_SHARE, window="all"):
            break
        done.wait(0.02)
    assert wire.one(semconv.PERFORMANCE_SHARE, window="all") == [0.0]
    follower.close(5)
    assert not follower._thread.is_alive()


def test_a_window_survives_the_store():
    assert Window.from_json(Window().to_json()).sums.predictions == 0

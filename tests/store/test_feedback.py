"""`modelspan.feedback` with a store: receipts, states, keys, segments, and what it does to the process."""

import logging
import math
import multiprocessing
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import modelspan
from modelspan import _setup
from modelspan.errors import ConfigError
from modelspan.store.opening import open_store


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def recorded(data):
    with modelspan.testing.record(data=str(data), tick_seconds=0.02) as telemetry:
        yield telemetry


@pytest.fixture
def told(data, recorded):
    """Reads what is in the store, by a connection of its own, once all that was handed over is in it."""
    store = open_store(data=data)

    def read():
        recorded.flush()
        return store

    yield read
    store.close()


def scorer(**settings):
    settings = {"model": "credit", "version": "1", "classes": ("good", "bad"), "task": "binary"} | settings
    return modelspan.monitor(**settings)(
        lambda row: row["p"] if isinstance(row, dict) else row["p"].to_numpy()
    )


def last():
    return modelspan.current_prediction().id


def rows(store):
    return [change.after for change in store.changes(0, 10**6)]


def counts(store):
    return {name: n for name, n in store.totals().items() if n}


def test_a_prediction_is_stored_by_the_worker_and_its_outcome_joins_it(told):
    scorer()({"p": 0.7})
    receipt = modelspan.feedback(last(), "bad", wait=True)
    assert (receipt.state, receipt.committed) == ("joined", True)
    made, joined = rows(told())
    assert (made.label, made.score, made.known) == ("bad", 0.7, False)
    assert (joined.prediction_id, joined.outcome_label) == (last(), "bad")
    assert (joined.model, joined.version, joined.task, joined.classes) == (
        "credit",
        "1",
        "binary",
        ("good", "bad"),
    )


def test_without_waiting_the_receipt_says_queued_and_the_outcome_is_stored_soon(told):
    scorer()({"p": 0.7})
    receipt = modelspan.feedback(last(), 1)
    assert (receipt.state, receipt.committed) == ("queued", False)
    assert counts(told()) == {"outcome.joined": 1}
    assert rows(told())[-1].outcome_label == "bad"


def test_every_row_of_a_batch_gets_its_own_outcome(told):
    scorer()(pd.DataFrame({"p": [0.1, 0.9, 0.2]}))
    identifier = last()
    receipts = modelspan.feedback(
        [
            {"prediction_id": identifier, "row": row, "outcome": row % 2, "weight": 1 + row}
            for row in range(3)
        ],
        wait=True,
    )
    assert [receipt.state for receipt in receipts] == ["joined"] * 3
    joined = [row for row in rows(told()) if row.known]
    assert [(row.row, row.outcome_label, row.weight) for row in joined] == [
        (0, "good", 1.0), (1, "bad", 2.0), (2, "good", 3.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"outcome": math.nan}, "nan"),
        ({"outcome": np.float32("inf")}, "nan"),
        ({"outcome": None}, "missing"),
        ({"outcome": "  "}, "missing"),
        ({"outcome": object()}, "wrong_type"),
        ({"outcome": [1]}, "wrong_type"),
        ({"outcome": "worse"}, "unknown_class"),
        ({"outcome": 0.5}, "wrong_type"),
        ({"prediction_id": "nonsense"}, "invalid_id"),
        ({"prediction_id": None}, "invalid_id"),
        ({"prediction_id": "x" * 10_000}, "invalid_id"),
        ({"row": -1}, "invalid_row"),
        ({"row": 0.0}, "invalid_row"),
        ({"weight": 0}, "invalid_weight"),
        ({"weight": math.nan}, "invalid_weight"),
        ({"at": math.nan}, "invalid_time"),
        ({"at": pd.NaT}, "invalid_time"),
        ({"at": "yesterday"}, "invalid_time"),
        ({"at": datetime.now(UTC) + timedelta(hours=1)}, "future"),
        ({"at": time.time() + 10_000}, "future"),
    ],
)
def test_a20_an_outcome_without_meaning_is_rejected_with_a_reason_and_counted(told, changed, reason):
    scorer()({"p": 0.7})
    row = {"prediction_id": last(), "outcome": "bad"} | changed
    (receipt,) = modelspan.feedback([row], wait=True)
    assert (receipt.state, receipt.reason) == ("rejected", reason)
    assert counts(told()) == {"prediction.pending": 1, f"outcome.rejected:{reason}": 1}


def test_a_single_outcome_without_meaning_raises_and_is_counted_too(told):
    with pytest.raises(ValueError, match="outcome=nan"):
        modelspan.feedback("0" * 32 + "-" + "0" * 16, math.nan)
    assert counts(told()) == {"outcome.rejected:nan": 1}


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001 - a time without zone is what is tested
        "2026-01-02T03:04:05Z",
        "2026-01-02 04:04:05+01:00",
        pd.Timestamp("2026-01-02T03:04:05"),
        np.datetime64("2026-01-02T03:04:05"),
        1767323045,
        1767323045.0,
    ],
)
def test_a_time_is_a_datetime_a_text_or_seconds_and_utc_unless_it_says_otherwise(told, at):
    scorer()({"p": 0.7})
    modelspan.feedback(last(), "bad", at=at)
    assert rows(told())[-1].outcome_ns == 1_767_323_045 * 10**9


def test_a20_an_outcome_of_ninety_days_later_joins(told):
    scorer()({"p": 0.7})
    modelspan.feedback(last(), "bad", at=datetime(2020, 1, 1, tzinfo=UTC))
    assert counts(told()) == {"outcome.joined": 1}


def test_a_regression_takes_numbers_whole_ones_too(told):
    modelspan.monitor(model="price")(lambda row: 2.5)({"a": 1})
    assert modelspan.feedback(last(), 3, wait=True).state == "joined"
    assert rows(told())[-1].outcome_value == 3.0


def test_a_truth_known_by_business_key_finds_its_prediction(told):
    predict = scorer(key=lambda row: row["loan_id"])
    predict(pd.DataFrame({"p": [0.1, 0.9], "loan_id": [11, 12]}))
    assert modelspan.feedback(key="12", outcome="bad", wait=True).state == "joined"
    assert modelspan.feedback(key=13.0, outcome="bad", wait=True).state == "orphan"
    assert [row.row for row in rows(told()) if row.known] == [1]


def test_a_business_key_is_not_in_the_file(told, data):
    scorer(key=lambda row: row["loan_id"])({"p": 0.1, "loan_id": "LOAN-4711-SECRET"})
    told()
    assert not [path for path in data.iterdir() if b"LOAN-4711" in path.read_bytes()]


def test_a_key_function_that_fails_costs_the_key_only_and_is_said_once(told, caplog):
    def broken(row):
        raise SystemExit(row["no such feature"])

    predict = scorer(key=broken)
    with caplog.at_level(logging.WARNING):
        assert [predict({"p": 0.7}) for _ in range(5)] == [0.7] * 5
        assert counts(told()) == {"prediction.pending": 5}
    assert len([record for record in caplog.records if "key=" in record.message]) == 1
    assert _setup.current.ledger.dropped["business keys", "key_function"] == 5


@pytest.mark.parametrize("key", [None, True, "", " ", "x" * 201, b"1", object(), math.nan])
def test_what_is_no_key_is_refused(told, key):
    if key is not None:
        with pytest.raises(ValueError, match="key="):
            modelspan.feedback(key=key, outcome="bad")
    with pytest.raises(ConfigError, match="key="):
        modelspan.monitor(model="m", key="loan_id")(len)


def test_segments_and_the_probabilities_of_many_classes_are_kept(told):
    predict = modelspan.monitor(model="m", classes=("a", "b", "c"), segments=("city",))(
        lambda frame: np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])
    )
    predict(pd.DataFrame({"city": ["Ulm", None]}))
    first, second = rows(told())
    assert (first.label, first.score, first.segments) == ("b", 0.5, {"city": "Ulm"})
    assert first.probabilities == {"a": 0.2, "b": 0.5, "c": 0.3}
    assert second.segments == {}


def test_a_failed_call_has_no_answer_and_waits_for_no_truth(told):
    @modelspan.monitor(model="m")
    def fail(row):
        raise KeyError(row)

    with pytest.raises(KeyError):
        fail({"a": 1})
    assert counts(told()) == {}


def test_rows_that_were_not_looked_at_are_counted_and_the_others_have_their_true_position(data):
    with modelspan.testing.record(data=str(data), sample_rows=4) as telemetry:
        modelspan.monitor(model="m")(lambda frame: np.tile([0.4, 0.6], (10, 1)))(
            pd.DataFrame({"a": range(10)})
        )
        telemetry.flush()
        store = open_store(data=data)
        assert [row.row for row in rows(store)] == [0, 3, 6, 9]
        assert _setup.current.ledger.dropped["keys", "sample_rows"] == 6
        store.close()


def test_the_span_that_tells_the_truth_gets_a_link_to_the_span_of_the_prediction(told):
    scorer()({"p": 0.7})
    with TracerProvider().get_tracer("user").start_as_current_span("feedback endpoint") as span:
        modelspan.feedback(last(), "bad")
    (link,) = span.links
    assert f"{link.context.trace_id:032x}-{link.context.span_id:016x}" == last()
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_the_event_has_the_model_that_the_store_knows_and_the_time_of_the_outcome(told, recorded):
    scorer(key=lambda row: row["loan"])({"p": 0.7, "loan": 7})
    made = last()
    at = time.time() - 60
    modelspan.feedback(made, "bad", at=at, wait=True)
    modelspan.feedback(made, "bad", at=at, wait=True)  # a repetition is no news
    modelspan.feedback(made, "good", at=at - 60, wait=True)  # nor is what was known before
    modelspan.feedback(made, "ugly", at=at + 1, wait=True)  # nor what has no meaning
    modelspan.feedback(key=7, outcome="good", at=at + 2, wait=True)
    events = recorded.events("ml.prediction.feedback")
    assert [each.attributes["ml.outcome.label"] for each in events] == ["bad", "good"]
    for each in events:
        assert each.attributes["ml.model.name"] == "credit"
        assert each.attributes["ml.model.version"] == "1"
        assert each.attributes["ml.prediction.id"] == made
        assert f"{each.trace_id:032x}-{each.span_id:016x}" == made
    assert events[0].timestamp == pytest.approx(at * 1e9, abs=2e3)


def test_an_outcome_before_its_prediction_is_told_with_the_names_of_the_caller(told, recorded):
    modelspan.feedback(f"{7:032x}-{8:016x}", "bad", model="credit", wait=True)
    (event,) = recorded.events("ml.prediction.feedback")
    assert event.attributes["ml.model.name"] == "credit"


def test_an_outcome_by_key_is_an_event_of_the_predictions_that_are_stored_after_it(told, recorded):
    assert modelspan.feedback(key=7, outcome="bad", at=time.time() + 60, wait=True).state == "orphan"
    made = []
    for variant in ("champion", "shadow"):
        scorer(variant=variant, key=lambda row: row["loan"])({"p": 0.7, "loan": 7})
        made.append(last())
    told()
    events = recorded.events("ml.prediction.feedback")
    assert [each.attributes["ml.prediction.id"] for each in events] == made
    assert [each.attributes["ml.model.variant"] for each in events] == ["champion", "shadow"]


def test_what_became_of_outcomes_is_a_metric(told, recorded):
    scorer()({"p": 0.7})
    modelspan.feedback(last(), "bad", wait=True)
    modelspan.feedback([{"prediction_id": last(), "outcome": "worse"}], wait=True)
    points = {tuple(sorted(p.attributes.items())): p.value for p in recorded.points("ml.feedback.outcomes")}
    model = [("ml.model.name", "credit"), ("ml.model.version", "1")]
    assert points == {
        (("ml.feedback.state", "joined"), *model): 1,
        (("ml.feedback.reason", "unknown_class"), ("ml.feedback.state", "rejected"), *model): 1,
    }
    (pending,) = recorded.points("ml.feedback.predictions")
    assert (pending.value, pending.attributes["ml.feedback.state"]) == (1, "pending")


def test_without_a_store_feedback_is_an_event_and_nothing_waits(telemetry):
    scorer()({"p": 0.7})
    assert modelspan.feedback(last(), "bad").state == "queued"
    with pytest.raises(ConfigError, match="needs a store"):
        modelspan.feedback(last(), "bad", wait=True)
    with pytest.raises(ConfigError, match="needs a store"):
        modelspan.feedback(key=1, outcome="bad")
    assert len(telemetry.events("ml.prediction.feedback")) == 1


def child(data, results):
    _setup.allow_start()
    modelspan.configure(data=str(data), endpoint="http://127.0.0.1:9", exit_timeout_seconds=1)
    scorer()({"p": 0.7})
    results.put((last(), modelspan.feedback(last(), "bad", wait=30).state))
    modelspan.shutdown(0.5)


@pytest.mark.filterwarnings("ignore:This process")
def test_a_forked_child_writes_by_a_connection_of_its_own(told, data):
    predict = scorer()
    predict({"p": 0.7})
    told()
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    process = context.Process(target=child, args=(data, results))
    process.start()
    identifier, state = results.get(timeout=60)
    process.join(60)
    assert state == "joined"
    predict({"p": 0.7})
    assert modelspan.feedback(last(), "bad", wait=30).state == "joined"
    assert modelspan.feedback(identifier, "good", wait=30).state == "joined"
    assert told().check()["predictions"] == 3

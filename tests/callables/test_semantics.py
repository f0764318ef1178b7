import asyncio
import gc
import threading
import weakref

import pytest
from opentelemetry import trace

import modelspan
from modelspan import _noting


def watched(function, **settings):
    return modelspan.monitor(model="m", **settings)(function)


def test_the_answer_is_the_same_object(telemetry):
    answer = object()
    assert watched(lambda x: answer)({"a": 1}) is answer


def test_the_exception_is_the_same_object_without_a_new_context(telemetry):
    error = ValueError("no")

    def fail(x):
        raise error

    with pytest.raises(ValueError) as caught:
        watched(fail)({"a": 1})
    assert caught.value is error
    assert error.__context__ is None
    assert error.__cause__ is None


@pytest.mark.contained_fault
def test_a_fault_of_ours_is_no_context_of_an_exception_of_the_users(telemetry, monkeypatch):
    def breaks(*_):
        raise RuntimeError("ours")

    def fail(x):
        raise ValueError("the user's")

    monkeypatch.setattr(_noting, "capture", breaks)
    with pytest.raises(ValueError, match="the user's") as caught:
        watched(fail)([1.0])
    assert caught.value.__context__ is None


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError, RecursionError])
def test_any_base_exception_passes_and_is_noted(telemetry, kind):
    def fail(x):
        raise kind

    with pytest.raises(kind):
        watched(fail)({"a": 1})
    assert telemetry.spans[0].attributes["error.type"] == kind.__name__
    assert telemetry.spans[0].status.status_code is trace.StatusCode.ERROR


def test_a_failure_is_one_event_one_status_and_one_error_type(telemetry):
    def fail(x):
        raise LookupError("no such loan")

    with pytest.raises(LookupError):
        watched(fail, version="2")({"a": 1})
    (span,), (event,) = telemetry.spans, telemetry.events("ml.inference.exception")
    assert span.status.description == "no such loan"
    assert span.events == ()
    assert event.attributes["exception.type"] == "LookupError"
    assert event.attributes["exception.stacktrace"].endswith("LookupError: no such loan\n")
    assert (event.trace_id, event.span_id) == (span.context.trace_id, span.context.span_id)
    (count,) = telemetry.points("ml.inference.predictions")
    assert count.attributes["error.type"] == "LookupError"
    assert telemetry.events("ml.prediction") == []


def test_a_cancelled_coroutine_stays_cancelled(telemetry):
    @modelspan.monitor(model="m")
    async def slow(x):
        await asyncio.sleep(10)

    async def run():
        await asyncio.wait_for(slow({"a": 1}), 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(run())
    assert telemetry.spans[0].attributes["error.type"].endswith("CancelledError")


def test_user_spans_nest_under_ours_and_user_logs_share_the_trace(telemetry):
    def predict(x):
        with trace.get_tracer("user").start_as_current_span("features"):
            return 1

    watched(predict)({"a": 1})
    by_name = {span.name: span for span in telemetry.spans}
    inner, ours = by_name["features"], by_name["predict m"]
    assert inner.parent.span_id == ours.context.span_id
    assert inner.context.trace_id == ours.context.trace_id


def test_records_of_standard_logging_carry_the_trace_when_asked_for():
    import logging

    def predict(x):
        logging.getLogger("shop").warning("odd %s", x["a"])
        return 1

    with modelspan.testing.record(capture_logs="INFO") as telemetry:
        watched(predict)({"a": 7})
        (span,) = telemetry.spans
        (record,) = [log for log in telemetry.logs if log.body == "odd 7"]
    assert record.trace_id == span.context.trace_id
    assert record.span_id == span.context.span_id
    assert record.severity_text == "WARN"


def test_ours_nests_under_the_users_span(telemetry):
    with trace.get_tracer("user").start_as_current_span("request") as request:
        watched(lambda x: 1)({"a": 1})
        parent = request.get_span_context()
        assert trace.get_current_span() is request
    ours = next(span for span in telemetry.spans if span.name == "predict m")
    assert ours.parent.span_id == parent.span_id
    assert ours.context.trace_id == parent.trace_id


def test_what_user_code_sets_on_the_current_span_is_kept(telemetry):
    def predict(x):
        span = trace.get_current_span()
        span.set_attribute("shop.tier", "gold")
        span.add_event("cache miss", {"n": 1})
        modelspan.current_prediction().annotate(channel="web", count=3)
        return 1

    watched(predict)({"a": 1})
    (span,), (event,) = telemetry.spans, telemetry.events("ml.prediction")
    assert span.attributes["shop.tier"] == "gold"
    assert span.attributes["ml.annotation.channel"] == "web"
    assert span.events[0].name == "cache miss"
    assert event.attributes["ml.annotation.count"] == 3


def test_the_id_is_known_inside_and_right_after_the_call(telemetry):
    inside = []

    def predict(x):
        inside.append(modelspan.current_prediction().id)
        return 1

    watched(predict)({"a": 1})
    assert modelspan.current_prediction().id == inside[0]
    assert telemetry.events("ml.prediction")[0].attributes["ml.prediction.id"] == inside[0]
    context = telemetry.spans[0].context
    assert inside[0] == f"{context.trace_id:032x}-{context.span_id:016x}"


def test_another_thread_knows_nothing_of_our_prediction(telemetry):
    watched(lambda x: 1)({"a": 1})
    seen = []
    thread = threading.Thread(target=lambda: seen.append(modelspan.current_prediction()))
    thread.start()
    thread.join()
    assert seen == [None]


def test_feedback_lands_under_the_trace_of_its_prediction(telemetry):
    watched(lambda x: "good", version="1")({"a": 1})
    modelspan.feedback(modelspan.current_prediction().id, "bad", row=0, model="m")
    (event,) = telemetry.events("ml.prediction.feedback")
    assert event.trace_id == telemetry.spans[0].context.trace_id
    assert event.attributes["ml.outcome.label"] == "bad"
    assert event.attributes["ml.model.name"] == "m"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nonsense", 1), "prediction_id='nonsense'"),
        (("0" * 32 + "-" + "0" * 16, object()), "outcome=object"),
        (("0" * 32 + "-" + "0" * 16, float("nan")), "outcome"),
        (("0" * 32 + "-" + "0" * 16, None), "outcome"),
    ],
)
def test_wrong_feedback_is_refused_with_a_reason(telemetry, arguments, said):
    with pytest.raises(ValueError, match=said):
        modelspan.feedback(*arguments)


def test_between_the_steps_of_a_generator_the_consumers_span_is_current(telemetry):
    @modelspan.monitor(model="m")
    def stream(x):
        for _ in range(3):
            yield trace.get_current_span().get_span_context().span_id

    tracer = trace.get_tracer("user")
    ids = set()
    items = stream({"a": 1})
    for name in ("one", "two", "three"):
        with tracer.start_as_current_span(name) as mine:
            ids.add(next(items))
            assert trace.get_current_span() is mine
    ours = next(s for s in [*telemetry.spans, *finish(items, telemetry)] if s.name == "stream m")
    assert ids == {ours.context.span_id}


def finish(items, telemetry):
    list(items)
    return telemetry.spans


def test_a_generator_broken_off_ends_its_span_without_an_error(telemetry):
    @modelspan.monitor(model="m")
    def stream(x):
        yield 1
        yield 2

    items = stream({"a": 1})
    assert next(items) == 1
    items.close()
    assert "error.type" not in telemetry.spans[0].attributes


def test_a_generator_given_up_and_collected_ends_its_span(telemetry):
    @modelspan.monitor(model="m")
    def stream(x):
        yield 1
        yield 2

    items = stream({"a": 1})
    next(items)
    gone = weakref.ref(items)
    del items
    gc.collect()
    assert gone() is None
    assert len(telemetry.spans) == 1


def test_a_generator_takes_sent_values_and_thrown_exceptions_and_returns_its_value(telemetry):
    @modelspan.monitor(model="m")
    def talk(x):
        got = yield "first"
        try:
            yield got
        except KeyError:
            yield "caught"
        return "end"

    items = talk({"a": 1})
    assert next(items) == "first"
    assert items.send("hello") == "hello"
    assert items.throw(KeyError()) == "caught"
    with pytest.raises(StopIteration) as stop:
        next(items)
    assert stop.value.value == "end"


def test_an_async_generator_takes_sent_values_thrown_exceptions_and_an_early_close(telemetry):
    @modelspan.monitor(model="m")
    async def talk(x):
        got = yield "first"
        try:
            yield got
        except KeyError:
            yield "caught"

    async def run():
        items = talk({"a": 1})
        said = [await anext(items), await items.asend("hello"), await items.athrow(KeyError())]
        await items.aclose()
        return said

    assert asyncio.run(run()) == ["first", "hello", "caught"]
    assert "error.type" not in telemetry.spans[0].attributes


def test_tasks_side_by_side_keep_their_own_prediction(telemetry):
    @modelspan.monitor(model="m")
    async def predict(x):
        before = modelspan.current_prediction().id
        await asyncio.sleep(0.001 * (x["a"] % 3))
        assert modelspan.current_prediction().id == before
        return x["a"]

    async def run():
        return await asyncio.gather(*(predict({"a": i}) for i in range(50)))

    assert asyncio.run(run()) == list(range(50))
    assert len({span.context.trace_id for span in telemetry.spans}) == 50


def test_many_threads_lose_and_double_nothing(telemetry):
    predict = watched(lambda x: x)

    def work():
        for i in range(500):
            assert predict(i) == i

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(point.value for point in telemetry.points("ml.inference.predictions")) == 4000
    assert len({span.context.span_id for span in telemetry.spans}) == 4000


def test_active_counts_running_calls_and_returns_to_zero(telemetry):
    entered, leave = threading.Event(), threading.Event()

    @modelspan.monitor(model="m")
    def slow(x):
        entered.set()
        leave.wait(5)

    thread = threading.Thread(target=slow, args=({"a": 1},))
    thread.start()
    entered.wait(5)
    assert [p.value for p in telemetry.points("ml.inference.active")] == [1]
    leave.set()
    thread.join()
    assert [p.value for p in telemetry.points("ml.inference.active")] == [0]


def test_a_seeded_random_does_not_repeat_ids(telemetry):
    import random

    predict = watched(lambda x: 1)
    for _ in range(2):
        random.seed(42)
        predict({"a": 1})
    assert len({span.context.trace_id for span in telemetry.spans}) == 2

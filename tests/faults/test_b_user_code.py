"""Section B of the fault catalogue: what user code may do. Each test is named by the row that it covers."""

import asyncio
import concurrent.futures
import contextvars
import functools
import gc
import inspect
import io
import json
import logging
import math
import pickle
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import cloudpickle
import joblib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace

import modelspan
from modelspan import guard

GOOD = {"a": 1.0}


def watched(function=lambda x: x, **options):
    return modelspan.monitor(model="m", **options)(function)


def run(code, *flags, timeout=60, **env):
    """A program of its own that prints what it found; it must end well."""
    done = subprocess.run(
        [sys.executable, *flags, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=timeout, check=False,
        env={"PATH": "/usr/bin:/bin", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


CANCELLATIONS = (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError)


@pytest.mark.parametrize("kind", [*CANCELLATIONS, MemoryError, RecursionError])
def test_b01_whatever_predict_raises_passes_unchanged_and_is_recorded_as_what_it_is(telemetry, kind):
    error = kind()

    def fail(x):
        raise error

    with pytest.raises(kind) as caught:
        watched(fail)(GOOD)
    assert caught.value is error
    (span,), (event,) = telemetry.spans, telemetry.events("ml.inference.exception")
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.attributes["error.type"].rpartition(".")[2] == kind.__name__
    # a call that somebody broke off is a warning, not a defect of the model
    assert event.severity_text == ("WARN" if kind in CANCELLATIONS else "ERROR")


def test_b02_a_timeout_reaches_the_caller_and_ends_the_span_once(telemetry):
    @modelspan.monitor(model="m")
    async def slow(x):
        await asyncio.sleep(30)

    async def main():
        await asyncio.wait_for(slow(GOOD), 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    (span,) = telemetry.spans
    assert span.attributes["error.type"].endswith("CancelledError")


def test_b02_a_task_cancelled_at_any_point_ends_its_span_once():
    with modelspan.testing.record() as telemetry:
        started = []

        @modelspan.monitor(model="m")
        async def steps(x):
            started.append(x)
            for _ in range(5):
                await asyncio.sleep(0)
            return x

        async def main(after):
            task = asyncio.ensure_future(steps(GOOD))
            for _ in range(after):
                await asyncio.sleep(0)
            task.cancel()
            try:
                return await task
            except asyncio.CancelledError:
                return "cancelled"

        @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.integers(0, 8))
        def check(after):
            assert asyncio.run(main(after)) in (GOOD, "cancelled")

        check()
        assert len(telemetry.spans) == len(started)


def stream(x):
    yield 1
    yield 2


async def async_stream(x):
    yield 1
    yield 2


@pytest.mark.parametrize("end", ["exhaust", "close", "throw", "collect"])
def test_b03_a_generator_ends_its_span_however_it_ends_and_leaks_no_current_span(telemetry, end):
    items = watched(stream)(GOOD)
    before = trace.get_current_span()
    next(items)
    assert trace.get_current_span() is before
    if end == "exhaust":
        assert list(items) == [2]
    elif end == "close":
        items.close()
    elif end == "throw":
        with pytest.raises(LookupError):
            items.throw(LookupError("stop"))
    else:
        del items
        gc.collect()
    (span,) = telemetry.spans
    assert ("error.type" in span.attributes) == (end == "throw")
    assert trace.get_current_span() is before


def test_b03_a_generator_that_never_started_harms_nobody(telemetry):
    items = watched(stream)(GOOD)
    del items
    gc.collect()
    assert len(telemetry.spans) <= 1


@pytest.mark.parametrize("end", ["exhaust", "close in another task", "throw", "collect"])
def test_b03_an_async_generator_ends_its_span_without_a_word_about_contexts(telemetry, caplog, end):
    async def main():
        items = watched(async_stream)(GOOD)
        before = trace.get_current_span()
        await anext(items)
        assert trace.get_current_span() is before
        if end == "exhaust":
            assert [item async for item in items] == [2]
        elif end == "close in another task":
            await asyncio.create_task(items.aclose())
        elif end == "throw":
            with pytest.raises(LookupError):
                await items.athrow(LookupError("stop"))
        else:
            del items
            gc.collect()
            await asyncio.sleep(0)

    asyncio.run(main())
    assert len(telemetry.spans) == 1
    assert "detach" not in caplog.text


def test_b04_recursion_of_the_decorated_function_answers_as_before(telemetry):
    @modelspan.monitor(model="m")
    def count(x):
        return 0 if x == 0 else 1 + count(x - 1)

    assert count(100) == 100
    assert len(telemetry.spans) == 101


@pytest.mark.contained_fault
def test_b04_close_to_the_recursion_limit_the_function_decides_not_the_watching():
    plain = functools.partial(lambda x: x, GOOD)
    predict = watched()
    predict(GOOD)

    def at_depth(left, call):
        return call() if left == 0 else at_depth(left - 1, call)

    def deepest(call):
        """How deep the call still answers."""
        low, high = 1, sys.getrecursionlimit()
        while low < high:
            middle = (low + high + 1) // 2
            try:
                at_depth(middle, call)
                low = middle
            except RecursionError:
                high = middle - 1
        return low

    spare = deepest(plain) - deepest(functools.partial(predict, GOOD))
    assert spare < 20


REENTRANT = """
import contextvars, gc, logging, weakref
import modelspan
from modelspan import _setup

with modelspan.testing.record(tick_seconds=0.01, cpu_budget=0.5, queue_bytes=2**24) as telemetry:
    watched = modelspan.monitor(model="inner")(lambda x: x)

    # In a context of its own: a finalizer that the collector runs inside ContextVar.set() and that sets a
    # context variable of the same context crashes CPython, with or without us (python/cpython#148891).
    def inner(x):
        return contextvars.copy_context().run(watched, x)

    class Cyclic:
        def __init__(self):
            self.me = self
        def __del__(self):
            inner({"a": 1})

    class Noisy(logging.Handler):
        busy = False
        def emit(self, record):
            if not self.busy:
                self.busy = True
                try:
                    watched({"a": 2})
                finally:
                    self.busy = False

    log = logging.getLogger("user")
    log.addHandler(Noisy())
    log.propagate = False

    @modelspan.monitor(model="outer")
    def outer(x):
        Cyclic()
        weakref.finalize(Cyclic(), inner, {"a": 3})
        log.warning("scored")
        return x

    gc.set_threshold(1)
    row = {"a": 0}
    for _ in range(10_000):
        assert outer(row) is row
    gc.set_threshold(700, 10, 10)
    gc.collect()
    print("done", len(telemetry.points("ml.inference.duration")))
"""


def test_b05_calls_from_finalizers_log_handlers_and_the_collector_never_deadlock():
    assert run(REENTRANT, timeout=120).stdout.startswith("done 2")


SIGNALS = """
import signal, time
import modelspan

with modelspan.testing.record(tick_seconds=0.01, cpu_budget=0.5, queue_bytes=2**24) as telemetry:
    predict = modelspan.monitor(model="m")(lambda x: x)
    inside = modelspan.monitor(model="handler")(lambda x: x)
    seen = [0, 0]

    def handler(*_):
        seen[0] += 1
        inside({"a": 1})

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        predict({"a": 2})
        seen[1] += 1
        time.sleep(0)
        if seen[1] % 100 == 0:
            time.sleep(0.01)
    signal.setitimer(signal.ITIMER_REAL, 0)
    counts = {p.attributes["ml.model.name"]: p.count for p in telemetry.points("ml.inference.duration")}
    assert counts == {"m": seen[1], "handler": seen[0]}, (counts, seen)
    print("done", seen[0] > 100)
"""


def test_b06_calls_from_a_signal_handler_each_millisecond_never_deadlock_and_are_all_counted():
    assert run(SIGNALS, timeout=120).stdout == "done True\n"


HOOKS = """
import modelspan
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider, SpanProcessor
from opentelemetry.sdk.trace.sampling import Sampler

class Bad(SpanProcessor):
    def on_start(self, span, parent_context=None):
        raise {error}
    def on_end(self, span):
        raise {error}

class BadSampler(Sampler):
    def should_sample(self, *args, **kwargs):
        raise {error}
    def get_description(self):
        return "bad"

provider = TracerProvider({sampler})
provider.add_span_processor(Bad())
trace.set_tracer_provider(provider)
row = {{"a": 1}}
predict = modelspan.monitor(model="m")(lambda x: x)
for _ in range(200):
    assert predict(row) is row
modelspan.flush(0.5)
from modelspan.guard import fault_count
assert fault_count() > 0
modelspan.shutdown(0.1)
print("done")
"""


@pytest.mark.parametrize("error", ["ValueError('hook')", "SystemExit(3)"])
@pytest.mark.parametrize("sampler", ["", "sampler=BadSampler()"])
def test_b07_hooks_of_the_applications_providers_that_raise_never_reach_the_caller(error, sampler):
    done = run(HOOKS.format(error=error, sampler=sampler))
    assert done.stdout == "done\n"
    # one line each minute, however many calls
    assert 1 <= done.stderr.count("the prediction is unaffected") <= 5


class Overloaded:
    """Text of the class."""

    def __call__(self, x: dict, scale: float = 2.0) -> float:
        """Text of the call."""
        return x["a"] * scale

    @property
    def ready(self):
        return True


def documented(x: dict, *, scale: float = 2.0) -> float:
    """Score one row.

    >>> documented({"a": 2.0})
    4.0
    """
    return x["a"] * scale


documented.owner = "risk"


def test_b08_a_decorated_function_looks_like_the_function(telemetry):
    decorated = watched(documented)
    assert inspect.signature(decorated) == inspect.signature(documented)
    for name in ("__name__", "__qualname__", "__doc__", "__module__", "__annotations__", "owner"):
        assert getattr(decorated, name) == getattr(documented, name)
    assert decorated.__wrapped__ is documented
    assert not inspect.iscoroutinefunction(decorated)
    assert inspect.isasyncgenfunction(watched(async_stream))
    assert inspect.isgeneratorfunction(watched(stream))


def test_b08_callables_of_other_kinds_work_as_before(telemetry):
    assert watched(math.sqrt, operation="sqrt")(4.0) == 2.0
    assert watched(len)([1, 2, 3]) == 3
    overloaded = watched(Overloaded())
    assert overloaded(GOOD, scale=3.0) == 3.0
    assert overloaded.ready
    assert inspect.signature(overloaded) == inspect.signature(Overloaded())
    assert watched(functools.partial(documented, scale=5.0))(GOOD) == 5.0
    assert watched(watched(documented))(GOOD) == 2.0
    assert len(telemetry.spans) == 6


@pytest.mark.parametrize(
    "what", [property(lambda self: 1), dict, Overloaded], ids=["property", "type", "class"]
)
def test_b08_a_property_or_a_class_is_refused_at_decoration_with_the_way_out(what):
    with pytest.raises(ValueError, match="monitor\\(\\) decorates callables, not a"):
        watched(what)


class Service:
    def __init__(self):
        self.predict = watched(self.score)

    def score(self, x):
        return x["a"] * 2


@watched
def at_module_level(x):
    return x["a"] * 2


def joblib_round_trip(value):
    buffer = io.BytesIO()
    joblib.dump(value, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


TRIPS = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "cloudpickle": lambda value: pickle.loads(cloudpickle.dumps(value)),
    "joblib": joblib_round_trip,
}


@pytest.mark.parametrize("trip", TRIPS)
def test_b09_a_decorated_callable_and_its_holder_survive_a_round_trip(telemetry, trip):
    if trip != "cloudpickle":  # pytest imports this file under a name that only cloudpickle can do without
        assert TRIPS[trip](watched(Overloaded()))(GOOD) == 2.0
    else:
        assert TRIPS[trip](at_module_level)(GOOD) == 2.0
        assert TRIPS[trip](Service()).predict(GOOD) == 2.0
    assert telemetry.spans


def test_b10_many_threads_lose_and_double_nothing(telemetry):
    predict = watched()

    def work():
        for _ in range(200):
            assert predict(GOOD) is GOOD

    threads = [threading.Thread(target=work) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (calls,) = telemetry.points("ml.inference.duration")
    assert calls.count == 64 * 200
    assert len({span.context.span_id for span in telemetry.spans}) == 64 * 200


def test_b11_work_in_other_threads_is_linked_where_its_context_is_and_never_wrongly(telemetry):
    inner = watched(operation="inner")

    @modelspan.monitor(model="m", operation="outer")
    async def outer(x):
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(inner, x).result()
            pool.submit(context.run, inner, x).result()
            await loop.run_in_executor(pool, inner, x)
        await asyncio.to_thread(inner, x)

    asyncio.run(outer(GOOD))
    spans = telemetry.spans
    (ours,) = [span for span in spans if span.name == "outer m"]
    parents = [span.parent and span.parent.span_id for span in spans if span.name == "inner m"]
    # a plain pool carries no context: those two calls are roots; the other two are children
    assert sorted(parents, key=str) == sorted(
        [None, None, ours.context.span_id, ours.context.span_id], key=str
    )


def test_b12_a_second_configure_with_the_same_settings_is_nothing_and_after_shutdown_calls_still_answer(
    stopped,
):
    with modelspan.testing.record():
        pass
    first = modelspan.configure(service_name="svc", endpoint="http://127.0.0.1:9", exit_timeout_seconds=0.1)
    assert (
        modelspan.configure(service_name="svc", endpoint="http://127.0.0.1:9", exit_timeout_seconds=0.1)
        == first
    )
    predict = watched()
    assert predict(GOOD) is GOOD
    modelspan.shutdown(0.1)
    assert predict(GOOD) is GOOD
    modelspan.shutdown(0.1)


class Broken(logging.Handler):
    def emit(self, record):
        raise RuntimeError("a broken handler")


def test_b13_our_own_log_lines_never_feed_the_exporter_and_broken_handlers_stay_the_users(monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    root = logging.getLogger()
    broken = Broken()
    root.addHandler(broken)
    try:
        with modelspan.testing.record(capture_logs="DEBUG") as telemetry:
            watched()(GOOD)
            for name in ("modelspan", "opentelemetry.sdk"):
                with pytest.raises(RuntimeError, match="a broken handler"):
                    logging.getLogger(name).warning("a line of ours")
            telemetry.flush()
            logs = telemetry.logs
    finally:
        root.removeHandler(broken)
    assert [log.event_name for log in logs] == ["ml.prediction"]


@pytest.mark.contained_fault
def test_b13_a_broken_handler_of_the_users_does_not_carry_a_fault_of_ours_to_the_caller(monkeypatch):
    def fail(*_args):
        raise LookupError("a fault of ours")

    broken = Broken()
    logging.getLogger("modelspan").addHandler(broken)
    monkeypatch.setattr(guard, "_last_logged", {})
    before = guard.fault_count()
    try:
        with guard.guard("testing"):
            fail()
    finally:
        logging.getLogger("modelspan").removeHandler(broken)
    assert guard.fault_count() == before + 1


@pytest.mark.parametrize("flags", [(), ("-O",), ("-W", "error"), ("-I",)], ids=str)
def test_b14_an_import_starts_no_thread_and_opens_no_socket_or_file(flags, tmp_path):
    code = """
        import os, sys, threading
        import opentelemetry.sdk.trace, opentelemetry.sdk.metrics, opentelemetry.sdk._logs
        before = set(os.listdir("/proc/self/fd"))
        import modelspan
        assert threading.active_count() == 1, threading.enumerate()
        assert len(os.listdir("/proc/self/fd")) <= len(before), "a file or a socket is open"
        predict = modelspan.monitor(model="m")(lambda x: x)
        assert threading.active_count() == 1, "decorating started a thread"
        print("done")
    """
    tmp_path.chmod(0o500)
    assert run(code, *flags, HOME=str(tmp_path)).stdout == "done\n"


def test_b15_patched_clocks_and_json_change_nothing_for_the_caller(telemetry, monkeypatch):
    predict = watched()
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: 0.0)
        patched.setattr(time, "time_ns", lambda: 0)
        patched.setattr(time, "perf_counter", lambda: 0.0)
        patched.setattr(json, "dumps", None)
        assert predict(GOOD) is GOOD
        assert len(telemetry.spans) == 1
    assert predict(GOOD) is GOOD
    assert len(telemetry.spans) == 2


def test_b16_where_no_thread_can_start_the_library_turns_itself_off_with_one_line():
    code = """
        import threading
        import modelspan
        real = threading.Thread.start
        def refuse(self):
            raise RuntimeError("can't start new thread")
        threading.Thread.start = refuse
        predict = modelspan.monitor(model="m")(lambda x: x)
        row = {"a": 1}
        for _ in range(100):
            assert predict(row) is row
        threading.Thread.start = real
        print("done")
    """
    done = run(code)
    assert done.stdout == "done\n"
    assert done.stderr.count("telemetry is off") == 1


def test_b16_a_weak_reference_to_a_decorated_function_is_possible():
    decorated = watched(documented)
    assert weakref.ref(decorated)() is decorated

"""Section F of the fault catalogue: clocks, memory, limits of the system. Each test is named by its row."""

import pytest


def calls(queries):
    return sum(each["calls"] for each in queries.models()["models"])


def test_f03_what_waits_is_bounded_in_bytes_and_every_drop_is_counted(program):
    done, _ = program(
        """
        import resource, threading
        import numpy as np
        from modelspan import _setup
        modelspan.configure(queue_bytes=4 * 1024 * 1024, tick_seconds=10, exit_timeout_seconds=0.2)
        score = modelspan.monitor(model="wide")(lambda x: 0.5)
        table = np.zeros((256, 500))      # a megabyte of sample each
        score(table)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with _setup.current._worker.busy: # the worker waits, so that nothing is drained
            for _ in range(200): assert score(table) == 0.5
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            waiting = len(_setup.current.queue)
        assert grown < 40 * 1024, grown   # KiB: 200 MB were offered
        dropped = _setup.current.ledger.lost()
        assert waiting < 20, waiting
        assert "queue_full" in dropped, dropped
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    ).run(timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "step", [-3600, 3600, -1.8e9, 4.1e9 - 1.8e9], ids=["back", "forward", "1970", "2100"]
)
def test_f04_a_clock_that_is_set_leaves_durations_and_delivery_alone(program, queries, step):
    done, _ = program(f"""
        import time
        real, real_ns = time.time, time.time_ns
        for i in range(50): predict({{"a": i}})
        time.time = lambda: max(0.0, real() + {step})
        time.time_ns = lambda: max(0, real_ns() + int({step} * 1e9))
        for i in range(50): predict({{"a": i}})
        assert modelspan.flush(20)
        time.time, time.time_ns = real, real_ns
        for i in range(50): predict({{"a": i}})
        assert modelspan.flush(20)
    """).run()
    assert done.returncode == 0, done.stderr
    (duration,) = queries.metrics("ml.inference.duration")["series"]
    newest = max(duration["points"], key=lambda point: point["count"])
    assert newest["count"] == 150
    assert 0 <= newest["sum"] < 60


@pytest.mark.parametrize(
    "limit",
    [
        "resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir('/proc/self/fd')), 4096))",
        "resource.setrlimit(resource.RLIMIT_AS, (used() + 50 * 1024**2,) * 2)",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
    ],
    ids=["files", "memory", "file size"],
)
def test_f05_at_the_limits_of_the_system_every_call_answers_as_before(program, limit):
    done, _ = program(f"""
        import os, resource, time
        def used():
            return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        {limit}
        row = {{"a": 1}}
        for _ in range(2000): assert predict(row) == 0.75
        time.sleep(0.5)
        for _ in range(2000): assert predict(row) == 0.75
        modelspan.shutdown(2)
        print("done", flush=True)
    """).run(timeout=120)
    assert done.stdout == "done\n", done.stderr


def test_f08_after_a_restart_a_counter_starts_anew_and_says_so(program, queries):
    made = program("for i in range(40): predict({'a': i})")
    for _ in range(2):
        done, _ = made.run()
        assert done.returncode == 0, done.stderr
    series = queries.metrics("ml.inference.predictions")["series"]
    assert [one["points"][-1]["value"] for one in series] == [40, 40]
    assert len({one["instance"] for one in series}) == 2
    assert calls(queries) == 80

"""Row D12 of the fault catalogue: a CPU share of 5 %, and an endpoint whose process is stopped.

The share is imitated by stopping and continuing the process, as cpulimit does: a control group would need
rights that a test has not.
"""

import os
import re
import signal
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.driven import PROGRAM, Driven, balance, twice

RUN_SECONDS, STOP_SECONDS = 0.005, 0.095


@pytest.fixture
def endpoint(tmp_path, monkeypatch):
    """An endpoint in a process of its own, which keeps the ids of what it accepts."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    from far_end import FarEnd

    made = FarEnd(tmp_path).start()
    yield made
    made.stop()


@pytest.fixture
def driven(program, endpoint):
    """A program that sends there, and whose attempts wait as long as a test may take."""
    script = program(
        PROGRAM, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint.url, OTEL_EXPORTER_OTLP_TIMEOUT="600",
        MODELSPAN_CPU_BUDGET="64", MODELSPAN_QUEUE_BYTES=str(8 * 2**20),
    )  # fmt: skip
    made = Driven(sys.executable, script.path, env=script.env)
    yield made
    made.kill()


@contextmanager
def throttled(process):
    """Let a process run for 5 of each 100 milliseconds."""
    over = threading.Event()

    def stop_and_go():
        while not over.is_set():
            process.send_signal(signal.SIGSTOP)
            time.sleep(STOP_SECONDS)
            process.send_signal(signal.SIGCONT)
            time.sleep(RUN_SECONDS)

    thread = threading.Thread(target=stop_and_go)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def stopped(process):
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def arrived(endpoint, account):
    """Whether exactly what counts as delivered was accepted, none of it twice."""
    seen, unsure = endpoint.received()
    return unsure == {"spans": set(), "logs": set()} and all(
        twice(seen[name].elements()) == 0 and len(seen[name]) == account["delivered"][name]
        for name in ("spans", "logs")
    )


def test_d12_with_5_percent_of_a_cpu_nothing_is_lost_and_no_call_waits_for_the_endpoint(
    endpoint, driven, until
):
    assert driven.ask("predict 10")
    assert driven.ask("flush 60")
    with stopped(endpoint.process), throttled(driven.process):
        assert driven.ask("predict 2000", 200)  # all of them while the endpoint can take nothing
    with throttled(driven.process):
        assert driven.ask("flush 300", 320)
    account = driven.ask("account 0")
    assert account["emitted"]["spans"] == account["emitted"]["logs"] == 2010
    assert not [what for what in account["dropped"] if not what.startswith("metrics")]
    until(lambda: arrived(endpoint, account))  # the endpoint notes an answer after it has given it


def test_d12_while_the_endpoint_is_stopped_calls_go_on_and_what_is_dropped_is_counted(
    endpoint, driven, until
):
    assert driven.ask("predict 10")
    assert driven.ask("flush 60")
    with stopped(endpoint.process):
        assert driven.ask("predict 200000", 200)
    driven.ask("flush 300", 320)
    account = driven.ask("account 0")
    assert account["emitted"]["predictions"] == 200_010
    assert sum(account["dropped"].values()) > 0
    assert all(balance(account, name) for name in ("predictions", "spans", "logs"))
    until(lambda: arrived(endpoint, account))  # the endpoint notes an answer after it has given it


def test_d12_a_process_that_is_stopped_while_it_ends_ends_soon_after_it_goes_on(endpoint, driven):
    with stopped(endpoint.process):
        assert driven.ask("predict 300")
        driven.tell("end")
        time.sleep(0.3)
        with stopped(driven.process):
            time.sleep(1.0)
        assert driven.wait(20) == 0  # 5 s are promised
    (said,) = [line for line in driven.errors if "modelspan dropped" in line]
    assert set(re.findall(r"300 (\w+)", said)) == {"spans", "logs"}

"""A monitored service for the fault benchmarks: predicts at a steady rate and does what its input says.

    python benchmarks/fault_service.py URL RATE FOLDER [SPOOL]

Commands, one a line: `fork`, `kill` (an exception into each of modelspan's threads), `clock SECONDS` (a step
of the wall clock), `end`. Each process leaves in FOLDER the ids of its predictions, and its ledger.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

_time, _time_ns = time.time, time.time_ns
step = 0


def stepped():
    return _time() + step


def stepped_ns():
    return _time_ns() + step * 1_000_000_000


time.time, time.time_ns = stepped, stepped_ns  # before modelspan and OpenTelemetry are imported

import modelspan  # noqa: E402 - the clock has to be replaced first
from modelspan import _setup  # noqa: E402 - the clock has to be replaced first

ANSWER = [0.25]
FOLDER = Path(sys.argv[3])
FORK_PREDICTIONS = 5


@modelspan.monitor(model="soak", version="1")
def predict(features):
    return ANSWER


class Process:
    """What this process has done."""

    def __init__(self):
        self.ids = (FOLDER / f"ids-{os.getpid()}").open("w")
        self.calls = self.harmed = 0
        self.slowest = 0.0

    def call(self):
        began = time.perf_counter()
        try:
            self.harmed += predict({"a": self.calls % 7, "b": 0.5}) is not ANSWER
            self.ids.write(f"{modelspan.current_prediction().id}\n")
        except Exception:
            self.harmed += 1
        self.slowest = max(self.slowest, time.perf_counter() - began)
        self.calls += 1

    def end(self, flush=0.0, exit_timeout=5.0):
        """Send, stop, and leave the ledger."""
        ledger = _setup.current.ledger
        began = time.perf_counter()
        flushed = modelspan.flush(flush) if flush else None
        modelspan.shutdown(exit_timeout)
        self.ids.close()
        account = {
            "calls": self.calls, "harmed": self.harmed, "slowest_ms": self.slowest * 1000,
            "emitted": dict(ledger.emitted), "delivered": dict(ledger.delivered),
            "dropped": {f"{name} {reason}": n for (name, reason), n in ledger.dropped.items()},
            "stored": dict(ledger.stored), "flushed": flushed, "end_s": time.perf_counter() - began,
        }  # fmt: skip
        (FOLDER / f"ledger-{os.getpid()}").write_text(json.dumps(account))


def forked():
    """A child predicts, ends, and leaves its own ledger; one that hangs is killed, and the parent sees it."""
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        (FOLDER / f"fork-{child}").write_text(str(status))
        return
    signal.alarm(60)
    own = Process()
    for _ in range(FORK_PREDICTIONS):
        own.call()
    own.end(exit_timeout=5)
    os._exit(0)


def kill_threads():
    for thread in threading.enumerate():
        if thread.name.startswith("modelspan-"):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
            )


def obey(done):
    global step
    for line in sys.stdin:
        command, *rest = line.split()
        if command == "fork":
            forked()
        elif command == "kill":
            kill_threads()
        elif command == "clock":
            step = int(rest[0])
        else:
            break
    done.set()


def main():
    url, rate, spool = sys.argv[1], float(sys.argv[2]), sys.argv[4] if len(sys.argv) > 4 else ""
    modelspan.configure(
        service_name="soak", endpoint=url, spool=spool, metric_interval_seconds=2, cpu_budget=4
    )
    done = threading.Event()
    threading.Thread(target=obey, args=(done,), daemon=True).start()
    own = Process()
    began = time.perf_counter()
    while not done.is_set():
        if own.calls < (time.perf_counter() - began) * rate:
            own.call()
        else:
            time.sleep(0.002)
    own.end(flush=120)


if __name__ == "__main__":
    main()

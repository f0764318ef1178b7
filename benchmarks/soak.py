"""A service at a steady rate under random faults: memory, threads, files and the exact balance of records.

Every 30 s the endpoint changes: killed (SIGKILL) and started again, refusing connections, a black hole,
dripping, resetting, answering 400, 413, 429 or 503 with Retry-After; each fault lasts half of the period.
Meanwhile the process is forked, its wall clock steps by an hour, and its threads are killed by an exception,
at random.

    python benchmarks/soak.py                                  6 minutes at 200 calls/s
    python benchmarks/soak.py --minutes 60 --rate 500          the long one: memory below +1 MB an hour
    python benchmarks/soak.py --minutes 2 --period 10 --seed 7 the same faults as another run with seed 7
    python benchmarks/soak.py --spool                          with a spool: what is stored is in the balance

Exit status 1 when a promise is broken.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from far_end import MODES, FarEnd
from fault_balance import Balance, Promise, Service, show, show_promises
from rich.progress import Progress, TimeElapsedColumn

FAULTS = ("killed", *MODES[1:])
INSIDE = ("fork", "fork", "kill", "clock 3600", "clock -3600", "clock 0")
SLOPE_MINUTES = 30
"""Shorter runs cannot tell 1 MB an hour from noise, and only report it."""


def faults(minutes, period, dice):
    """A fault for each period; each once before one comes again."""
    left = []
    for _ in range(max(1, round(minutes * 60 / period))):
        left = left or dice.sample(FAULTS, len(FAULTS))
        yield left.pop()


def soak(options, folder):
    dice = random.Random(options.seed)
    far_end = FarEnd(folder).start()
    service = Service(far_end.url, options.rate, folder, folder / "spool" if options.spool else "")
    samples, phases = [], []
    plan = list(faults(options.minutes, options.period, dice))
    try:
        far_end.wait_for_first()
        with Progress(*Progress.get_default_columns(), TimeElapsedColumn(), transient=True) as progress:
            task = progress.add_task("calm", total=len(plan))
            for fault in plan:
                progress.update(task, description=f"{fault:<10}")
                phases.append(
                    (fault, phase(far_end, service, fault, options.period, samples=samples, dice=dice))
                )
                progress.advance(task)
        status = service.end()
    finally:
        for process in (service.process, far_end.process):
            process.kill()
            process.wait()
    return far_end, samples, phases, status


def phase(far_end, service, fault, period, *, samples, dice):
    """One period: half in the fault, half after it; what happened inside the process meanwhile."""
    inside = dice.sample(INSIDE, 3)
    began = time.monotonic()
    moments = sorted(dice.uniform(0, period) for _ in inside)
    set_fault(far_end, fault)
    done, healed = 0, False
    while (now := time.monotonic() - began) < period:
        if not healed and now >= period / 2:
            heal(far_end, fault)
            healed = True
        if done < len(inside) and now >= moments[done]:
            service.say(inside[done])
            done += 1
        samples.append((time.monotonic(), *service.usage()))
        time.sleep(min(1.0, period / 20))
    return ", ".join(inside)


def set_fault(far_end, fault):
    if fault == "killed":
        far_end.kill()
    else:
        far_end.mode(fault)


def heal(far_end, fault):
    if fault == "killed":
        far_end.start()
    else:
        far_end.mode("ok")


def resources(samples, minutes):
    """Promises on memory, threads and files: the last third of the run against the first after its start."""
    times, memory, threads, files = map(np.array, zip(*samples, strict=True))
    late = times > times[0] + (times[-1] - times[0]) * (1 / 6 if minutes >= SLOPE_MINUTES else 1 / 3)
    slope = np.polyfit(times[late] / 3600, memory[late], 1)[0]
    judged = "" if minutes >= SLOPE_MINUTES else f", judged from {SLOPE_MINUTES} minutes"
    yield Promise(
        "memory: slope below 1 MB/h", f"{slope:+.1f} MB/h{judged}", minutes < SLOPE_MINUTES or slope < 1
    )
    base = statistics.median(memory[: max(5, len(memory) // 20)])
    yield Promise(
        "memory: within 64 MB of its start", f"{base:.0f} → {memory.max():.0f} MB", memory.max() < base + 64
    )
    third = len(samples) // 3
    for name, series in (("threads", threads), ("file descriptors", files)):
        before, after = (statistics.median(part) for part in (series[5 : third + 5], series[-third:]))
        yield Promise(
            f"{name}: constant", f"{before:.0f} → {after:.0f}, highest {series.max()}", after <= before + 1
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--rate", type=float, default=200, help="calls a second")
    parser.add_argument("--period", type=float, default=30, help="seconds from one fault to the next")
    parser.add_argument("--seed", type=int, default=0, help="of the order of faults")
    parser.add_argument("--spool", action="store_true", help="store on disk what cannot be sent")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        far_end, samples, phases, status = soak(options, folder)
        balance = Balance(folder, far_end)
        show("faults", ("endpoint", "inside the process"), phases)
        show("dropped", ("signal and reason", "records"), sorted(balance.dropped().items()))
        promises = [
            Promise("the service ended by itself", f"status {status}", status == 0),
            *balance.promises(),
            *resources(samples, options.minutes),
        ]
        kept = show_promises(f"{options.minutes:g} minutes at {options.rate:g} calls/s", promises)
    sys.exit(not kept)


if __name__ == "__main__":
    main()

"""What delivery costs the whole process: CPU a call, the caller's tail, the sustained rate, overload.

    python benchmarks/delivery.py total      # CPU of the process a call, delivery included
    python benchmarks/delivery.py tail       # latency of a 40 µs model at 2,000 calls/s, with delivery on
    python benchmarks/delivery.py sustained --seconds 60
    python benchmarks/delivery.py overload --seconds 600

Each case runs in a fresh process, the cases take turns, an endpoint in another process accepts everything.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table
from workload import start_sink

WORKLOAD = str(Path(__file__).with_name("workload.py"))


def one(case, url, *settings):
    command = [sys.executable, WORKLOAD, "run", case, url, *map(str, settings)]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "MODELSPAN_"))}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return json.loads(done.stdout.splitlines()[-1])


def turns(cases, rounds, *settings):
    """Results by case, the cases one after the other in each round."""
    process, url = start_sink()
    results = {case: [] for case in cases}
    try:
        for case in track([case for _ in range(rounds) for case in cases], description="running"):
            results[case].append(one(case, url, *settings))
    finally:
        process.kill()
        process.wait()
    return results


def low(results, field):
    """The least over the rounds: the machine's other work only ever adds."""
    return min(result[field] for result in results)


def show(title, columns, rows):
    table = Table(title=title)
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def total(options):
    for rate, group in ((2000, 1), (10_000, 10)):
        cases = ("bare", "modelspan", "SDK") if rate == 2000 else ("bare", "modelspan")
        results = turns(cases, options.rounds, rate, options.seconds or 5, group, "idle")
        bare = low(results["bare"], "cpu_us")
        over = {case: low(results[case], "cpu_us") - bare for case in cases[1:]}
        if rate == 2000:
            sdk = over["SDK"]
        show(
            f"CPU of the process, µs a call above the bare loop, {rate:,} calls/s, delivery included"
            f"{'' if 'SDK' in cases else '; the SDK, which cannot keep up, at 2,000'}",
            ("case", "µs a call", "SDK / it"),
            [(case, f"{cost:.1f}", f"{sdk / cost:.0f}×") for case, cost in over.items()],
        )


def tail(options):
    cases = ("bare", "modelspan", "SDK")
    results = turns(cases, options.rounds, 2000, options.seconds or 10, 1, "busy")
    rows = [
        (
            case,
            *(
                f"{statistics.median(r[p] for r in results[case]):,.0f}"
                for p in ("p50", "p99", "p99.9", "max")
            ),
        )
        for case in cases
    ]
    show(
        "latency of predict at 2,000 calls/s, µs (median over the rounds)",
        ("case", "p50", "p99", "p99.9", "max"),
        rows,
    )


def sustained(options):
    results = turns(("bare", "modelspan"), 1, options.rate or 50_000, options.seconds or 60, 50, "idle")
    bare, ours = results["bare"][0], results["modelspan"][0]
    rows = [
        ("calls/s", f"{bare['rate']:,.0f}", f"{ours['rate']:,.0f}"),
        ("cores", f"{bare['cores']:.2f}", f"{ours['cores']:.2f}"),
        ("cores beyond bare", "", f"{(ours['cpu_us'] - bare['cpu_us']) * ours['rate'] / 1e6:.2f}"),
        ("dropped", "", str(sum(ours["dropped"].values()))),
        ("memory grew by MB", f"{bare['mb']:.0f}", f"{ours['mb']:.0f}"),
    ]
    show("sustained", ("", "bare", "modelspan"), rows)
    print(json.dumps({key: ours[key] for key in ("emitted", "delivered", "dropped")}))


def overload(options):
    """Flat out against an endpoint that takes about a tenth of it."""
    process, url = start_sink(delay=1.0)
    try:
        ours = one("modelspan", url, options.rate or 100_000, options.seconds or 20, 50, "idle")
    finally:
        process.kill()
        process.wait()
    exact = all(
        ours["emitted"].get(signal, 0)
        == ours["delivered"].get(signal, 0)
        + sum(n for key, n in ours["dropped"].items() if key.startswith(signal))
        for signal in ("predictions", "spans", "logs")  # a collection of metrics may be on its way
    )
    show(
        "overload: the endpoint takes 1 s a request",
        ("offered/s", "delivered spans", "dropped spans", "memory grew by MB", "accounting exact"),
        [(
            f"{ours['rate']:,.0f}", f"{ours['delivered'].get('spans', 0):,}",
            f"{sum(n for key, n in ours['dropped'].items() if key.startswith('spans')):,}",
            f"{ours['mb']:.0f}", str(exact),
        )],
    )  # fmt: skip
    print(json.dumps({key: ours[key] for key in ("emitted", "delivered", "dropped")}))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("total", "tail", "sustained", "overload"))
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=0)
    options = parser.parse_args()
    {"total": total, "tail": tail, "sustained": sustained, "overload": overload}[options.what](options)


if __name__ == "__main__":
    main()

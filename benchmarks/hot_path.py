"""What one call costs the caller: modelspan, the plain OpenTelemetry SDK, a bare wrapper.

    python benchmarks/hot_path.py [--calls 500] [--rounds 21]

One row of 20 features, and batches of 30. The cases run interleaved in shuffled rounds of one process, and
send to an endpoint in another; those through the providers of the application need a process of their own.
The figures are CPU time a call, of the calling thread and of all else in the process until everything is
delivered, less that of the undecorated function; the median over the rounds. Of batches it is the least
besides, since they wait for memory that this machine shares.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import statistics
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import polars as pl
import wrapt
from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from rich.console import Console
from rich.table import Table
from workload import FEATURES, by_hand, predict, providers, start_sink

import modelspan

BATCH_ROWS = (1_000, 10_000, 100_000)
BATCH_FEATURES = 30
SETTINGS = {"queue_bytes": 2**30, "cpu_budget": 64.0}  # nothing is dropped or thinned
BARE, CLOSURE, WRAPT, OURS, SDK = "undecorated", "bare closure", "bare wrapt", "modelspan", "SDK by hand"
THROUGH_SDK = "modelspan, own providers set"


def bare_closure(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        return function(*args, **kwargs)

    return call


@wrapt.decorator
def bare_wrapt(function, instance, args, kwargs):
    return function(*args, **kwargs)


def nothing():
    pass


def cost(function, features, calls, flush=nothing):
    """Microseconds of CPU a call: of this thread, and of all else until `flush` is through."""
    whole, began = time.process_time_ns(), time.thread_time_ns()
    for _ in range(calls):
        function(features)
    caller = time.thread_time_ns() - began
    flush()
    return caller / calls / 1000, (time.process_time_ns() - whole - caller) / calls / 1000


def measure(cases, inputs, calls, rounds):
    """Medians (caller, all else) by case and input; `cases`: name to the function and its flush."""
    order = [(case, name) for case in cases for name in inputs]
    samples = {key: [] for key in order}
    for _ in range(rounds):
        random.shuffle(order)
        for case, name in order:
            function, flush = cases[case]
            samples[case, name].append(cost(function, inputs[name], calls, flush))
    return {
        key: [statistics.median(each) for each in zip(*values, strict=True)]
        for key, values in samples.items()
    }


def one_row():
    row = np.random.default_rng(7).normal(size=(1, FEATURES))
    floats = row[0].tolist()
    mixed = [(x, i, f"level {i}")[i % 3] for i, x in enumerate(floats)]
    return {
        "array (1, 20)": row,
        "dict of 20 floats": {f"f{i}": x for i, x in enumerate(floats)},
        "dict of 20, mixed kinds": {f"f{i}": x for i, x in enumerate(mixed)},
    }


def single_rows(options, url):
    """What one call of one row costs above the undecorated function: (input, case) to (caller, all else)."""
    names = [f"f{i}" for i in range(FEATURES)]
    monitored = modelspan.monitor(
        model="credit-risk", version="1", task="binary", features=names, log_features=names
    )(predict)
    ours = THROUGH_SDK if options.own_providers else OURS
    cases = {
        BARE: (predict, nothing),
        CLOSURE: (bare_closure(predict), nothing),
        WRAPT: (bare_wrapt(predict), nothing),
        ours: (monitored, lambda: modelspan.flush(30)),
        SDK: by_hand(predict, url),
    }
    modelspan.configure(endpoint=url, **SETTINGS)
    inputs = one_row()
    medians = measure(cases, inputs, options.calls, options.rounds)
    modelspan.shutdown(30)
    return [
        (name, case, *(a - b for a, b in zip(medians[case, name], medians[BARE, name], strict=True)))
        for name in inputs
        for case in list(cases)[1:]
    ]


def with_own_providers(options, url):
    """`single_rows` where the application has set providers of its own."""
    spans, logs, metering = providers(url)
    trace.set_tracer_provider(spans)
    set_logger_provider(logs)
    metrics.set_meter_provider(metering)
    print(json.dumps(single_rows(options, url)), flush=True)
    os._exit(0)  # the exit of the providers is not measured here


def show_single_rows(*runs):
    table = Table(title="CPU of a call of one row above the undecorated function, µs")
    for column in ("input", "case", "caller's thread", "all else", "SDK / it", "it / wrapt"):
        table.add_column(column, justify="left" if column in ("input", "case") else "right")
    callers = [{(name, case): caller for name, case, caller, _ in run} for run in runs]
    for lines in zip(*runs, strict=True):
        for known, (name, case, caller, others) in zip(callers, lines, strict=True):
            if known is callers[0] or case == THROUGH_SDK:
                ratios = known[name, SDK] / caller, caller / known[name, WRAPT]
                table.add_row(
                    name, case, f"{caller:.2f}", f"{others:.1f}", f"{ratios[0]:.0f}×", f"{ratios[1]:.1f}×"
                )
    Console(width=120).print(table)


def predict_batch(features):
    return SCORES[len(features)]


SCORES = {rows: np.random.default_rng(rows).random(rows) for rows in BATCH_ROWS}


def batches_of(rows):
    rng = np.random.default_rng(7)
    table = rng.normal(size=(rows, BATCH_FEATURES))
    floats = {f"f{i}": table[:, i] for i in range(BATCH_FEATURES)}
    kinds = (np.asarray, lambda x: (10 * x).astype(np.int64), lambda x: np.where(x > 0, "high", "low"))
    mixed = {name: kinds[i % 3](column) for i, (name, column) in enumerate(floats.items())}
    return {
        "array": table,
        "pandas frame": pd.DataFrame(floats),
        "pandas frame, mixed kinds": pd.DataFrame(mixed),
        "polars frame": pl.DataFrame(floats),
    }


def batches(options, url):
    """Microseconds of the caller's thread a call, by kind and rows: the median and the least."""
    modelspan.configure(endpoint=url, **SETTINGS)
    monitored = modelspan.monitor(model="scoring", version="1", task="binary")(predict_batch)
    inputs = {(kind, rows): x for rows in BATCH_ROWS for kind, x in batches_of(rows).items()}
    samples = {key: [] for key in inputs}
    for _ in range(options.rounds):
        for key in random.sample(list(inputs), len(inputs)):
            bare, _ = cost(predict_batch, inputs[key], 10)
            samples[key].append(cost(monitored, inputs[key], 10)[0] - bare)
            modelspan.flush(30)
    table = Table(title=f"CPU of the caller's thread, µs a call of a batch of {BATCH_FEATURES} features")
    for column in ("input", *(f"{rows:,} rows" for rows in BATCH_ROWS)):
        table.add_column(column, justify="right")
    for kind in dict.fromkeys(kind for kind, _ in inputs):
        cells = [samples[kind, rows] for rows in BATCH_ROWS]
        table.add_row(kind, *(f"{statistics.median(each):.0f} (least {min(each):.0f})" for each in cells))
    Console().print(table)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=500, help="calls of each case in a round")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--own-providers", metavar="URL", help="one part: the SDK's providers, as JSON")
    options = parser.parse_args()
    if options.own_providers:
        with_own_providers(options, options.own_providers)
    process, url = start_sink()
    try:
        command = [sys.executable, *sys.argv, "--own-providers", url]
        through_sdk = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        show_single_rows(single_rows(options, url), through_sdk)
        batches(options, url)
        modelspan.shutdown(30)
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()

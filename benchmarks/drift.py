"""What a drift job and a live window cost, beside scipy and a plain numpy PSI.

CPU time of this process, the least of rounds in which all cases take turns; ratios are within one run.

    python benchmarks/drift.py
"""

from __future__ import annotations

import argparse
import time
import tracemalloc

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy import stats

from modelspan.drift.batch import count_all
from modelspan.drift.distances import METHODS
from modelspan.drift.feature import numeric_feature
from modelspan.drift.reference import Reference
from modelspan.drift.samples import Bins, Samples
from modelspan.drift.sequential import SequentialRule
from modelspan.drift.window import Windows

NUMERIC, LEVELS = 30, (10, 20, 50, 100, 200, 300, 500, 700, 900, 1000)
SIX = ("psi", "ks", "kl", "js", "wasserstein", "chi2")


def frame(rows: int, seed: int) -> pd.DataFrame:
    """30 columns of numbers and 10 of categories with 10 to 1,000 levels."""
    rng = np.random.default_rng(seed)
    numbers = pd.DataFrame(rng.lognormal(size=(rows, NUMERIC)), columns=[f"n{i}" for i in range(NUMERIC)])
    for size in LEVELS:
        names = [f"level {i}" for i in range(size)]
        codes = np.minimum(rng.zipf(1.3, rows) - 1, size - 1)
        numbers[f"c{size}"] = pd.Categorical.from_codes(codes, names)
    return numbers


def as_text(data: pd.DataFrame) -> pd.DataFrame:
    """The same with strings instead of categories."""
    return data.astype({f"c{size}": "str" for size in LEVELS})


def plain_psi(edges: list[np.ndarray], shares: list[np.ndarray], array: np.ndarray) -> list[float]:
    """PSI as one writes it: a binary search per value."""
    found = []
    for column, (cuts, p) in enumerate(zip(edges, shares, strict=True)):
        counts = np.bincount(np.searchsorted(cuts, array[:, column]), minlength=cuts.size + 1)
        q = (counts + 0.5) / (counts + 0.5).sum()
        found.append(float(np.sum((p - q) * np.log(p / q))))
    return found


def cpu(cases: dict, rounds: int) -> dict[str, float]:
    """Least CPU milliseconds of each case, all in turn in every round."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, run in cases.items():
            started = time.process_time()
            run()
            taken[name].append((time.process_time() - started) * 1e3)
    return {name: min(values) for name, values in taken.items()}


def extra_megabytes(run) -> float:
    """Most memory that a call held besides what was there before."""
    run()
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def job(rows: int, rounds: int, out: Console) -> None:
    """A table against a stored reference."""
    before, after = frame(rows, 1), frame(rows, 2)
    names = [f"c{size}" for size in LEVELS]
    text, objects = as_text(after), after.astype(dict.fromkeys(names, object))
    reference = Reference.build(before)
    numbers = [reference.features[f"n{i}"] for i in range(NUMERIC)]
    shares = [(f.counts[:-1] + 0.5) / (f.counts[:-1] + 0.5).sum() for f in numbers]
    array, old = after.iloc[:, :NUMERIC].to_numpy(), before.iloc[:, :NUMERIC].to_numpy()
    only_numbers = Reference.build(before.iloc[:, :NUMERIC])
    cases = {
        "compare, 40 columns (categories)": lambda: reference.compare(after),
        "compare, 40 columns (pandas' str)": lambda: reference.compare(text),
        "compare, 40 columns (shared objects)": lambda: reference.compare(objects),
        "compare, 30 columns of numbers": lambda: only_numbers.compare(after.iloc[:, :NUMERIC]),
        "plain numpy PSI, 30 (searchsorted)": lambda: plain_psi([f.edges for f in numbers], shares, array),
    }
    found = cpu(cases, rounds)
    apart = text.astype(dict.fromkeys(names, object))
    slow = {
        "scipy ks_2samp, 30": lambda: [
            stats.ks_2samp(old[:, i], array[:, i], method="asymp") for i in range(30)
        ],
        "compare, 40 columns (an object a value)": lambda: reference.compare(apart),
    }
    found |= cpu(slow, 1)
    table = Table("job", "CPU ms", "x compare", "extra MB", title=f"{rows:,} rows against a stored reference")
    first = found["compare, 40 columns (categories)"]
    for name, run in {**cases, **slow}.items():
        table.add_row(
            name, f"{found[name]:,.1f}", f"{found[name] / first:.1f}", f"{extra_megabytes(run):.2f}"
        )
    out.print(table)


def windows(rounds: int, out: Console) -> None:
    """Live windows: update, evaluation, memory."""
    rng = np.random.default_rng(3)
    edges = np.array([-5, *stats.norm.ppf(np.arange(1, 10) / 10), 5])
    features = [numeric_feature(f"f{i}", edges, rng.integers(900, 1100, 13)) for i in range(30)]
    live = Windows({f.name: f for f in features}, rows=1000)
    for _ in range(30):
        live.add({f.name: f.count(rng.normal(size=200)) for f in features})
    bins, before = Bins.of(features), np.concatenate([f.counts for f in features])
    repeat = 200

    def evaluate() -> None:
        for _ in range(repeat):
            samples = Samples(before, live.counts, bins)
            for name in SIX:
                getattr(samples, name)

    calm = {f.name: numeric_feature(f.name, edges, f.count(rng.normal(size=5_000))) for f in features}
    rule = SequentialRule(calm)
    drains = [{f.name: f.count(rng.normal(size=10)) for f in features} for _ in range(repeat)]

    def look() -> None:
        for counts in drains:
            rule.update(counts)

    found = cpu({"30 features x 6 distances": evaluate, "a look of the alarms at 30 features": look}, rounds)
    table = Table("live windows", "", title="30 features, 10 bins in range")
    for name, milliseconds in found.items():
        table.add_row(name, f"{milliseconds / repeat * 1e3:.0f} µs")
    update(table, live, features, edges, rounds)
    memory(table)
    out.print(table)


def update(table: Table, live: Windows, features: list, edges: np.ndarray, rounds: int) -> None:
    """Counting a chunk of all features and adding it to their windows."""
    rng = np.random.default_rng(4)
    by_name = {f.name: f for f in features}
    for length in (100, 1_000, 2_000, 4_000, 10_000, 100_000):
        times, name = max(1, 30_000 // length), f"update, chunks of {length:,}"
        chunk = {f.name: rng.normal(size=length) for f in features}

        def ours(chunk=chunk, times=times) -> None:
            for _ in range(times):
                live.add(count_all(by_name, chunk))

        def search(chunk=chunk, times=times) -> None:
            for _ in range(times):
                for values in chunk.values():
                    np.bincount(np.searchsorted(edges, values), minlength=12)

        values = length * times * len(features) / 1e6
        found = cpu({name: ours, "search": search}, rounds)
        other = f"{found['search'] / values:.1f} ns by searchsorted and bincount"
        table.add_row(name, f"{found[name] / values:.1f} ns a value; {other}")


def memory(table: Table) -> None:
    """What one more window over the same features holds."""
    for wanted in (10, 18):
        some = [
            numeric_feature(f"f{i}", np.arange(wanted + 1.0), np.ones(wanted + 3, int)) for i in range(30)
        ]
        first = Windows({f.name: f for f in some}, rows=1000)
        tracemalloc.start()
        held = [Windows({f.name: f for f in some}, rows=1000, bins=first.bins) for _ in range(50)]
        size = tracemalloc.get_traced_memory()[0] / len(held) / len(some)
        tracemalloc.stop()
        table.add_row(f"memory, {wanted + 2} bins and missing", f"{size:.0f} B a feature and window")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="What drift costs")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    out = Console(width=100)
    job(options.rows, options.rounds, out)
    windows(options.rounds, out)
    out.print(f"distances computed by compare: {', '.join(METHODS)}")


if __name__ == "__main__":
    main()

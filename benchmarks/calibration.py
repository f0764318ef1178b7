"""How often alarms are false: per window, over whole streams, and of data quality. Nothing drifts anywhere.

    python benchmarks/calibration.py windows --runs 2000                     one table, fast
    python benchmarks/calibration.py --results level.jsonl --minutes 9       a part of all; again goes on

All of it takes about 25 minutes of one core. In the environment of Linux, MALLOC_MMAP_THRESHOLD_=1000000000
and MALLOC_TRIM_THRESHOLD_=2000000000 make it a third faster.

Data are drawn as counts, by the law that `Reference.build` gives them: edges and levels are chosen on half of
the reference and the other half is counted. A numeric column's edges are order statistics, so the shares of
its bins are Dirichlet whatever the distribution is: normal, log-normal and heavy-tailed columns are one case
(tests/test_drift_homogeneity.py draws real values too). Every window and every stream has a new reference;
windows of different sizes share it. What judges is the package's own: `two_sample_ps` and Benjamini-Hochberg,
`Evidence` and e-BH; of data quality, duplicates are counted by `RowChecks` from rows.
"""

import argparse
import itertools
import json
import time
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
from rich.progress import track
from scipy import stats

from modelspan.drift.compare import P_MARGIN
from modelspan.drift.discovery import benjamini_hochberg, e_benjamini_hochberg
from modelspan.drift.evidence import Evidence
from modelspan.drift.homogeneity import two_sample_ps
from modelspan.drift.quality.rows import GROUP, RowChecks

COLUMNS, NOMINAL, BINS, LEVELS = 20, 0.05, 10, 20
REFERENCES, WINDOWS = (1_000, 5_000, 100_000), (50, 100, 200, 500, 1_000, 5_000)
ZIPF = 1 / np.arange(1, 1001)
ZIPF /= ZIPF.sum()


def continuous(rng, rows, size):
    """Shares of the bins between the deciles of `rows` values, and none missing, shape ``(size, bins)``."""
    cuts = np.arange(1, BINS) * rows // BINS
    return np.pad(rng.dirichlet(np.diff([0, *cuts, rows + 1]), size), ((0, 0), (0, 1)))


def eight_levels(rng, rows, size):
    del rng, rows
    return np.tile(np.array([*range(8, 0, -1), 0, 0]) / 36, (size, 1))


def zipf_levels(rng, rows, size):
    """Shares of the twenty levels that are the most frequent among `rows` values, other and missing."""
    drawn = rng.multinomial(rows, ZIPF, size)
    shares = ZIPF[np.argsort(-drawn, axis=1, kind="stable")[:, :LEVELS]]
    rest = np.maximum(1 - shares.sum(axis=1, keepdims=True), 0.0)
    return np.concatenate([shares, rest, 0 * rest], axis=1)


KINDS = {
    "normal, log-normal, heavy-tailed": (continuous, True),
    "8 levels": (eight_levels, False),
    "1,000 Zipf levels": (zipf_levels, False),
}


def upper_limit(hits, runs):
    """Upper 95 % limit of a share (Clopper and Pearson 1934)."""
    return float(stats.beta.ppf(0.95, hits + 1, runs - hits)) if hits < runs else 1.0


def alarmed_windows(seed, kind, reference_rows, runs):
    """By the rows of a window: windows of 20 columns of which any is a discovery at a rate of 5 %."""
    rng = np.random.default_rng(seed)
    shares_of, ordered = KINDS[kind]
    shares = shares_of(rng, reference_rows // 2, runs * COLUMNS)
    reference = rng.multinomial(reference_rows - reference_rows // 2, shares)
    hits = {}
    for rows in WINDOWS:
        p = two_sample_ps(reference, rng.multinomial(rows, shares), np.full(len(shares), ordered))
        found = benjamini_hochberg(p.reshape(runs, COLUMNS), P_MARGIN * NOMINAL)
        hits[rows] = int(found.any(axis=1).sum())
    return hits


class Streams:
    """Streams of equally many columns, all judged at every look."""

    def __init__(self, reference, *, streams, ordered, rate):
        self.evidence = Evidence(reference[:, None], ordered=ordered, smallest_effect=0.05)
        self.all, self.rate, self.ever = np.arange(len(reference)), rate, np.zeros(streams, dtype=bool)

    def look(self, counts):
        self.evidence.look(self.all, counts)
        log_e = self.evidence.log_e.reshape(self.ever.size, -1)
        if log_e.max() >= -np.log(self.rate):  # e-BH asks that of one at least
            self.ever |= e_benjamini_hochberg(log_e, self.rate).any(axis=1)


def alarmed_streams(seed, kind, *, streams, columns, looks, look_rows, reference_rows):
    """Streams in which e-BH at 5 % ever finds a column."""
    rng = np.random.default_rng(seed)
    shares_of, ordered = KINDS[kind]
    shares = shares_of(rng, reference_rows // 2, streams * columns)
    reference = rng.multinomial(reference_rows - reference_rows // 2, shares)
    held = Streams(reference, streams=streams, ordered=ordered, rate=NOMINAL)
    for _ in track(range(looks), description=f"{kind}: {looks:,} looks", transient=True):
        held.look(rng.multinomial(look_rows, shares))
    return int(held.ever.sum())


VALUES = np.array([0.02] * COLUMNS + [0.2] * 10 + [0.05] * 10 + [0.001] * 10 + [0.0] * 10)
"""How often a column is missing, its numbers out of range, its levels new, its values of another type."""
GROUPS = np.array([0.088] * 4 + [0.01] * 6 + [0.0] * 10)
"""How often five rows of a column hold one value; 0.088 is a boolean that is true in 60 % of the rows."""


def pairs(rng, rows, shares):
    """Right and violating rows, shape ``(..., 2)``."""
    violating = rng.binomial(rows, shares)
    return np.stack([rows - violating, violating], axis=-1)


def alarmed_checks(seed, *, streams, looks, look_rows, reference_rows):
    """Streams of 20 columns in which any check of values or of groups is ever violated, 2.5 % for each part.

    Fewer violations than usual count here as well, which the alarms leave out.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for shares, rows in ((VALUES, 1), (GROUPS, GROUP)):
        every, known = np.tile(shares, streams), reference_rows // 2 // rows
        held = Streams(pairs(rng, known, every), streams=streams, ordered=False, rate=NOMINAL / 2)
        parts.append((held, every, look_rows // rows))
    for _ in track(range(looks), description=f"data quality: {looks:,} looks", transient=True):
        for held, every, rows in parts:
            held.look(pairs(rng, rows, every))
    return int((parts[0][0].ever | parts[1][0].ever).sum())


def alarmed_duplicates(seed, *, streams, looks, look_rows, reference_rows):
    """Streams in which duplicate rows, about 2 % of them, are ever more frequent than in the reference."""
    rng = np.random.default_rng(seed)
    keys = lambda rows: rng.geometric(0.02, (rows, 2)).astype(np.uint64)  # noqa: E731 - shorter
    known = [RowChecks(2).add(keys(reference_rows // 2)) for _ in range(streams)]
    reference = np.array([[each.rows - each.duplicates, each.duplicates] for each in known])
    held, live = Streams(reference, streams=streams, ordered=False, rate=NOMINAL), []
    live = [RowChecks(2) for _ in range(streams)]
    for each in live:
        each.add(keys(200))
    for _ in track(range(looks), description=f"duplicates: {looks:,} looks", transient=True):
        found = [each.add(keys(look_rows)) for each in live]
        held.look(np.array([[each.rows - each.duplicates, each.duplicates] for each in found]))
    return int(held.ever.sum())


STREAMS = (
    {"columns": 20, "reference_rows": 5_000, "looks": 10_000, "look_rows": 1_000},
    {"columns": 1, "reference_rows": 1_000, "looks": 100_000, "look_rows": 100},
    {"columns": 20, "reference_rows": 5_000, "looks": 10_000, "look_rows": 10},
)
CHECKS = {
    "values and groups of rows": (
        alarmed_checks, {"reference_rows": 5_000, "looks": 5_000, "look_rows": 200},
    ),
    "duplicate rows": (alarmed_duplicates, {"reference_rows": 5_000, "looks": 500, "look_rows": 200}),
}  # fmt: skip
RUNS = {"windows": 20_000, "streams": 200, "quality": 200}
"""Windows of Zipf levels take five times as long: a third as many."""


def jobs(table, runs, seed):
    """What is to be done: part, name, how many runs, and a function that gives the hits of some cells."""
    for number, kind in enumerate(KINDS):
        for reference in REFERENCES if table == "windows" else ():
            for part, size in parts(runs if number < 2 else -(-runs // 3), 500):
                run = partial(alarmed_windows, [seed, 0, number, reference, part], kind, reference, size)
                yield part, f"windows/{kind}/{reference}/{part}", size, run
        for at, case in enumerate(STREAMS if table == "streams" else ()):
            for part, size in parts(runs, 4_000 // case["columns"]):
                run = partial(alarmed_streams, [seed, 1, number, at, part], kind, streams=size, **case)
                yield part, f"streams/{kind}/{at}/{part}", size, run
    for at, (name, (function, case)) in enumerate(CHECKS.items() if table == "quality" else ()):
        for part, size in parts(runs, 10):
            run = partial(function, [seed, 2, at, part], streams=size, **case)
            yield part, f"quality/{name}/{at}/{part}", size, run


def parts(runs, most):
    """Number and size of the parts in which so many runs are made."""
    return [(part, min(most, runs - first)) for part, first in enumerate(range(0, runs, most))]


def cells_of(done):
    """Share and upper limit of each cell as they are shown, and its runs."""
    hits, runs = Counter(), Counter()
    for name, (size, found) in done.items():
        for rows, count in found.items() if isinstance(found, dict) else [("all", found)]:
            cell = (*name.split("/")[:-1], str(rows))
            hits[cell] += count
            runs[cell] += size
    return {
        cell: (f"{hits[cell] / n:.1%} ({upper_limit(hits[cell], n):.1%})", f"{hits[cell]} of {n}", n)
        for cell, n in runs.items()
    }


def show(done):
    cells = cells_of(done)
    print(f"| columns | reference | windows | {' | '.join(f'{rows:,}' for rows in WINDOWS)} |")
    print(f"|---|---|---|{'---|' * len(WINDOWS)}")
    for kind, reference in itertools.product(KINDS, REFERENCES):
        found = [cells.get(("windows", kind, str(reference), str(rows))) for rows in WINDOWS]
        if all(found):
            shown = " | ".join(each[0] for each in found)
            print(f"| {kind} | {reference:,} | {found[0][2]:,} | {shown} |")
    print("\n| what | columns | reference | looks | rows a look | streams that alarm | upper 95 % limit |")
    print("|---|---|---|---|---|---|---|")
    named = [(("streams", kind, str(at)), case) for at, case in enumerate(STREAMS) for kind in KINDS]
    named += [(("quality", name, str(at)), case) for at, (name, (_, case)) in enumerate(CHECKS.items())]
    for (table, name, at), case in named:
        share, of, _ = cells.get((table, name, at, "all"), ("–", "–", 0))
        sizes = f"{case.get('columns', COLUMNS)} | {case['reference_rows']:,}"
        looks = f"{case['looks']:,} | {case['look_rows']:,}"
        print(f"| {name} | {sizes} | {looks} | {of} | {share} |")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("table", nargs="*", help="windows, streams, quality (default: all)")
    arguments.add_argument("--runs", type=int, help=f"windows, or streams, of a cell (default {RUNS})")
    arguments.add_argument("--seed", type=int, default=20261125)
    arguments.add_argument("--results", type=Path, help="where parts that are done are kept")
    arguments.add_argument("--minutes", type=float, default=1e9, help="start no other part after so many")
    given = arguments.parse_args()
    kept = given.results.read_text().splitlines() if given.results and given.results.exists() else []
    done = dict(json.loads(line) for line in kept)
    end = time.monotonic() + 60 * given.minutes
    for table in given.table or RUNS:
        found = sorted(jobs(table, given.runs or RUNS[table], given.seed), key=lambda job: job[0])
        waiting = [job[1:] for job in found if done.get(job[1], (0,))[0] < job[2]]
        for name, size, run in track(waiting, description=table, transient=True):
            if time.monotonic() > end:
                break
            done[name] = (size, run())
            if given.results:
                with given.results.open("a") as file:
                    file.write(json.dumps([name, done[name]]) + "\n")
    show(done)


if __name__ == "__main__":
    main()

"""How often alarms are false: per window, and over whole streams. Nothing drifts in any of the data.

    python benchmarks/calibration.py                      both tables, about ten minutes of one core
    python benchmarks/calibration.py windows --runs 500   the first one, fast
    python benchmarks/calibration.py streams --runs 40    the second one, fast

Data are drawn as counts, by the law that `Reference.build` gives them: edges and levels are chosen on half of
the reference and the other half is counted. A numeric column's edges are order statistics, so the shares of
its bins are Dirichlet whatever the distribution is: normal, log-normal and heavy-tailed columns are one case
(tests/test_drift_homogeneity.py draws real values too). Every window and every stream has a new reference.
"""

import argparse
import math

import numpy as np
from rich.progress import track
from scipy import stats

from modelspan.drift.bets import log_payoffs, log_prior
from modelspan.drift.discovery import benjamini_hochberg
from modelspan.drift.evidence import start_weight
from modelspan.drift.homogeneity import two_sample_p

COLUMNS, NOMINAL, BINS, LEVELS = 20, 0.05, 10, 20
REFERENCES, WINDOWS = (1_000, 5_000, 100_000), (50, 100, 200, 500, 1_000, 5_000)
ZIPF = 1 / np.arange(1, 1001)
ZIPF /= ZIPF.sum()


def continuous(rng, rows):
    """Shares of the bins between the deciles of `rows` values, and no missing ones."""
    cuts = np.arange(1, BINS) * rows // BINS
    return np.append(rng.dirichlet(np.diff([0, *cuts, rows + 1])), 0.0)


def eight_levels(rng, rows):
    del rng, rows
    return np.array([*range(8, 0, -1), 0, 0]) / 36


def zipf_levels(rng, rows):
    """Shares of the twenty levels that are the most frequent among `rows` values, other and missing."""
    kept = np.argsort(-rng.multinomial(rows, ZIPF), kind="stable")[:LEVELS]
    return np.array([*ZIPF[kept], max(1 - ZIPF[kept].sum(), 0.0), 0.0])


KINDS = {
    "normal, log-normal, heavy-tailed": (continuous, True),
    "8 levels": (eight_levels, False),
    "1,000 Zipf levels": (zipf_levels, False),
}


def p_value(rng, shares_of, ordered, reference_rows, window_rows):
    chosen = reference_rows // 2
    shares = shares_of(rng, chosen)
    reference = rng.multinomial(reference_rows - chosen, shares)
    return two_sample_p(reference, rng.multinomial(window_rows, shares), ordered=ordered)


def upper_limit(hits, runs):
    """Upper 95 % limit of a share (Clopper and Pearson 1934)."""
    return float(stats.beta.ppf(0.95, hits + 1, runs - hits)) if hits < runs else 1.0


def alarmed_windows(seed, kind, reference_rows, window_rows, runs):
    """Windows of 20 columns of which any is a discovery at a false discovery rate of 5 %."""
    rng = np.random.default_rng(seed)
    shares_of, ordered = KINDS[kind]
    hits = 0
    for _ in range(runs):
        found = [p_value(rng, shares_of, ordered, reference_rows, window_rows) for _ in range(COLUMNS)]
        hits += bool(benjamini_hochberg(found, NOMINAL).any())
    return hits


def windows_table(runs, seed):
    print(f"| columns | reference | {' | '.join(f'{rows:,}' for rows in WINDOWS)} |")
    print(f"|---|---|{'---|' * len(WINDOWS)}")
    for kind in KINDS:
        for reference in REFERENCES:
            cells = []
            for rows in track(WINDOWS, description=f"{kind}, reference {reference:,}", transient=True):
                hits = alarmed_windows([seed, reference, rows], kind, reference, rows, runs)
                cells.append(f"{hits / runs:.1%} ({upper_limit(hits, runs):.1%})")
            print(f"| {kind} | {reference:,} | {' | '.join(cells)} |", flush=True)


def alarmed_streams(seed, kind, *, streams, columns, looks, look_rows, reference_rows):
    """Streams in which e-BH at 5 % ever finds a column; the very sums of `Evidence`, many streams at once."""
    rng = np.random.default_rng(seed)
    shares_of, ordered = KINDS[kind]
    chosen = reference_rows // 2
    shares = np.array([[shares_of(rng, chosen) for _ in range(columns)] for _ in range(streams)])
    pool = rng.multinomial(reference_rows - chosen, shares).astype(float)
    prior = log_prior(shares.shape[-1], ordered=ordered)
    stakes = np.full((*shares.shape[:-1], prior.size), -np.inf)
    asked = math.log(columns / NOMINAL) - np.log(np.arange(1, columns + 1))
    ever = np.zeros(streams, dtype=bool)
    for look in track(range(looks), description=f"{kind}: {looks:,} looks", transient=True):
        counts = rng.multinomial(look_rows, shares)
        pool += counts
        stakes = np.logaddexp(stakes, math.log(start_weight(look)))
        stakes += log_payoffs(pool, counts, 0.05, ordered=ordered)
        worth = stakes + prior
        top = worth.max(axis=-1)
        if (top >= asked[-1] - math.log(prior.size)).any():
            e_value = top + np.log(np.exp(worth - top[..., None]).sum(axis=-1))
            ever |= (-np.sort(-e_value, axis=-1) >= asked).any(axis=-1)
    return int(ever.sum())


STREAMS = (
    {"columns": 20, "looks": 10_000, "look_rows": 100},
    {"columns": 1, "looks": 100_000, "look_rows": 100},
)


def streams_table(runs, seed):
    print(
        "| columns | number | reference | looks | rows a look | streams that ever alarm (upper 95 % limit) |"
    )
    print("|---|---|---|---|---|---|")
    for kind in KINDS:
        for at, case in enumerate(STREAMS):
            reference = (5_000, 1_000)[at]
            hits = alarmed_streams([seed, at], kind, streams=runs, reference_rows=reference, **case)
            shown = f"{case['columns']} | {reference:,} | {case['looks']:,} | {case['look_rows']:,}"
            print(f"| {kind} | {shown} | {hits} of {runs} ({upper_limit(hits, runs):.1%}) |", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("table", nargs="?", choices=("windows", "streams", "both"), default="both")
    arguments.add_argument("--runs", type=int, help="windows, or streams, of a cell (default 2500 and 80)")
    arguments.add_argument("--seed", type=int, default=20261125)
    given = arguments.parse_args()
    if given.table != "streams":
        windows_table(given.runs or 2_500, given.seed)
    if given.table != "windows":
        streams_table(given.runs or 80, given.seed)


if __name__ == "__main__":
    main()

"""How often the 95 % interval of each performance measure holds the true value.

Simulated windows of known truth; the true value of a measure is that of 300,000 rows. Each line is one
measure, each column one number of rows per window; between 93 and 97 per cent is the promise.
"""

import argparse

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from modelspan.performance.confusion import Confusion
from modelspan.performance.errors import Errors
from modelspan.performance.scores import Scores

SIZES = (50, 200, 1000)
LARGE = 300_000


def binary(random, rows):
    """A two-class model, a little miscalibrated, 40 % positives, AUC 0.82."""
    truth = random.random(rows) < 0.4
    logit = 1.2 * (1.3 * random.normal(1.3 * truth, 1.0) - 1.15)
    score, weight = 1 / (1 + np.exp(-logit)), np.ones(rows)
    labels = np.array(["no", "yes"])
    confusion = Confusion.of(
        labels[truth.astype(int)].tolist(), labels[(score >= 0.5).astype(int)].tolist(), weight
    )
    return {**confusion.measures("yes"), **Scores.of(score, truth, weight).measures()}


def multiclass(random, rows):
    """A model of three unequal classes, accuracy 0.69."""
    truth = random.choice(3, size=rows, p=(0.5, 0.3, 0.2))
    guess = np.where(random.random(rows) < 0.6, truth, random.choice(3, size=rows, p=(0.4, 0.3, 0.3)))
    found = Confusion.of(
        [str(each) for each in truth], [str(each) for each in guess], np.ones(rows)
    ).measures()
    return {f"{name} (3 classes)": each for name, each in found.items()}


def regression(random, rows):
    """Skewed outcomes, a model that pulls them to the middle, normal noise."""
    truth = random.gamma(9, 3000, rows)
    guess = 0.8 * truth + 5000 + random.normal(size=rows) * 4000
    return Errors.of(guess, truth, np.ones(rows), (0.9,)).measures()


MODELS = (binary, multiclass, regression)


def covered(model, rows, repeats, random, *, true, watch=lambda windows: windows):
    """Share of windows whose interval holds the true value, by measure."""
    hits = dict.fromkeys(true, 0)
    for _ in watch(range(repeats)):
        for name, each in model(random, rows).items():
            hits[name] += each.lower is not None and each.lower <= true[name] <= each.upper
    return {name: count / repeats for name, count in hits.items()}


def truths(model, random):
    """The true value of each measure."""
    return {name: each.value for name, each in model(random, LARGE).items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2000, help="windows per model and size")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random, console = np.random.default_rng(options.seed), Console()
    table = Table(
        "measure", *(f"n = {size:,}" for size in SIZES), title="Windows whose interval holds the truth"
    )
    for model in MODELS:
        true = truths(model, random)
        found = [_watched(model, size, options.repeats, random, true=true, console=console) for size in SIZES]
        for name in true:
            table.add_row(name, *(_mark(each[name]) for each in found))
    console.print(table)


def _watched(model, rows, repeats, random, *, true, console):
    what = f"{model.__name__}, n = {rows:,}"
    return covered(model, rows, repeats, random, true=true,
                   watch=lambda windows: track(windows, what, console=console, transient=True))  # fmt: skip


def _mark(share):
    return f"{share:.1%}" + ("" if 0.93 <= share <= 0.97 else " !")


if __name__ == "__main__":
    main()

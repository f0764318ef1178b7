"""What watching costs a step of training: the same loop with and without it, side by side in one process.

    python benchmarks/training.py [--framework torch|keras|sklearn] [--seconds 60] [--steps 100]

CPU time of the process, the background thread included, on one processor and without a framework's own
threads, whose waiting counts as work. Rounds come in pairs, without and with, in an order that alternates;
the ratio is the geometric mean of the pairs' ratios with its 95 % interval (Student's t), and a round of each
before goes uncounted. Without --framework: all that are installed where it runs.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import time

os.environ.update(OTEL_TRACES_EXPORTER="none", OTEL_LOGS_EXPORTER="none", OTEL_METRICS_EXPORTER="none")
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

import modelspan
from modelspan.integrations.sklearn import FitMonitor, TrackedScorer

RNG = np.random.default_rng(0)


def torch_loops(steps):
    """A net of 270,000 parameters, 128 rows a step, on one thread: a step of about 2 ms."""
    import torch

    from modelspan.integrations.pytorch import TorchMonitor

    torch.set_num_threads(1)
    x, y = torch.randn(128, 128), torch.randn(128, 1)

    def make():
        sizes = (128, 384, 384, 128)
        layers = [each for a, b in itertools.pairwise(sizes)
                  for each in (torch.nn.Linear(a, b), torch.nn.ReLU())]  # fmt: skip
        net = torch.nn.Sequential(*layers, torch.nn.Linear(128, 1))
        return net, torch.optim.Adam(net.parameters())

    def train(net, optimizer, step):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(net(x), y)
            loss.backward()
            optimizer.step()
            step(loss)

    plain, watched = make(), make()
    monitor = TorchMonitor(*watched, model="bench").__enter__()

    def with_it():
        with monitor.epoch():
            train(*watched, monitor.step)

    return lambda: train(*plain, lambda loss: None), with_it


def keras_loops(steps, probe=False):
    """A net of 270,000 parameters, 128 rows a step, with JAX."""
    import keras

    from modelspan.integrations.keras import TrainingCallback

    x, y = RNG.normal(size=(128 * steps, 128)).astype("f4"), RNG.normal(size=(128 * steps, 1)).astype("f4")

    def make():
        sizes = (384, 384, 128)
        hidden = [keras.layers.Dense(size, activation="relu") for size in sizes]
        net = keras.Sequential([keras.layers.Input((128,)), *hidden, keras.layers.Dense(1)])
        net.compile("adam", "mse")
        net.fit(x[:256], y[:256], batch_size=128, verbose=0)  # compiles
        return net

    plain, watched = make(), make()
    callback = TrainingCallback(model="bench", probe=(x[:32], y[:32]) if probe else None)
    fit = {"batch_size": 128, "verbose": 0, "shuffle": False}
    return lambda: plain.fit(x, y, **fit), lambda: watched.fit(x, y, callbacks=[callback], **fit)


def partial_fit_loops(steps):
    """`partial_fit` of an MLP, 128 rows a call, an epoch of so many calls."""
    from sklearn.neural_network import MLPRegressor

    x, y = RNG.normal(size=(128, 128)), RNG.normal(size=128)

    def train(net):
        for _ in range(steps):
            net.partial_fit(x, y)

    return epochs(train, *(MLPRegressor(hidden_layer_sizes=(384, 128), random_state=0) for _ in range(2)))


def boosting_loops(steps):
    """One more tree of gradient boosting by `warm_start`, 2,000 rows: an epoch each, a tenth of `steps`."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    x, y = RNG.normal(size=(2000, 20)), RNG.normal(size=2000)
    trees = max(1, steps // 10)

    def begin(net):
        net.set_params(max_iter=1, warm_start=False).fit(x, y)
        net.set_params(warm_start=True)

    def one_more(net):
        net.set_params(max_iter=net.max_iter + 1).fit(x, y)

    plain, watched = (HistGradientBoostingRegressor(max_leaf_nodes=15) for _ in range(2))
    monitor = FitMonitor(watched, model="bench").__enter__()

    def without():
        begin(plain)
        for _ in range(trees):
            one_more(plain)

    def with_it():
        begin(watched)
        for _ in range(trees):
            with monitor.epoch():
                one_more(watched)

    return without, with_it


def scoring_loops(steps):
    """Cross-validation of a logistic regression, 2,000 rows: one of ten folds is a tenth of `steps`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    x, y = RNG.normal(size=(2000, 20)), RNG.integers(0, 2, 2000)
    scorer = TrackedScorer("roc_auc", model="bench").__enter__()

    def score(scoring):
        for _ in range(max(1, steps // 100)):
            cross_val_score(LogisticRegression(), x, y, cv=10, scoring=scoring)

    return lambda: score("roc_auc"), lambda: score(scorer)


def epochs(train, plain, watched):
    """A loop that is one epoch."""
    monitor = FitMonitor(watched, model="bench").__enter__()

    def with_it():
        with monitor.epoch():
            train(watched)

    return lambda: train(plain), with_it


CASES = {
    "torch": ("torch", torch_loops),
    "keras": ("keras", keras_loops),
    "keras, with a probe": ("keras", lambda steps: keras_loops(steps, probe=True)),
    "sklearn MLP, partial_fit": ("sklearn", partial_fit_loops),
    "sklearn boosting, epochs of one tree": ("sklearn", boosting_loops),
    "sklearn cross-validation": ("sklearn", scoring_loops),
}


def measure(loops, seconds):
    """CPU seconds of pairs of rounds, shape (pairs, 2), without and with."""
    for loop in loops:
        loop()
    pairs, until = [], time.monotonic() + seconds
    while time.monotonic() < until or len(pairs) < 4:
        spent = [0.0, 0.0]
        for which in (0, 1) if len(pairs) % 2 else (1, 0):
            started = time.process_time()
            loops[which]()
            spent[which] = time.process_time() - started
        pairs.append(spent)
    return np.array(pairs)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--framework", choices=("torch", "keras", "sklearn"))
    parser.add_argument("--seconds", type=float, default=60, help="of each loop")
    parser.add_argument("--steps", type=int, default=100, help="of a round")
    args = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    modelspan.configure(service_name="bench")
    table = Table("loop", "pairs", "ms a round", "watched / plain", "95 % interval")
    for name, (framework, make) in CASES.items():
        if args.framework not in {None, framework} or not importlib.util.find_spec(framework):
            continue
        spent = measure(make(args.steps), args.seconds)
        logs = np.log(spent[:, 1] / spent[:, 0])
        half = stats.t.ppf(0.975, len(logs) - 1) * stats.sem(logs)
        ratio, low, high = np.exp([logs.mean(), logs.mean() - half, logs.mean() + half])
        row = (
            f"{len(spent)}",
            f"{1000 * spent[:, 0].mean():.1f}",
            f"{ratio:.4f}",
            f"{low:.4f} to {high:.4f}",
        )
        table.add_row(name, *row)
    Console().print(table)


if __name__ == "__main__":
    main()

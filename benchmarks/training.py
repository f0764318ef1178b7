"""What watching costs a step of training: the same loop with and without it, side by side in one process.

    python benchmarks/training.py [--framework torch|keras|sklearn] [--rounds 20] [--steps 400]

CPU time of the process, the background thread and those of the framework included, of rounds that alternate.
Beside the ratio of the sums stands the median of the rounds' ratios; one round before goes uncounted. Without
--framework: all that are installed where it runs.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import statistics
import time

os.environ.update(OTEL_TRACES_EXPORTER="none", OTEL_LOGS_EXPORTER="none", OTEL_METRICS_EXPORTER="none")
os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import modelspan

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


def sklearn_loops(steps):
    """`partial_fit` of an MLP, 128 rows a call, an epoch of so many calls."""
    from sklearn.neural_network import MLPRegressor

    from modelspan.integrations.sklearn import FitMonitor

    x, y = RNG.normal(size=(128, 128)), RNG.normal(size=128)
    plain, watched = (MLPRegressor(hidden_layer_sizes=(384, 128), random_state=0) for _ in range(2))

    def train(net):
        for _ in range(steps):
            net.partial_fit(x, y)

    monitor = FitMonitor(watched, model="bench").__enter__()

    def with_it():
        with monitor.epoch():
            train(watched)

    return lambda: train(plain), with_it


CASES = {
    "torch": ("torch", torch_loops),
    "keras": ("keras", keras_loops),
    "keras, with a probe": ("keras", lambda steps: keras_loops(steps, probe=True)),
    "sklearn partial_fit": ("sklearn", sklearn_loops),
}


def measure(loops, rounds):
    """CPU seconds of each round, without and with, the order alternating."""
    for loop in loops:
        loop()
    spent = ([], [])
    for number in track(range(rounds), description="rounds", transient=True):
        for which in (0, 1) if number % 2 else (1, 0):
            started = time.process_time()
            loops[which]()
            spent[which].append(time.process_time() - started)
    return spent


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--framework", choices=("torch", "keras", "sklearn"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=400)
    args = parser.parse_args()
    modelspan.configure(service_name="bench")
    table = Table("loop", "ms a step", "watched", "ratio of sums", "median ratio", "quartiles")
    for name, (framework, make) in CASES.items():
        if args.framework not in {None, framework} or not importlib.util.find_spec(framework):
            continue
        without, with_it = measure(make(args.steps), args.rounds)
        ratios = [b / a for a, b in zip(without, with_it, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        each = [f"{1000 * sum(spent) / args.rounds / args.steps:.3f}" for spent in (without, with_it)]
        table.add_row(
            name, *each, f"{sum(with_it) / sum(without):.4f}", f"{middle:.4f}", f"{low:.4f} to {high:.4f}"
        )
    Console().print(table)


if __name__ == "__main__":
    main()

"""One replica of a service: predicts what its seeds say and ends; run by test_fleet.py.

Arguments: reference file, OTLP address, seconds to stay, then seeds. With two seeds the process forks,
and the child predicts the second one.
"""

import os
import sys
import time

import numpy as np

import modelspan

ROWS = 250


def batch(seed: int) -> dict[str, object]:
    """What one process sees: a shifted number, two levels that became rarer, some missing values."""
    rng = np.random.default_rng(seed)
    age = rng.normal(45, 11, ROWS)
    age[rng.random(ROWS) < 0.05] = np.nan
    return {
        "age": age.tolist(),
        "city": rng.choice(["Ulm", "Bonn", "Kiel", "Rome"], ROWS, p=[0.7, 0.1, 0.1, 0.1]).tolist(),
        "score": rng.beta(2, 3, ROWS).tolist(),
    }


def serve(seed: int, seconds: float, predict: object) -> None:
    """Predict row by row, spread over the time."""
    seen = batch(seed)
    for age, city, score in zip(seen["age"], seen["city"], seen["score"], strict=True):
        predict({"age": age, "city": city, "p": score})
        time.sleep(seconds / ROWS)


def main() -> None:
    """Serve; fork if there is a second seed."""
    reference, endpoint, seconds, *seeds = sys.argv[1:]
    modelspan.configure(
        service_name="credit-api", endpoint=endpoint, metric_interval_seconds=0.5, exit_timeout_seconds=20
    )
    predict = modelspan.monitor(
        model="credit", version="1", reference=reference, task="binary", classes=("good", "bad")
    )(lambda row: row["p"])
    serve(int(seeds[0]), float(seconds), predict)
    child = os.fork() if len(seeds) > 1 else None
    if child == 0:
        serve(int(seeds[1]), float(seconds), predict)
        sys.exit(0 if modelspan.shutdown(20) else 3)
    clean = modelspan.shutdown(20)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else 0
    sys.exit(0 if clean and status == 0 else 3)


if __name__ == "__main__":
    main()

"""Models whose outcomes come in, told through the decorator and the store; run by test_performance.py.

Arguments: a reference file, an OTLP address, the folder of the store, the file of thresholds, and the file
for what happened: by model each row as it was predicted and what was told of it, as JSON.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

import modelspan

WINDOW = 1.0
ROWS = 150
CLASSES = ("good", "bad")
RNG = np.random.default_rng(11)


def away_from_an_edge():
    """Predict where it is certain which window a row falls into."""
    left = WINDOW - time.time() % WINDOW
    if left < 0.1:
        time.sleep(left + 0.01)


def predicted(predict, row):
    """One call: what is known of it here."""
    away_from_an_edge()
    now = time.time()
    predict(row)
    return {"id": modelspan.current_prediction().id, "window": now // WINDOW, "at": now, **row}


def tell(row, outcome, share, weight=1.0):
    """The truth, known since this share of the time from the prediction to now; the latest one counts."""
    seconds = share * (time.time() - row["at"])
    modelspan.feedback(row["id"], outcome, at=row["at"] + seconds, weight=weight)
    row |= {"truth": outcome, "lag": seconds, "weight": weight}


def traffic(models):
    """Rows of each model."""
    chances = {"loans": RNG.beta(2, 2, ROWS), "rare": RNG.random(ROWS), "price": RNG.normal(100, 20, ROWS)}
    return {
        name: [predicted(predict, {"amount": float(RNG.normal()), "p": float(p)}) for p in chances[name]]
        for name, predict in models.items()
    }


def outcomes(loans, rare, price):
    """Three in four loans have an outcome, one in ten of them a wrong one first; hardly a rare one has."""
    known = [(row, int(RNG.random() < row["p"])) for row in loans[::4] + loans[1::4] + loans[2::4]]
    for row, truth in known[::10]:
        tell(row, CLASSES[1 - truth], 0.2)
    time.sleep(0.7)  # these are counted, so that they must be taken off again
    for row, truth in known:
        tell(row, CLASSES[truth], float(RNG.uniform(0.5, 1)))
    for row in price:
        tell(row, row["p"] + float(RNG.normal(0, 10)), float(RNG.random()), float(RNG.integers(1, 4)))
    tell(rare[0], "good", 0.5)


def main():
    """Two windows of traffic; ends when the second is over and measured."""
    reference, endpoint, folder, thresholds, happened = sys.argv[1:]
    modelspan.configure(
        service_name="loans-api", endpoint=endpoint, data=folder, thresholds=thresholds,
        performance_window_seconds=WINDOW, metric_interval_seconds=0.5,
    )  # fmt: skip
    rare = {"task": "binary", "classes": CLASSES}
    settings = {"loans": {**rare, "reference": reference}, "rare": rare, "price": {"task": "regression"}}
    models = {
        name: modelspan.monitor(model=name, version="1", **more)(lambda row: row["p"])
        for name, more in settings.items()
    }
    rows = {name: [] for name in models}
    for _ in range(2):
        time.sleep(WINDOW - time.time() % WINDOW)
        for name, added in traffic(models).items():
            rows[name] += added
    outcomes(**rows)
    over = max(row["window"] + 1 for added in rows.values() for row in added) * WINDOW
    time.sleep(max(0.0, over + 2.5 - time.time()))  # a window has settled 2 s after its end
    Path(happened).write_text(json.dumps(rows))
    sys.exit(0 if modelspan.shutdown(20) else 3)


if __name__ == "__main__":
    main()

"""Traffic for the panels of calls and data: two versions, failures, scores, drift, lost spans.

Arguments: reference file, OTLP address, seconds.
"""

import sys
import time

import numpy as np

import modelspan


def main():
    """Predict for some seconds."""
    reference, endpoint, seconds = sys.argv[1:]
    modelspan.configure(service_name="credit-api", endpoint=endpoint, metric_interval_seconds=0.5)

    def predict(row):
        if row["age"] > 70:
            raise ValueError("too old")
        return row["p"]

    settings = {"reference": reference, "task": "binary", "classes": ("good", "bad"), "drift_window": 200}
    versions = [modelspan.monitor(model="credit", version=v, **settings)(predict) for v in ("1", "2")]
    rng = np.random.default_rng(3)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        for age in rng.normal(50, 12, 20).tolist():
            try:
                versions[int(rng.random() < 0.3)]({"age": age, "p": float(rng.random())})
            except ValueError:
                continue
        time.sleep(0.05)
    modelspan.shutdown(20)


if __name__ == "__main__":
    main()

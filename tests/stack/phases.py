"""A service whose data are calm or drift, as a file says that is read again and again; run by test_alerts.py.

Arguments: reference file, OTLP address, the file with the phase: calm, drift or end.
"""

import sys
import time
from pathlib import Path

import numpy as np

import modelspan

ROWS = 25
MEANS = {"calm": 40.0, "drift": 70.0}


def main() -> None:
    """Predict until the phase is `end`."""
    reference, endpoint, phase = sys.argv[1:]
    modelspan.configure(service_name="credit-api", endpoint=endpoint, metric_interval_seconds=0.5)
    predict = modelspan.monitor(model="credit", version="1", reference=reference, drift_window=200)(
        lambda row: row["p"]
    )
    rng = np.random.default_rng(3)
    while (now := Path(phase).read_text()) != "end":
        for age in rng.normal(MEANS[now], 9, ROWS).tolist():
            predict({"age": age, "income": float(rng.normal()), "p": float(rng.random())})
        time.sleep(0.1)
    sys.exit(0 if modelspan.shutdown(20) else 3)


if __name__ == "__main__":
    main()

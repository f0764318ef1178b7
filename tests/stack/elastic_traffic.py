"""Traffic of known counts, sent by a process of its own: `python elastic_traffic.py ENDPOINT REFERENCE`.

credit-risk 1.4.2: 12 calls of 10 rows, all older than the reference; 3 + 2 calls of 1 row that raise.
credit-risk 2.0.0: 20 calls of 1 row. churn 1: 10 calls of 1 row. Outcomes for the first 3 calls.
"""

import contextlib
import sys

import modelspan

OLD = {"age": [62.5] * 9 + [69.0], "purpose": ["car"] * 7 + ["house"] * 3}
FAULTS = [(3, ValueError, "age is negative"), (2, LookupError, "no rate for purpose")]
OUTCOMES = ["bad"] * 4 + ["good"] * 6


def build(path):
    """A reference of 1,000 rows: ages 20.5 to 69.5, half of them for cars."""
    rows = {"age": [20.5 + i % 50 for i in range(1000)], "purpose": ["car", "house"] * 500}
    modelspan.Reference.build(
        rows, score=[i % 10 / 10 for i in range(1000)], model="credit-risk", version="1.4.2"
    ).save(path)


def send(endpoint, reference):
    modelspan.configure(
        service_name="credit-api",
        endpoint=endpoint,
        metric_interval_seconds=3600.0,
        exit_timeout_seconds=20.0,
    )
    ids = _credit(reference)
    for identifier in ids[:3]:
        for row, outcome in enumerate(OUTCOMES):
            modelspan.feedback(identifier, outcome=outcome, row=row)
    _others()
    assert modelspan.flush(20)


def _credit(reference):
    @modelspan.monitor(
        model="credit-risk", version="1.4.2", reference=reference, log_features=("age", "purpose"),
        classes=("good", "bad"), drift_window=100,
    )  # fmt: skip
    def predict_proba(columns, fault=None):
        ids.append(modelspan.current_prediction().id)
        if fault:
            raise fault
        return [[0.25, 0.75] if age < 65 else [0.9, 0.1] for age in columns["age"]]

    ids = []
    for _ in range(12):
        predict_proba(OLD)
    one = {name: values[:1] for name, values in OLD.items()}
    for times, kind, message in FAULTS:
        for _ in range(times):
            with contextlib.suppress(kind):
                predict_proba(one, kind(message))
    return ids


def _others():
    @modelspan.monitor(model="credit-risk", version="2.0.0")
    def predict(x):
        return "good" if x["age"] < 30 else "bad"

    @modelspan.monitor(model="churn", version="1", task="regression")
    def regress(x):
        return x["months"] * 0.5

    for i in range(20):
        predict({"age": 20 + i})
    for i in range(10):
        regress({"months": i})


if __name__ == "__main__":
    send(*sys.argv[1:])

"""A thread of ours imports nothing: a fork meanwhile would leave its child the lock of a module for ever."""

import pytest

PROGRAM = """
import logging, sys, threading
import numpy, pandas
import modelspan
from opentelemetry import trace

imported = []

class Watch:
    def find_spec(self, name, path=None, target=None):
        thread = threading.current_thread().name
        if thread.startswith(("modelspan", "OtelPeriodic")):
            imported.append(f"{name} on {thread}")

sys.meta_path.insert(0, Watch())
rng = numpy.random.default_rng(0)
score = rng.random(2000)
reference = modelspan.Reference.build(
    {"x": rng.normal(0, 1, 2000), "kind": ["a", "b"] * 1000, "bad": rng.random(2000) < score, "score": score},
    target="bad", score="score",
)
assert reference.estimator
modelspan.configure(capture_logs="WARNING", metric_interval_seconds=0.5, **SETTINGS)

@modelspan.monitor(model="risk", task="binary", reference=reference, log_features=["x"], drift_window=1000)
def predict_frame(frame):
    with trace.get_tracer("app").start_as_current_span("step"):
        logging.getLogger("app").warning("seen")
    return numpy.full(len(frame), 0.5)

@modelspan.monitor(model="value", task="regression", key=lambda row: row["x"])
def predict_row(row):
    if row["x"] < 0:
        raise ValueError("negative")
    return float(row["x"])

def predict_some(i):
    predict_frame(pandas.DataFrame({"x": rng.normal(5, 1, 50), "kind": ["a"] * 50}))
    modelspan.feedback(modelspan.current_prediction().id, bool(i % 2))
    predict_row({"x": i, "when": pandas.Timestamp("2026-01-01"), "text": "a", "none": None})
    if "data" in SETTINGS:
        modelspan.feedback(key=i, outcome=i + 1.0)

for i in range(200):
    predict_some(i)
try:
    predict_row({"x": -1})
except ValueError:
    pass
flushed = modelspan.flush(30)
predict_some(200)
ended = modelspan.shutdown(10)
assert not imported, imported
assert flushed and ended
"""
THRESHOLDS = """
thresholds:
  - {name: mae, model: value, metric: mae, kind: static, upper: 0.5}
"""


@pytest.mark.parametrize("kept", ["nothing", "spool", "store"])
def test_d01_our_threads_import_nothing_that_a_fork_could_meet(program, tmp_path, backend, kept):
    thresholds = tmp_path / "thresholds.yaml"
    thresholds.write_text(THRESHOLDS)
    store = {
        "data": str(tmp_path / "store"), "thresholds": str(thresholds),
        "webhook_url": f"{backend.otlp_url}/alarm", "webhook_private": True,
    }  # fmt: skip
    settings = {"nothing": {}, "spool": {"spool": str(tmp_path / "spool")}, "store": store}[kept]
    done, _ = program(f"SETTINGS = {settings}\n{PROGRAM}").run(timeout=120)
    assert done.returncode == 0, done.stderr

"""Monitor a model in a script: one decorator, and the truth when it is known.

Shows:   monitor on a plain function, current_prediction().id, feedback, flush.
Run:     modelspan up &  python examples/credit_risk/train.py;  python examples/credit_risk/script.py [FOLDER]
Expect:  12 applications, prediction <32 hex>-<16 hex>
         … three such lines …
         delivered: True
         look at http://127.0.0.1:8050
"""

import sys
from importlib.resources import files
from pathlib import Path

import joblib
import pandas as pd

import modelspan

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
DATA = files("modelspan.demo") / "data" / "german_credit.csv"

modelspan.configure(service_name="credit-script")
pipeline = joblib.load(FOLDER / "credit-risk.joblib")


@modelspan.monitor(
    model="credit-risk",
    version="1.4.2",
    reference=FOLDER / "credit-risk.reference.json",
    classes=("good", "bad"),
    log_features=("credit_amount", "purpose"),
)
def predict_proba(applications: pd.DataFrame):
    return pipeline.predict_proba(applications)


def main() -> None:
    data = pd.read_csv(str(DATA), keep_default_na=False)
    for start in (0, 12, 24):
        batch = data.iloc[start : start + 12]
        predict_proba(batch.drop(columns="creditability"))
        prediction_id = modelspan.current_prediction().id  # still the last one, right after the call
        print(f"{len(batch)} applications, prediction {prediction_id}")
        for row, outcome in enumerate(batch["creditability"]):
            modelspan.feedback(prediction_id, outcome=outcome, row=row)  # in real life: months later
    print(f"delivered: {modelspan.flush(timeout=5)}")
    print("look at http://127.0.0.1:8050")


if __name__ == "__main__":
    main()

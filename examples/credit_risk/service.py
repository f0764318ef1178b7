"""Monitor a model in a FastAPI service: every answer carries the id that feedback needs.

Shows:   monitor on a method of the model, the id in the response, a /feedback endpoint.
Run:     modelspan up &  python examples/credit_risk/train.py
         MODEL_FOLDER=. uvicorn --app-dir examples/credit_risk service:app
         curl -s localhost:8000/score -H 'content-type: application/json' -d @application.json
Expect:  {"bad": 0.21…, "prediction_id": "<32 hex>-<16 hex>"}
"""

import os
from pathlib import Path

import joblib
import pandas as pd
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

import modelspan

FOLDER = Path(os.environ.get("MODEL_FOLDER", "."))

modelspan.configure(service_name="credit-api")
pipeline = joblib.load(FOLDER / "credit-risk.joblib")
predict_proba = modelspan.monitor(
    model="credit-risk",
    version="1.4.2",
    reference=FOLDER / "credit-risk.reference.json",
    classes=("good", "bad"),
    log_features=("credit_amount", "purpose"),
)(pipeline.predict_proba)

app = FastAPI()


class Outcome(BaseModel):
    prediction_id: str
    outcome: str


@app.post("/score")
def score(application: dict[str, str | int]) -> dict[str, str | float]:
    try:
        answer = predict_proba(pd.DataFrame([application]))
    except ValueError as error:  # scikit-learn: a column is missing
        raise HTTPException(422, str(error)) from error
    return {"bad": round(float(answer[0, 1]), 4), "prediction_id": modelspan.current_prediction().id}


@app.post("/feedback", status_code=204)
def feedback(known: Outcome) -> None:
    try:
        modelspan.feedback(known.prediction_id, outcome=known.outcome)
    except ValueError as error:  # not an id of ours
        raise HTTPException(422, str(error)) from error

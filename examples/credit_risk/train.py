"""Train a credit-risk model and write down what its data looked like.

Shows:   Reference.build(...).save(...), the only step that monitoring adds to training.
Run:     python examples/credit_risk/train.py [FOLDER]
Expect:  AUC 0.7… on 500 held-out applications
         wrote credit-risk.joblib and credit-risk.reference.json (19 features and the score, … bytes)
"""

import sys
from importlib.resources import files
from pathlib import Path

import joblib
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import modelspan

DATA = files("modelspan.demo") / "data" / "german_credit.csv"


def main(folder: Path) -> None:
    data = pd.read_csv(str(DATA), keep_default_na=False)
    train, held_out = train_test_split(data, test_size=0.5, random_state=1, stratify=data["creditability"])
    pipeline = make_pipeline(
        make_column_transformer(
            (StandardScaler(), make_column_selector(dtype_include="number")),
            (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
        ),
        LogisticRegression(C=0.3, max_iter=500),
    )
    pipeline.fit(train.drop(columns="creditability"), train["creditability"] == "bad")

    scores = pipeline.predict_proba(held_out.drop(columns="creditability"))[:, 1]
    auc = roc_auc_score(held_out["creditability"] == "bad", scores)
    print(f"AUC {auc:.3f} on {len(held_out)} held-out applications")

    # Held-out rows, not training rows: the scores of rows that the model has learned from are too good.
    reference = modelspan.Reference.build(
        held_out, score=scores.tolist(), target="creditability", model="credit-risk", version="1.4.2"
    )
    file = folder / "credit-risk.reference.json"
    reference.save(file)
    joblib.dump(pipeline, folder / "credit-risk.joblib")
    size = f"{len(reference.features)} features and the score, {file.stat().st_size:,} bytes"
    print(f"wrote credit-risk.joblib and {file.name} ({size})")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))

"""Data and values that others have published, for tests against an independent source."""

import importlib.util
from pathlib import Path

import pandas as pd

CAR_LOAN_FEATURES = (
    "car_value",
    "salary_range",
    "debt_to_income_ratio",
    "loan_length",
    "repaid_loan_on_prev_car",
    "size_of_downpayment",
    "driver_tenure",
)
CHUNK = 5_000


def car_loan(part):
    """NannyML's synthetic car loan data: `reference`, `analysis` or `analysis_target`, 50,000 rows."""
    return _nannyml(f"synthetic_car_loan_{part}")


def car_price(part):
    """NannyML's synthetic car price data: `reference`, `analysis` or `analysis_targets`, 60,000 rows."""
    return _nannyml(f"regression_synthetic_{part}")


def _nannyml(name):
    """A file of that package, which `./test` installs for its files only; importing it would send usage."""
    found = importlib.util.find_spec("nannyml")
    assert found is not None, "nannyml is missing; pip install --no-deps nannyml==0.13.1, as ./test does"
    folder = Path(next(iter(found.submodule_search_locations))) / "datasets" / "data"
    return pd.read_csv(folder / f"{name}.csv")


def chunks(frame):
    """Chunks of 5,000 rows in order, as the published tables have them."""
    return [frame.iloc[start : start + CHUNK] for start in range(0, len(frame), CHUNK)]

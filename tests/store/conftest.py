import importlib.util
import sys
from pathlib import Path

import pytest

from modelspan.store.outcomes import OutcomeStore
from modelspan.store.sqlite_database import SqliteDatabase

_spec = importlib.util.spec_from_file_location("store_rows", Path(__file__).with_name("rows.py"))
_rows = importlib.util.module_from_spec(_spec)
sys.modules["store_rows"] = _rows
_spec.loader.exec_module(_rows)


@pytest.fixture
def store(tmp_path):
    made = OutcomeStore(SqliteDatabase(tmp_path / "data", busy_seconds=20))
    yield made
    made.close()

import importlib.util
import sys
from pathlib import Path

import psycopg
import pytest

from modelspan.store.outcomes import OutcomeStore
from modelspan.store.postgres_database import SCHEMA, PostgresDatabase
from modelspan.store.sqlite_database import SqliteDatabase


def load(name, file):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(file))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


load("store_rows", "rows.py")
postgres = load("store_postgres", "postgres.py")


@pytest.fixture
def store(tmp_path):
    made = OutcomeStore(SqliteDatabase(tmp_path / "data", busy_seconds=20))
    yield made
    made.close()


@pytest.fixture(scope="session")
def server():
    """Address of a real PostgreSQL; skipped where it is not installed: ./test installs it where it may."""
    if postgres.programs() is None or not postgres.user_exists():
        pytest.skip("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    with postgres.server() as url:
        yield url


@pytest.fixture
def postgres_url(server):
    """The server without any table of ours."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    return server


@pytest.fixture(params=["sqlite", "postgres"])
def either(request, tmp_path):
    """A store on each of the two databases."""
    if request.param == "sqlite":
        database = SqliteDatabase(tmp_path / "data", busy_seconds=20)
    else:
        database = PostgresDatabase(request.getfixturevalue("postgres_url"))
    made = OutcomeStore(database)
    yield made
    made.close()

"""The database: what survives, what is refused, what is deleted."""

import contextlib
import os
import sqlite3
import stat
import time

import pytest

from modelspan.errors import ConfigError
from modelspan.viewer import retention, schema
from modelspan.viewer.otlp import Batch
from modelspan.viewer.retention import Keep, sweep, used_bytes
from modelspan.viewer.storage import Backlog, Writer

DAY = 86_400 * 10**9


def span(number, name="x"):
    ids = (f"{number:032x}", f"{number:016x}", None)
    return (
        *ids,
        name,
        "internal",
        "s",
        "",
        10**18,
        5,
        0,
        "",
        None,
        "",
        "",
        None,
        1,
        None,
        None,
        "{}",
        "[]",
        1,
    )


def log(number, body='""'):
    return (number, "", "", "e", "", 9, body, "s", None, "", None, None, 0, None, None, None, "{}", 1)


def point(number):
    return (1, number, 1.0, None, None, None, "[]")


def fill(writer, rows, body='""'):
    batch = Batch(
        spans=[span(time.time_ns() + number) for number in range(rows)],
        logs=[log(number, body) for number in range(rows)],
        points=[point(number) for number in range(rows)],
    )
    writer.submit(batch).result(10)


def counts(database):
    return [
        database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
        for table in ("spans", "logs", "points")
    ]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "some" / "data"


@pytest.fixture
def writer(folder):
    with contextlib.closing(Writer(folder, Keep())) as made:
        yield made


@pytest.fixture
def database(folder):
    """A database without a writer, so that a test alone decides when it is swept."""
    folder.mkdir(parents=True)
    with contextlib.closing(schema.open_database(folder)) as opened:
        yield opened


def insert(database, spans=0, logs=0, points=0, body='""'):
    database.execute("BEGIN")
    for table, row, number in (("spans", span, spans), ("logs", log, logs), ("points", point, points)):
        marks = ",".join("?" * len(row(1)))
        start = database.execute(f"SELECT IFNULL(MAX(id), 0) FROM {table}").fetchone()[0]
        rows = [row(start + each, body) if table == "logs" else row(start + each) for each in range(number)]
        database.executemany(f"INSERT INTO {table} VALUES (NULL,{marks})", rows)
    database.execute("COMMIT")


def test_folder_and_file_are_readable_by_their_owner_only_also_under_a_loose_umask(folder):
    before = os.umask(0)
    try:
        with contextlib.closing(Writer(folder, Keep())) as writer:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            for file in (writer.path, writer.path.with_name(writer.path.name + "-wal")):
                assert stat.S_IMODE(file.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_data_survives_a_restart(folder):
    for rows in (3, 4):
        with contextlib.closing(Writer(folder, Keep())) as writer:
            fill(writer, rows)
    with contextlib.closing(sqlite3.connect(folder / schema.FILE_NAME)) as database:
        assert counts(database) == [7, 7, 7]
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_second_writer_on_the_same_folder_is_refused_until_the_first_is_closed(folder):
    with (
        contextlib.closing(Writer(folder, Keep())),
        pytest.raises(ConfigError, match="in use by another modelspan up"),
    ):
        Writer(folder, Keep())
    Writer(folder, Keep()).close()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(folder):
    Writer(folder, Keep()).close()
    with contextlib.closing(sqlite3.connect(folder / schema.FILE_NAME)) as database:
        database.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    before = (folder / schema.FILE_NAME).read_bytes()
    with pytest.raises(ConfigError, match=rf"schema version {schema.VERSION + 1}.*upgrade modelspan"):
        Writer(folder, Keep())
    assert (folder / schema.FILE_NAME).read_bytes() == before


def test_a_file_that_is_no_database_is_refused(folder):
    folder.mkdir(parents=True)
    (folder / schema.FILE_NAME).write_text("not a database, but long enough to look at " * 50)
    with pytest.raises(ConfigError, match="not a usable database"):
        Writer(folder, Keep())


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be used.*--data"):
        Writer(tmp_path / "file" / "data", Keep())


def test_a_bad_batch_in_a_group_does_not_cost_its_neighbours_their_rows(writer, caplog):
    with contextlib.closing(sqlite3.connect(writer.path, isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        first = writer.submit(Batch(spans=[span(1)]))
        time.sleep(0.1)  # the writer waits for the lock with the first; the others become one group
        futures = [writer.submit(Batch(spans=[row])) for row in (span(2), span(3)[:-1], span(4))]
        blocker.execute("ROLLBACK")
        assert first.result(10) is None
        assert futures[0].result(10) is None
        with pytest.raises(sqlite3.ProgrammingError):
            futures[1].result(10)
        assert futures[2].result(10) is None
        assert counts(blocker) == [3, 0, 0]
    assert "could not store" in caplog.text


def test_a_closed_writer_takes_nothing_and_can_be_closed_again(writer):
    writer.close()
    with pytest.raises(Backlog):
        writer.submit(Batch(spans=[span(1)]))
    writer.close()


def test_records_are_deleted_by_the_age_of_their_arrival_and_newer_ones_stay(database):
    insert(database, 3, 3, 3)
    sweep(database, Keep(days=7), now_ns=100 * DAY)
    insert(database, 2, 2, 2)
    sweep(database, Keep(days=7), now_ns=105 * DAY)
    assert counts(database) == [5, 5, 5]
    assert sweep(database, Keep(days=7), now_ns=107 * DAY + 1)
    assert counts(database) == [2, 2, 2]
    assert not sweep(database, Keep(days=7), now_ns=107 * DAY + 2)
    while sweep(database, Keep(days=7), now_ns=112 * DAY + 1):
        pass
    assert counts(database) == [0, 0, 0]


def test_ids_are_not_used_again_so_that_new_rows_never_look_old(database):
    insert(database, 3, 3, 3)
    sweep(database, Keep(days=7), now_ns=100 * DAY)
    while sweep(database, Keep(days=7), now_ns=108 * DAY):
        pass
    insert(database, 2, 2, 2)
    while sweep(database, Keep(days=7), now_ns=109 * DAY):
        pass
    assert counts(database) == [2, 2, 2]


def test_a_step_deletes_a_bounded_number_of_rows_the_oldest_first(database):
    rows = retention.STEP_ROWS + 10
    insert(database, logs=rows)
    sweep(database, Keep(days=1), now_ns=10 * DAY)
    assert sweep(database, Keep(days=1), now_ns=12 * DAY)
    assert database.execute("SELECT COUNT(*), MIN(id) FROM logs").fetchone() == (10, retention.STEP_ROWS + 1)


def test_beyond_the_size_the_oldest_share_of_every_table_goes_and_the_file_shrinks(database, folder):
    insert(database, 4000, 4000, 4000, body=f'"{"x" * 2000}"')
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file = folder / schema.FILE_NAME
    before = file.stat().st_size
    limit = used_bytes(database) // 2
    steps = 0
    while sweep(database, Keep(max_bytes=limit), now_ns=DAY + steps):
        steps += 1
    assert steps > 10
    assert used_bytes(database) <= limit
    left = counts(database)
    assert max(left) - min(left) <= 4000 * 0.02
    assert min(left) > 1000
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert file.stat().st_size < before * 0.6
    assert database.execute("SELECT MAX(id) FROM logs").fetchone() == (4000,)


def test_series_and_resources_that_nothing_names_any_more_are_forgotten(database):
    database.execute("INSERT INTO resources VALUES (1, '{}', ?)", (100 * DAY,))
    database.execute("INSERT INTO series VALUES (1, 'n', '', 'gauge', '{}', NULL, 's', '', ?)", (100 * DAY,))
    sweep(database, Keep(days=7), now_ns=107 * DAY)
    assert database.execute(
        "SELECT (SELECT COUNT(*) FROM series) + (SELECT COUNT(*) FROM resources)"
    ).fetchone() == (2,)
    sweep(database, Keep(days=7), now_ns=108 * DAY + 1)
    assert database.execute(
        "SELECT (SELECT COUNT(*) FROM series) + (SELECT COUNT(*) FROM resources)"
    ).fetchone() == (0,)


def test_a_running_writer_sweeps_by_itself(folder, monkeypatch):
    monkeypatch.setattr("modelspan.viewer.storage.SWEEP_SECONDS", 0.05)
    monkeypatch.setattr("modelspan.viewer.storage.BUSY_SWEEP_SECONDS", 0.01)
    with contextlib.closing(Writer(folder, Keep(max_bytes=400_000))) as writer:
        fill(writer, 500, body=f'"{"x" * 2000}"')
        with contextlib.closing(sqlite3.connect(writer.path)) as reader:
            deadline = time.monotonic() + 10
            while used_bytes(reader) > 400_000 and time.monotonic() < deadline:
                time.sleep(0.05)
            assert used_bytes(reader) <= 400_000
            assert 0 < counts(reader)[1] < 500

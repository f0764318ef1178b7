"""What the store does when its file, its disk or another process lets it down."""

import errno
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from store_rows import NOW, awaiting, counts, new_id, outcome, states

from modelspan.errors import ConfigError
from modelspan.store.database import UnavailableError
from modelspan.store.head_file import HeadFile
from modelspan.store.outcomes import OutcomeStore
from modelspan.store.reading import Read
from modelspan.store.rows import ModelFacts, sealed
from modelspan.store.sqlite_database import SqliteDatabase, file_of
from modelspan.store.tables import STEPS, VERSION

FLIPS = int(os.environ.get("MODELSPAN_TEST_FLIPS", "150"))
WRITE_UNTIL_KILLED = """
import pathlib, secrets, sys, time
from modelspan.store.outcomes import OutcomeStore
from modelspan.store.rows import Awaiting, ModelFacts, Outcome
from modelspan.store.sqlite_database import SqliteDatabase
store = OutcomeStore(SqliteDatabase(pathlib.Path(sys.argv[1])))
while True:
    pids = [secrets.token_bytes(24) for _ in range(20)]
    store.commit([Awaiting(pid, 0, ModelFacts("m"), 1, "a") for pid in pids], [], time.time_ns())
    store.commit([], [Outcome(pid, 0, "b", None, 1.0, 2, True) for pid in pids], time.time_ns())
    sys.stdout.write("".join(pid.hex() + "\\n" for pid in pids))
    sys.stdout.flush()
"""
FILL_THE_DISK = """
import json, pathlib, resource, secrets, sys
from modelspan.store.database import UnavailableError
from modelspan.store.outcomes import OutcomeStore
from modelspan.store.rows import Awaiting, ModelFacts
from modelspan.store.sqlite_database import SqliteDatabase
store = OutcomeStore(SqliteDatabase(pathlib.Path(sys.argv[1])))
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
acknowledged, refused = 0, 0
while refused < 3:
    try:
        pids = [secrets.token_bytes(24) for _ in range(100)]
        store.commit([Awaiting(pid, 0, ModelFacts("m"), 1, "a") for pid in pids], [], 1)
        acknowledged += 100
    except UnavailableError:
        refused += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
before = store.check()["predictions"]
store.commit([Awaiting(secrets.token_bytes(24), 0, ModelFacts("m"), 1, "a")], [], 1)
print(json.dumps([acknowledged, before, store.check()["predictions"]]))
"""


def python(code, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, **options
    )


def reopened(store):
    return OutcomeStore(SqliteDatabase(store.database.folder, busy_seconds=20))


def filled(store, rows=60):
    """A store of two commits: predictions, then outcomes of every second one."""
    pids = [new_id() for _ in range(rows)]
    store.commit([awaiting(pid, key=(n, n)) for n, pid in enumerate(pids)], [], NOW)
    store.commit([], [outcome(pid) for pid in pids[::2]] + [outcome(new_id())], NOW)
    store.save("aggregate", {"n": "1"}, Read("r", 0, 5))
    return pids


def content(store):
    changes = [(c.position, c.before, c.after) for c in store.changes(0, 10**6)]
    return changes, counts(store), store.documents("aggregate"), store.position("r")


def test_e01_acknowledged_rows_survive_sigkill_at_any_moment(tmp_path):
    told = []
    for seconds in (0.4, 0.7):
        child = python(WRITE_UNTIL_KILLED, tmp_path)
        first = child.stdout.readline()
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        told += [first, *child.stdout.read().splitlines(keepends=True)]
        child.wait()
    store = OutcomeStore(SqliteDatabase(tmp_path))
    joined = {c.after.prediction_id.replace("-", "") for c in store.changes(0, 10**6) if c.after.known}
    acknowledged = {line.strip().decode() for line in told if line.endswith(b"\n")}
    assert len(acknowledged) >= 40
    assert acknowledged <= joined
    assert not [name for name in counts(store) if name.endswith("lost")]
    store.check()


def test_e03_many_writers_wait_for_each_other_and_none_is_told_that_the_file_is_locked(tmp_path):
    stores = [OutcomeStore(SqliteDatabase(tmp_path)) for _ in range(8)]
    errors = []

    def write(store):
        try:
            for _ in range(12):
                store.commit([awaiting()], [], NOW)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert counts(stores[0]) == {"prediction.pending": 96}
    assert stores[1].check()["predictions"] == 96


def test_a21_one_outcome_from_eight_writers_at_once_joins_once(tmp_path):
    stores = [OutcomeStore(SqliteDatabase(tmp_path)) for _ in range(8)]
    pid = new_id()
    stores[0].commit([awaiting(pid)], [], NOW)
    start, receipts = threading.Barrier(8), []

    def write(store):
        start.wait()
        receipts.extend(states(store.commit([], [outcome(pid)], NOW)))

    threads = [threading.Thread(target=write, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(receipts) == ["joined"] + ["rejected:duplicate"] * 7
    assert len([change for change in stores[3].changes(0) if change.after.known]) == 1


def test_e04_a_full_disk_is_said_and_nothing_acknowledged_is_lost_and_it_recovers(tmp_path):
    child = python(FILL_THE_DISK, tmp_path)
    said, _ = child.communicate(timeout=60)
    acknowledged, before, after = json.loads(said)
    assert acknowledged > 0
    assert (before, after) == (acknowledged, acknowledged + 1)


def test_e04_a_folder_deleted_under_us_is_made_anew(store):
    store.commit([awaiting()], [], NOW)
    shutil.rmtree(store.database.folder)
    store.commit([awaiting()], [], NOW)
    assert counts(reopened(store)) == {"prediction.pending": 1}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_e04_a_folder_that_may_not_be_written_is_a_wrong_setting(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="data="):
        OutcomeStore(SqliteDatabase(tmp_path)).totals()


def test_e04_a_file_in_the_place_of_the_folder_is_a_wrong_setting(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="data="):
        OutcomeStore(SqliteDatabase(tmp_path / "file")).totals()


def test_e04_what_is_committed_is_acknowledged_though_the_note_of_it_cannot_be_written(
    store, monkeypatch, caplog
):
    def fails(*_):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    store.commit([], [], NOW)
    monkeypatch.setattr(HeadFile, "write", fails)
    pid = new_id()
    store.commit([awaiting(pid)], [], NOW)
    assert states(store.commit([], [outcome(pid)], NOW)) == ["joined"]
    assert counts(store) == {"outcome.joined": 1}
    assert caplog.text.count("Disk quota exceeded") == 1, "said once"
    monkeypatch.undo()
    store.commit([awaiting()], [], NOW)
    store.check()


def test_e05_a_flipped_byte_anywhere_is_harmless_or_found(tmp_path):
    whole = OutcomeStore(SqliteDatabase(tmp_path / "whole"))
    filled(whole)
    wanted = content(whole)
    draw, harmless, found = random.Random(5), 0, 0
    files = [
        path for path in (tmp_path / "whole").iterdir() if path.suffix in (".sqlite", ".sqlite-wal", ".head")
    ]
    for trial in range(FLIPS):
        folder = tmp_path / "flipped"
        folder.mkdir()
        for path in files:
            shutil.copy(path, folder)
        path = folder / files[trial % len(files)].name
        data = bytearray(path.read_bytes())
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        try:
            damaged = OutcomeStore(SqliteDatabase(folder))
            damaged.check()
            got = content(damaged)
            damaged.commit([awaiting()], [], NOW)  # it goes on in any case
        except ConfigError:
            found += 1  # refused: it claims to be of another program or version
        else:
            lost = {name: n for name, n in got[1].items() if name.endswith(".lost")}
            harmless, found = harmless + (got == wanted), found + bool(lost)
            assert got == wanted or lost, (path.name, trial)
        damaged.close()
        shutil.rmtree(folder)
    whole.close()
    assert found > 0
    assert harmless > 0


def test_e05_a_cut_log_is_found_by_the_note_beside_it_and_counted(tmp_path):
    whole = OutcomeStore(SqliteDatabase(tmp_path / "whole"))
    filled(whole)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    whole.close()
    log = next((tmp_path / "cut").glob("*-wal"))
    os.truncate(log, log.stat().st_size * 6 // 10)
    store = OutcomeStore(SqliteDatabase(tmp_path / "cut"))
    assert {name for name in counts(store) if name.endswith(".lost")}
    before = store.check()
    store.commit([awaiting()], [], NOW)
    assert store.check()["predictions"] == before["predictions"] + 1


def test_e05_a_damaged_row_moves_the_whole_ones_into_a_new_file_and_other_processes_follow(store):
    pids = filled(store)
    other = reopened(store)
    assert other.totals()
    raw = sqlite3.connect(store.database.path)
    raw.execute("UPDATE predictions SET label = 'wrong' WHERE id = 3")
    raw.commit()
    raw.close()
    store.check()
    assert store.database.path == file_of(store.database.folder, 1)
    assert file_of(store.database.folder, 0).exists()
    totals = counts(store)
    assert (totals["prediction.lost"], totals["outcome.lost"]) == (1, 1)
    assert states(other.commit([], [outcome(pids[0]), outcome(pids[1])], NOW)) == [
        "rejected:duplicate",
        "joined",
    ]
    assert other.database.path == file_of(store.database.folder, 1)
    assert other.position("r") == 5
    other.close()


def test_e06_a_file_of_version_one_becomes_a_current_one_with_its_rows(tmp_path):
    old = sqlite3.connect(file_of(tmp_path, 0))
    for statement in filter(str.strip, STEPS[0].split(";")):
        old.execute(statement.replace("BYTES", "BLOB"))
    pid = bytes(16) + b"\1" * 8
    number = int.from_bytes(pid[16:], "big")
    model = ModelFacts("m").document
    rows = {
        "head": (1, 2, 0, 1, 1, 0),
        "models": (1, model),
        "predictions": (1, number, pid, 0, 1, NOW, "a", None, 0.5),
        "outcomes": (2, 1, "b", None, 1.0, NOW, 0, 0),
        "counts": (1, "outcome.joined", 1),
    }
    for table, cells in rows.items():
        row = sealed(table, cells)
        old.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    old.execute("PRAGMA user_version = 1")
    old.execute("PRAGMA application_id = 1836281966")
    old.commit()
    old.close()
    store = OutcomeStore(SqliteDatabase(tmp_path))
    assert store.check()["predictions"] == 1
    assert states(store.commit([awaiting(key=(1, 2))], [outcome(b"", key=(1, 2))], NOW)) == ["joined"]
    assert [change.after.outcome_label for change in store.changes(0) if change.after.known] == ["b", "bad"]
    assert store.database.rows("PRAGMA user_version") == [(VERSION,)]
    store.close()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda file: file.execute("PRAGMA user_version = 99"), "upgrade modelspan"),
        (lambda file: file.execute("CREATE TABLE theirs (x)"), "another program"),
    ],
)
def test_e06_a_newer_file_and_one_of_another_program_are_refused_and_left_alone(tmp_path, make, said):
    file = sqlite3.connect(file_of(tmp_path, 0))
    make(file)
    file.commit()
    file.close()
    before = file_of(tmp_path, 0).read_bytes()
    with pytest.raises(ConfigError, match=said):
        OutcomeStore(SqliteDatabase(tmp_path)).totals()
    assert file_of(tmp_path, 0).read_bytes() == before


def test_e06_what_is_no_database_is_refused_and_an_empty_file_becomes_one(tmp_path):
    file_of(tmp_path, 0).write_text("a letter to a friend, and no database at all" * 9)
    with pytest.raises(ConfigError, match="move it away"):
        OutcomeStore(SqliteDatabase(tmp_path)).totals()
    file_of(tmp_path, 0).write_bytes(b"")
    store = OutcomeStore(SqliteDatabase(tmp_path))
    store.commit([awaiting()], [], NOW)
    store.close()


def test_e06_a_file_that_another_program_locks_is_unavailable_and_then_available_again(store):
    store.commit([awaiting()], [], NOW)
    impatient = OutcomeStore(SqliteDatabase(store.database.folder, busy_seconds=0.05))
    assert counts(impatient) == {"prediction.pending": 1}
    other = sqlite3.connect(store.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError, match="locked"):
        impatient.commit([awaiting()], [], NOW)
    other.execute("ROLLBACK")
    other.close()
    impatient.commit([awaiting()], [], NOW)
    assert counts(impatient) == {"prediction.pending": 2}
    impatient.close()


def test_the_files_are_private_to_their_owner(store):
    store.commit([awaiting()], [], NOW)
    modes = {path.name: path.stat().st_mode & 0o077 for path in store.database.folder.iterdir()}
    assert set(modes.values()) == {0}, modes

"""The disk fails: full, read-only, out of inodes, broken, or without what was not synced when power was lost.

The first three are real small file systems, in a user namespace of the test; EIO, a quota and the loss of
power come from a library between the program and its disk (disk.c).
"""

import errno
import json
import os
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from modelspan.store.outcomes import OutcomeStore
from modelspan.store.sqlite_database import SqliteDatabase

CRASHES = int(os.environ.get("MODELSPAN_TEST_CRASHES", "120"))
SERVE = """
import json, os, pathlib, subprocess, sys, time
import modelspan
from modelspan import _setup

folder = sys.argv[1]
said = {"wrong": 0, "acknowledged": [], "refused": 0}
modelspan.configure(
    data=folder + "/data", endpoint="http://127.0.0.1:9", tick_seconds=0.02, metric_interval_seconds=3600
)

@modelspan.monitor(model="m", classes=("a", "b"), task="binary")
def predict(row):
    return 0.7

def tell(count, seconds):
    for _ in range(count):
        said["wrong"] += predict({"x": 1.0}) != 0.7
        made = modelspan.current_prediction().id
        if modelspan.feedback(made, "b", wait=seconds).state == "joined":
            said["acknowledged"].append(made)
        else:
            said["refused"] += 1

def until_it_recovers():
    deadline = time.monotonic() + 60
    said["recovered"] = False
    while not said["recovered"] and time.monotonic() < deadline:
        before = len(said["acknowledged"])
        tell(1, 5)
        said["recovered"] = len(said["acknowledged"]) > before

def end():
    store = _setup.current.recorder.store
    said["joined"] = [c.after.prediction_id for c in store.changes(0, 10**6) if c.after.known]
    store.check()
    said["lost"] = [name for name in store.totals() if name.endswith("lost")]
    print(json.dumps(said))
    sys.stdout.flush()
    os._exit(0)  # the endpoint is away: nothing to wait for

tell(3, 30)
"""
FULL = """
ballast = pathlib.Path(folder, "ballast")
file = os.open(ballast, os.O_CREAT | os.O_WRONLY)
try:
    while os.write(file, bytes(4096)):  # takes what is left
        pass
except OSError as error:
    said["error"] = error.strerror
os.close(file)
tell(4, 0.4)
ballast.unlink()
until_it_recovers()
end()
"""
NO_INODES = """
number = 0
with _setup.current.recorder.busy:
    _setup.current.recorder.store.close()  # its files are opened anew, and the log is made anew
    try:
        while True:
            os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))
            number += 1
    except OSError as error:
        said["error"] = error.strerror
tell(3, 0.4)
for each in range(number):
    os.unlink(f"{folder}/{each}")
until_it_recovers()
end()
"""
READ_ONLY = """
with _setup.current.recorder.busy:
    _setup.current.recorder.store.close()  # a file that is open for writing keeps it from being remounted
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
said["error"] = "Read-only file system"
tell(3, 0.4)
subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
until_it_recovers()
end()
"""
BROKEN = """
broken = pathlib.Path(os.environ["DISK_BROKEN"])
broken.write_text(sys.argv[2])
said["error"] = os.strerror(int(sys.argv[2]))
tell(3, 0.4)
broken.unlink()
until_it_recovers()
end()
"""
WRITE = """
import os, pathlib, secrets, sys
from modelspan.store import sqlite_schema
sqlite_schema.CHECKPOINT_PAGES = 30
from modelspan.store.outcomes import OutcomeStore
from modelspan.store.rows import Awaiting, ModelFacts, Outcome
from modelspan.store.sqlite_database import SqliteDatabase
folder = pathlib.Path(sys.argv[1])
store = OutcomeStore(SqliteDatabase(folder / "data"))
acknowledged = os.open(folder / "acknowledged", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
for _ in range(60):
    pids = [secrets.token_bytes(24) for _ in range(5)]
    store.commit([Awaiting(pid, 0, ModelFacts("m"), 1, "a") for pid in pids], [], 1)
    store.commit([], [Outcome(pid, 0, "b", None, 1.0, 2, True) for pid in pids], 1)
    os.write(acknowledged, b"".join(pids))
os._exit(0)  # no last checkpoint
"""


@pytest.fixture(scope="module")
def between(tmp_path_factory):
    """The library between a program and its disk."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler; on Debian: apt-get install gcc libc6-dev")
    made = tmp_path_factory.mktemp("disk") / "disk.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", made, Path(__file__).with_name("disk.c"), "-ldl"], check=True
    )
    return made


def in_small_file_system(code, folder, options):
    """Run `code` where `folder` is a file system of its own."""
    mount = f'mount -t tmpfs -o {options} tmpfs "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh", folder]
    probe = subprocess.run([*command[:4], "true"], check=False, capture_output=True)
    if probe.returncode:
        pytest.skip(f"no user namespaces here: {probe.stderr.decode().strip()}")
    return spoken([*command, sys.executable, code])


def spoken(command, **environment):
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def judge(said, errors, reason):
    """Predictions never noticed; what was acknowledged is there; what was not was said; it recovered."""
    assert said["error"] == reason
    assert said["wrong"] == 0
    assert said["refused"] >= 3
    assert said["recovered"]
    assert set(said["acknowledged"]) <= set(said["joined"])
    assert said["lost"] == []
    assert errors.count("cannot write the outcome store") == 1
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "fault", "reason"),
    [
        ("size=1m", FULL, "No space left on device"),
        ("size=8m,nr_inodes=24", NO_INODES, "No space left on device"),
        ("size=8m", READ_ONLY, "Read-only file system"),
    ],
)
def test_e04_a_disk_that_is_full_or_read_only_is_said_and_harms_no_prediction(
    tmp_path, options, fault, reason
):
    judge(*in_small_file_system(SERVE + fault, str(tmp_path), options), reason)


@pytest.mark.parametrize("number", [errno.EIO, errno.EDQUOT])
def test_e04_a_disk_that_breaks_or_a_quota_is_said_and_harms_no_prediction(tmp_path, between, number):
    surroundings = {"LD_PRELOAD": str(between), "DISK_FOLDER": str(tmp_path / "data"),
                    "DISK_BROKEN": str(tmp_path / "broken")}  # fmt: skip
    said = spoken([sys.executable, "-c", SERVE + BROKEN, str(tmp_path), str(number)], **surroundings)
    judge(*said, os.strerror(number))


class Disk:
    """Files as they are when power is lost: what was synced, and of what was not, whatever chance leaves."""

    def __init__(self):
        self._synced: dict[str, bytearray] = {}
        self._waiting: dict[str, list] = {}

        self._deleted: set[str] = set()  # until their folder is synced, they may come back

    def do(self, op, path, offset, data):
        if op == "u":
            self._deleted.add(path)
        elif op == "s":
            for each in self._waiting.pop(path, []):
                self._apply(self._synced.setdefault(path, bytearray()), each)
            for gone in [each for each in self._deleted if each.rpartition("/")[0] == path]:
                self._forget(gone)
        else:
            if path in self._deleted:
                self._forget(path)
            self._waiting.setdefault(path, []).append((op, offset, data))

    def _forget(self, path):
        self._deleted.discard(path)
        self._synced.pop(path, None)
        self._waiting.pop(path, None)

    def after_power_loss(self, draw):
        for path in {*self._synced, *self._waiting}:
            if path in self._deleted and draw.random() < 0.5:
                continue
            left = bytearray(self._synced.get(path, b""))
            for each in self._waiting.get(path, []):
                if draw.random() < 0.5:
                    self._apply(left, each)
            yield path, left

    def _apply(self, content, each):
        op, offset, data = each
        if op == "t":
            del content[offset:]
        content.extend(bytes(max(0, offset + len(data) - len(content))))
        content[offset : offset + len(data)] = data


def operations(log):
    content, at = log.read_bytes(), 0
    while at < len(content):
        op, offset, path, data = struct.unpack_from("<4q", content, at)
        at += 32
        yield chr(op), content[at : at + path].decode(), offset, content[at + path : at + path + data]
        at += path + data


def test_e02_what_was_acknowledged_is_there_after_a_loss_of_power_at_any_moment(tmp_path, between):
    log, folder = tmp_path / "log", tmp_path / "before"
    folder.mkdir()
    surroundings = {
        **os.environ,
        "LD_PRELOAD": str(between),
        "DISK_LOG": str(log),
        "DISK_FOLDER": str(folder),
    }
    subprocess.run([sys.executable, "-c", WRITE, folder], check=True, env=surroundings, timeout=120)
    done = list(operations(log))
    draw = random.Random(1)
    moments = set(draw.sample(range(len(done)), min(CRASHES, len(done))))
    disk, acknowledged, most = Disk(), b"", 0
    for moment, (op, path, offset, data) in enumerate(done):
        if path.endswith("acknowledged"):
            acknowledged += data
        else:
            disk.do(op, path, offset, data)
        if moment in moments:
            most = max(most, len(acknowledged))
            look_after(disk, acknowledged, folder, tmp_path / f"after-{moment}", draw)
    assert most > 24 * 200
    assert {path.rpartition(".")[2] for _, path, _, _ in done} >= {"sqlite", "sqlite-wal", "head"}


def look_after(disk, acknowledged, folder, after, draw):
    (after / "data").mkdir(parents=True)
    for path, content in disk.after_power_loss(draw):
        (after / Path(path).relative_to(folder)).write_bytes(content)
    store = OutcomeStore(SqliteDatabase(after / "data"))
    store.check()
    joined = {c.after.prediction_id.replace("-", "") for c in store.changes(0, 10**6) if c.after.known}
    assert {acknowledged[at : at + 24].hex() for at in range(0, len(acknowledged), 24)} <= joined
    assert not [name for name in store.totals() if name.endswith("lost")]
    assert store.database.generation == 0, "nothing was damaged"
    store.close()
    shutil.rmtree(after)

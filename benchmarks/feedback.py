"""Outcomes that come late, out of order, twice, corrected or for nobody, by processes that are killed.

    python benchmarks/feedback.py                       # 1,000,000 predictions, 8 processes, a kill each 5 s
    python benchmarks/feedback.py --predictions 50000 --kill-seconds 1
    python benchmarks/feedback.py --rate                # joins by two processes, cost of a call

Each process commits chunks of events and notes a chunk as acknowledged after its commit. A killed one starts
again after its last note, so that it repeats at most one chunk. A reader, killed like the others, keeps sums.
At the end every outcome must be in exactly one state, the sums must be those of pandas, and no acknowledged
chunk may be missing. The clock is simulated: outcomes come 1 s to 90 days after their predictions.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modelspan.store.opening import open_store
from modelspan.store.reading import Read
from modelspan.store.retention import sweep
from modelspan.store.rows import Awaiting, ModelFacts, Outcome

if TYPE_CHECKING:
    import pandas as pd

SECOND, DAY = 10**9, 86_400 * 10**9
START = 1_750_000_000 * SECOND
CHUNK = 1000
CLASSES = ("good", "bad", "worse")
VERSIONS = [ModelFacts("credit", version, task="multiclass", classes=CLASSES) for version in ("1", "2")]
PREDICTION, OUTCOME, UNKNOWN = range(3)


def plan(n: int, seed: int = 7) -> pd.DataFrame:
    """Events in the order in which they arrive: 5 % of the predictions never get an outcome."""
    import pandas as pd  # here, so that the many processes start without it

    draw = np.random.default_rng(seed)
    index = np.arange(n)
    predicted = START + np.sort(draw.integers(0, 30 * DAY, n))
    delay = np.exp(draw.uniform(np.log(SECOND), np.log(90 * DAY), n)).astype(np.int64)
    predictions = pd.DataFrame({"kind": PREDICTION, "index": index, "at": predicted})
    predictions["label"] = draw.integers(0, 3, n)
    outcomes = predictions.assign(kind=OUTCOME, at=predicted + delay, label=draw.integers(0, 3, n))
    outcomes = outcomes[draw.random(n) < 0.95]
    corrected = outcomes.sample(frac=0.02, random_state=seed)
    corrected = corrected.assign(
        at=corrected["at"] + draw.integers(1, DAY, len(corrected)), label=(corrected["label"] + 1) % 3
    )
    unknown = outcomes.sample(frac=0.01, random_state=seed + 1)
    unknown = unknown.assign(kind=UNKNOWN, index=unknown["index"] + n)
    told = pd.concat([outcomes, corrected, unknown])
    told = pd.concat([told, told.sample(frac=0.03, random_state=seed + 2)])
    events = pd.concat([predictions, told], ignore_index=True)
    # out of order by up to a day: outcomes before their predictions, corrections before what they correct
    arrival = events["at"] + draw.integers(0, 60 * SECOND, len(events))
    late = draw.random(len(events)) < 0.2
    return events.assign(arrival=arrival + late * draw.integers(0, DAY, len(events))).sort_values(
        "arrival", ignore_index=True
    )


def pid(index: int) -> bytes:
    return hashlib.blake2b(int(index).to_bytes(8, "big"), digest_size=24).digest()


def expected(events: pd.DataFrame) -> dict[str, int]:
    """The same by plain pandas: the latest outcome of each prediction counts."""
    told = events[events["kind"] == OUTCOME].drop_duplicates(["index", "label", "at"])
    truth = told.sort_values("at").groupby("index").last()
    made = events[events["kind"] == PREDICTION].set_index("index")
    joined = made.join(truth.add_suffix("_true"), how="inner")
    unknown = events[events["kind"] == UNKNOWN].drop_duplicates(["index", "label", "at"])
    return {
        "pending": len(made) - len(joined),
        "joined": len(joined),
        "superseded": len(told) - len(joined),
        "orphan": len(unknown),
        "correct": int((joined["label"] == joined["label_true"]).sum()),
        **{f"version {v + 1}": int((joined.index % 2 == v).sum()) for v in range(2)},
        **{f"{c} as {t}": int(((joined["label"] == i) & (joined["label_true"] == j)).sum())
           for i, c in enumerate(CLASSES) for j, t in enumerate(CLASSES)},
        "lag": int(((joined["at_true"] - joined["at"]) // SECOND).sum()),
    }  # fmt: skip


def work(folder: Path, url: str, number: int, processes: int) -> None:
    """Commit this process's chunks after the last one that it has acknowledged."""
    events = np.load(folder / "events.npy", mmap_mode="r")
    note, done = folder / f"acknowledged-{number}", progress(folder, number)
    store = open_store(data=folder / "store", url=url)
    with note.open("r+" if done else "w") as out:
        chunks = range(number * CHUNK, len(events), processes * CHUNK)
        for start in chunks[done:]:
            rows = events[start : start + CHUNK]
            made = [
                Awaiting(pid(i), 0, VERSIONS[i % 2], int(at), CLASSES[label], None, 0.5)
                for kind, i, at, label, _ in rows.tolist()
                if kind == PREDICTION
            ]
            told = [
                Outcome(pid(i), 0, CLASSES[label], None, 1.0, int(at), True)
                for kind, i, at, label, _ in rows.tolist()
                if kind != PREDICTION
            ]
            store.commit(made, told, int(rows[-1][4]))
            done += 1
            os.pwrite(out.fileno(), f"{done:012d}".encode(), 0)
    store.close()


def follow(folder: Path, url: str) -> None:
    """Keep sums of all changes, saved together with the position, until the end is noted."""
    store = open_store(data=folder / "store", url=url)
    while True:
        ended = (folder / "ended").exists()
        position = store.position("sums")
        changes = store.changes(position, 5000)
        sums = Counter(json.loads(store.documents("aggregate").get("sums", "{}")))
        for change in changes:
            for row, sign in ((change.before, -1), (change.after, 1)):
                if row is not None and row.known:
                    count(sums, row, sign)
        if changes:
            document = {"sums": json.dumps(sums)}
            store.save("aggregate", document, Read("sums", position, changes[-1].position))
        elif ended:
            return
        else:
            time.sleep(0.05)


def count(sums: Counter, row, sign: int) -> None:
    sums["joined"] += sign
    sums["correct"] += sign * (row.label == row.outcome_label)
    sums[f"version {row.version}"] += sign
    sums[f"{row.label} as {row.outcome_label}"] += sign
    sums["lag"] += sign * ((row.outcome_ns - row.predicted_ns) // SECOND)


def progress(folder: Path, number: int) -> int:
    note = folder / f"acknowledged-{number}"
    return int(note.read_text() or 0) if note.exists() else 0


def spawn(*arguments: object) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, __file__, *map(str, arguments)])


def run(n: int, processes: int, kill_seconds: float, url: str, folder: Path) -> dict[str, object]:
    """The whole experiment; raises when a figure is not met."""
    events = plan(n)
    np.save(folder / "events.npy", events[["kind", "index", "at", "label", "arrival"]].to_numpy(np.int64))
    shared = ["--folder", folder, "--url", url]
    commands = [["--work", k, "--processes", processes, *shared] for k in range(processes)]
    commands.append(["--follow", *shared])
    running = [spawn(*command) for command in commands]
    draw, kills, started = random.Random(3), 0, time.monotonic()
    next_kill = started + kill_seconds
    before = dict.fromkeys(range(processes), 0)
    try:
        while any(child.poll() is None for child in running[:-1]):
            time.sleep(0.02)
            if time.monotonic() >= next_kill:
                next_kill = time.monotonic() + kill_seconds
                victim = draw.choice([k for k, child in enumerate(running) if child.poll() is None])
                if victim < processes and progress(folder, victim) == before[victim]:
                    continue  # it has not even begun: killing it again and again proves nothing
                running[victim].send_signal(signal.SIGKILL)
                running[victim].wait()
                before[victim] = progress(folder, victim)
                running[victim] = spawn(*commands[victim])
                kills += 1
        seconds = time.monotonic() - started
        assert all(child.returncode == 0 for child in running[:-1]), "a process failed"
        (folder / "ended").touch()
        assert running[-1].wait(600) == 0, "the reader failed"
    finally:
        for child in running:
            child.kill()
            child.wait()
    return {"events": len(events), "kills": kills, "seconds": seconds, **judge(events, folder, url)}


def judge(events: pd.DataFrame, folder: Path, url: str) -> dict[str, object]:
    wanted = expected(events)
    store = open_store(data=folder / "store", url=url)
    totals = store.totals()
    store.check()
    got = {
        "pending": totals["prediction.pending"],
        **{state: totals[f"outcome.{state}"] for state in ("joined", "superseded", "orphan")},
    }
    assert {name: wanted[name] for name in got} == got, (got, wanted)
    told = int((events["kind"] != PREDICTION).sum())
    repeated = totals["outcome.rejected:duplicate"] - (
        told - got["joined"] - got["superseded"] - got["orphan"]
    )
    assert repeated >= 0, "an acknowledged outcome is in no state"
    assert not [name for name in totals if name.endswith("lost")], totals
    sums = json.loads(store.documents("aggregate")["sums"])
    assert sums == {name: wanted[name] for name in sums}, (sums, wanted)
    for day in (500, 1000):  # the first notes the time, 100 days after which the second lets go
        sweep(store, START + day * DAY, 100, 10**15)
    later = store.totals()
    expired = later["prediction.expired"], later["outcome.expired"]
    assert expired == (got["pending"], got["orphan"]), expired
    store.close()
    return {**got, "duplicates": totals["outcome.rejected:duplicate"], "repeated after kills": repeated}


def rate(n: int, url: str, folder: Path) -> dict[str, object]:
    """Outcomes in random order against `n` stored predictions, by two processes at once."""
    store = open_store(data=folder / "store", url=url)
    for start in range(0, n, 5000):
        store.commit(
            [Awaiting(pid(i), 0, VERSIONS[0], START, "good") for i in range(start, start + 5000)], [], START
        )
    order = np.random.default_rng(1).permutation(n)
    np.save(folder / "order.npy", order)
    children = [spawn("--join", k, "--folder", folder, "--url", url) for k in range(2)]
    while not all((folder / f"ready-{k}").exists() for k in range(2)):
        time.sleep(0.01)
    started = time.monotonic()
    (folder / "go").touch()
    assert [child.wait() for child in children] == [0, 0]
    seconds = time.monotonic() - started
    assert store.totals()["outcome.joined"] == n
    cpu = sum(float((folder / f"cpu-{k}").read_text()) for k in range(2))
    store.close()
    return {"outcomes per second": n / seconds, "per CPU second": n / cpu}


def join(folder: Path, url: str, number: int) -> None:
    order = np.load(folder / "order.npy")[number::2]
    outcomes = [Outcome(pid(i), 0, "bad", None, 1.0, START, True) for i in order]
    store = open_store(data=folder / "store", url=url)
    (folder / f"ready-{number}").touch()
    while not (folder / "go").exists():
        time.sleep(0.001)
    before = time.process_time()
    for start in range(0, len(outcomes), 5000):
        store.commit([], outcomes[start : start + 5000], START)
    (folder / f"cpu-{number}").write_text(str(time.process_time() - before))
    store.close()


def caller(folder: Path) -> dict[str, object]:
    """What `feedback` costs the caller, and how long the synchronous form takes."""
    import modelspan

    with modelspan.testing.record(data=str(folder / "caller")) as telemetry:
        predict = modelspan.monitor(model="m", classes=("a", "b"), task="binary")(lambda row: 0.3)
        ids = []
        for _ in range(2000):
            predict({"a": 1})
            ids.append(modelspan.current_prediction().id)
        telemetry.flush()
        queued = [_timed(lambda i=i: modelspan.feedback(i, "b")) for i in ids]
        telemetry.flush()
        waited = [_timed(lambda i=i: modelspan.feedback(i, "a", wait=True)) for i in ids[:100]]
    return {"feedback() median µs": statistics.median(queued) * 1e6,
            "feedback(wait=True) median ms": statistics.median(waited) * 1e3}  # fmt: skip


def _timed(call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--kill-seconds", type=float, default=5.0)
    parser.add_argument("--url", default="", help="postgresql://… in place of SQLite")
    parser.add_argument("--rate", action="store_true", help="only rates and costs")
    for name in ("--folder", "--work", "--join"):
        parser.add_argument(name, default="", help=argparse.SUPPRESS)
    parser.add_argument("--follow", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        return work(Path(given.folder), given.url, int(given.work), given.processes)
    if given.join:
        return join(Path(given.folder), given.url, int(given.join))
    if given.follow:
        return follow(Path(given.folder), given.url)
    folder = Path(tempfile.mkdtemp(prefix="feedback-"))
    try:
        if given.rate:
            found = {**rate(min(given.predictions, 200_000), given.url, folder), **caller(folder)}
        else:
            found = run(given.predictions, given.processes, given.kill_seconds, given.url, folder)
        for name, value in found.items():
            print(f"{name:32} {value:,.1f}" if isinstance(value, float) else f"{name:32} {value:,}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

"""What faults cost: an endpoint that is away, exits, forks, and web servers that are told to end.

    python benchmarks/faults.py outage        endpoint killed for 60 s at 200 calls/s, with and without spool
    python benchmarks/faults.py outage --outage 5 --rate 500
    python benchmarks/faults.py exit          exit with the endpoint refusing, a black hole, dripping
    python benchmarks/faults.py forks         4 busy threads and 500 forks
    python benchmarks/faults.py servers       SIGTERM to uvicorn and gunicorn after 400 predictions

Exit status 1 when a promise is broken.
"""

import argparse
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from far_end import SIGNALS, FarEnd
from fault_balance import Balance, Service, clean_environment, show, show_promises
from fault_programs import EXIT, FORKS, SERVED, SERVERS
from rich.progress import track

EXIT_SECONDS = 5.0
SHARE = 0.999


@contextmanager
def endpoint():
    """A far end and a folder, both gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        far_end = FarEnd(Path(name)).start()
        try:
            yield far_end, Path(name)
        finally:
            far_end.stop()


def started(*command, **more):
    return subprocess.Popen(
        list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=clean_environment(), **more,
    )  # fmt: skip


def lost_of(ledger):
    """Spans and log records that were dropped; a lost collection of metrics is replaced by the next."""
    return f"{sum(n for name, n in ledger['dropped'].items() if name.startswith(SIGNALS)):,}"


def outage(options):
    """The endpoint is killed under load and comes back; True when nothing was lost silently."""
    rows, kept = [], True
    for spool in (True, False):
        with endpoint() as (far_end, folder):
            service = Service(far_end.url, options.rate, folder, folder / "spool" if spool else "")
            far_end.wait_for_first()
            for seconds, then in ((5, far_end.kill), (options.outage, far_end.start), (10, lambda: None)):
                for _ in track(range(round(seconds * 10)), description=f"{seconds:g} s", transient=True):
                    time.sleep(0.1)
                then()
            service.end()
            balance = Balance(folder, far_end)
        (ledger,) = balance.ledgers
        shares = {signal: balance.delivered_share(signal) for signal in SIGNALS}
        title = f"{options.outage:g} s without endpoint, {'with' if spool else 'no'} spool"
        kept &= show_promises(title, list(balance.promises()))
        kept &= not spool or min(shares.values()) >= SHARE
        arrived = [f"{100 * share:.2f} %" for share in shares.values()]
        slowest = f"{ledger['slowest_ms']:.1f}"
        spooled = "with" if spool else "none"
        rows.append((spooled, f"{ledger['calls']:,}", *arrived, lost_of(ledger), slowest))
    columns = ("spool", "predictions", "spans delivered", "logs delivered", "dropped", "slowest call, ms")
    show(f"endpoint killed for {options.outage:g} s at {options.rate:g} calls/s", columns, rows)
    return kept


def leave(mode, *, healthy, spool):
    """One exit: seconds from the last line of the program to its end, and its ledger."""
    with endpoint() as (far_end, folder):
        if not healthy:
            far_end.mode(mode)
        words = (sys.executable, "-c", EXIT, far_end.url, folder / "spool" if spool else "")
        process = started(*words, "healthy" if healthy else "ill")
        process.stdout.readline()
        if healthy:
            far_end.mode(mode)
            time.sleep(0.5)
        process.stdin.write("go\n")
        process.stdin.flush()
        done = float(process.stdout.readline())
        ledger = json.loads(process.stdout.readline())
        process.wait(60)
        return time.monotonic() - done, ledger


def balanced(ledger, signal):
    """Emitted, and whether delivered, dropped and stored make it up."""
    dropped = sum(n for name, n in ledger["dropped"].items() if name.startswith(signal))
    whole = ledger["delivered"].get(signal, 0) + dropped + ledger.get("stored", {}).get(signal, 0)
    return whole == ledger["emitted"].get(signal, 0)


def leave_all(_options):
    """Exits while the endpoint is ill; True when all are short and their accounts exact."""
    rows, kept = [], True
    cases = [
        (m, h, s) for m in ("refused", "black hole", "drip") for h in (False, True) for s in (False, True)
    ]
    for mode, healthy, spool in track(cases, description="exits", transient=True):
        seconds, ledger = leave(mode, healthy=healthy, spool=spool)
        exact = all(balanced(ledger, signal) for signal in ("predictions", *SIGNALS))
        kept &= exact and seconds <= EXIT_SECONDS
        rows.append((
            mode, "after health" if healthy else "from the start", "with" if spool else "none",
            f"{seconds:.2f}", lost_of(ledger), f"{sum(ledger['stored'].values()):,}",
            "exact" if exact else "WRONG",
        ))  # fmt: skip
    columns = ("endpoint", "ill", "spool", "exit, s", "dropped", "stored", "accounts")
    show("exit after 3,000 predictions, spans and logs together", columns, rows)
    return kept


def forks(options):
    """Forks under load; True when none hung, sent twice or inherited a count."""
    with endpoint() as (far_end, folder):
        process = started(sys.executable, "-c", FORKS, far_end.url, options.forks, folder)
        for _ in track(range(options.forks), description="forks", transient=True):
            process.stdout.readline()
        said, errors = process.communicate(timeout=180)
        result = json.loads(said)
        seen, _ = far_end.received()
        children = {file.read_text() for file in folder.glob("child-*")}
        counts = sorted(far_end.counts().values())
    twice = sum(n - 1 for signal in SIGNALS for n in seen[signal].values())
    arrived = {signal: len(children & seen[signal].keys()) for signal in SIGNALS}
    inherited = result["inherited"] + sum(n != 1 for n in counts[:-1])
    exact = all(balanced(result, signal) for signal in ("predictions", *SIGNALS))
    rows = [
        ("forks, calls of the parent meanwhile", f"{options.forks:,}, {result['calls']:,}"),
        ("deadlocks", result["hung"]),
        ("children whose flush was not accepted in 50 s", result["failed"]),
        ("records sent twice", twice),
        ("children that inherited a count", inherited),
        ("instances with a counter", len(counts)),
        *((f"{signal} of children delivered", n) for signal, n in arrived.items()),
        ("accounts of the parent", "exact" if exact else f"WRONG {result}"),
    ]
    show("fork storm: 4 threads predict flat out", ("", "figure"), rows)
    sys.stderr.write(errors)
    complete = set(arrived.values()) == {options.forks}
    return exact and complete and not result["hung"] + result["failed"] + twice + inherited


def post(port, number):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", json.dumps({"a": number}).encode())
    with urllib.request.urlopen(request, timeout=10) as reply:
        return reply.read().decode()


def asked(port, number, seconds=60):
    """The answer; asked again while nobody listens, and if a worker that is replaced refuses."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return post(port, number)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def serve(command, requests):
    """One server: ids answered, the far end, its exit status and how long SIGTERM took."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    where = ("--port", port) if command[0] == "uvicorn" else ("--bind", f"127.0.0.1:{port}")
    with endpoint() as (far_end, folder):
        (folder / "served.py").write_text(SERVED)
        env = clean_environment(OTEL_EXPORTER_OTLP_ENDPOINT=far_end.url, PYTHONPATH=str(folder))
        with (folder / "output").open("w") as output:
            words = [sys.executable, "-m", *map(str, (*command, *where)), "--log-level", "error"]
            process = subprocess.Popen(words, cwd=folder, env=env, stdout=output, stderr=output)
            try:
                ids = [asked(port, i) for i in range(requests)]
                process.send_signal(signal.SIGTERM)
                began = time.monotonic()
                status = process.wait(60)
            finally:
                process.kill()
        return (
            set(ids),
            far_end.received()[0],
            sum(far_end.counts().values()),
            status,
            time.monotonic() - began,
        )


def servers(options):
    """SIGTERM right after the last answer; True when every signal has every prediction once."""
    rows, kept = [], True
    for name, command in track(SERVERS.items(), description="servers", transient=True):
        ids, seen, counted, status, seconds = serve(command, options.requests)
        arrived = [seen[signal].total() for signal in SIGNALS]
        complete = all(seen[signal].keys() == ids for signal in SIGNALS)
        kept &= complete and {*arrived, counted} == {options.requests}
        rows.append(
            (name, *(f"{n}/{options.requests}" for n in (*arrived, counted)), status, f"{seconds:.2f}")
        )
    columns = ("server", "spans", "logs", "counter", "exit status", "end, s")
    show(f"SIGTERM after {options.requests} predictions", columns, rows)
    return kept


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    for name, run in (("outage", outage), ("exit", leave_all), ("forks", forks), ("servers", servers)):
        commands.add_parser(name, help=run.__doc__).set_defaults(run=run)
    commands.choices["outage"].add_argument("--outage", type=float, default=60, help="seconds")
    commands.choices["outage"].add_argument("--rate", type=float, default=200, help="calls a second")
    commands.choices["forks"].add_argument("--forks", type=int, default=500)
    commands.choices["servers"].add_argument("--requests", type=int, default=400)
    options = parser.parse_args()
    sys.exit(not options.run(options))


if __name__ == "__main__":
    main()

"""What a Collector's crash costs: SIGKILL under load, the same Collector again, and a count at the backend.

A process makes predictions at a steady rate and sends to a real Collector, whose backend is down at first, so
that what the Collector accepts waits in its queue on disk. Then the Collector is killed, started again after
the outage, and the backend comes back. Every span that the Collector had accepted must arrive.

    python benchmarks/collector_outage.py                    30 s without a Collector, about 1 min in all
    python benchmarks/collector_outage.py --outage 3 --before 2 --after 2 --json
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from stack_servers import Collector, OtlpSink, arrivals  # noqa: E402 - found by the path above

TRAFFIC = """
import json, sys, time
import modelspan
from modelspan import _setup

modelspan.configure(service_name="outage", endpoint=sys.argv[1], exit_timeout_seconds=30)

@modelspan.monitor(model="steady", version="1")
def predict(row):
    return 0.5

rate, seconds = float(sys.argv[2]), float(sys.argv[3])
started, made, slowest = time.perf_counter(), 0, 0.0
while (now := time.perf_counter()) - started < seconds:
    if made < (now - started) * rate:
        predict({"x": 1.0})
        slowest = max(slowest, time.perf_counter() - now)
        made += 1
    else:
        time.sleep(0.5 / rate)
modelspan.flush(timeout=60)
ledger = _setup.current.ledger
dropped = {f"{signal} {reason}": n for (signal, reason), n in ledger.dropped.items() if n}
accepted = ledger.delivered["spans"]
print(json.dumps({"made": made, "accepted": accepted, "dropped": dropped, "slowest": slowest}))
"""


def measure(rate, before, outage, after):
    """Run one outage; seconds for `before`, `outage` and `after`."""
    sink = OtlpSink()
    threading.Thread(target=sink.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        env = {
            "JAEGER_URL": f"{sink.url}/jaeger",
            "PROMETHEUS_URL": f"{sink.url}/prometheus",
            "ELASTICSEARCH_URL": f"{sink.url}/es",
            "BATCH_TIMEOUT": "200ms",
        }
        with Collector(env=env).start(Path(folder)) as collector:
            figures = _outage(sink, collector, rate, (before, outage, after))
    sink.shutdown()
    sink.server_close()
    return figures


def _outage(sink, collector, rate, phases):
    before, outage, _after = phases
    sink.status = 503
    traffic = subprocess.Popen(
        [sys.executable, "-c", TRAFFIC, collector.url, str(rate), str(sum(phases))],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "OTEL_METRICS_EXPORTER": "none"},
    )  # fmt: skip
    time.sleep(before)
    collector.kill()
    killed = time.perf_counter()
    queued = _folder_bytes(collector.state / "queue")
    time.sleep(outage)
    collector.start(60)
    down = time.perf_counter() - killed
    sink.status = 200
    said, _ = traffic.communicate(timeout=sum(phases) + 120)
    client = json.loads(said)
    returned = time.perf_counter()
    arrived = _settled(sink, client["accepted"])
    total = sum(len(spans) for spans in arrivals.bodies_of_spans(sink, "/jaeger/v1/traces"))
    return {
        "rate": rate,
        "collector_down_s": round(down, 1),
        "queue_on_disk_at_kill_kib": queued // 1024,
        "predictions": client["made"],
        "spans_accepted_by_collector": client["accepted"],
        "spans_dropped_by_client": sum(
            n for name, n in client["dropped"].items() if name.startswith("spans")
        ),
        "spans_at_backend": len(arrived),
        "accepted_and_lost": max(0, client["accepted"] - len(arrived)),
        "duplicates": total - len(arrived),
        "drained_s": round(time.perf_counter() - returned, 1),
        "slowest_predict_ms": round(client["slowest"] * 1000, 1),
    }


def _settled(sink, wanted, seconds=120):
    """Spans at the backend, when as many are there as were accepted, or after a generous while."""
    deadline = time.monotonic() + seconds
    while len(found := arrivals.spans(sink, "/jaeger/v1/traces")) < wanted and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def _of_spans(dropped):
    return sum(count for name, count in dropped.items() if name.startswith("spans "))


def _folder_bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=200, help="predictions per second")
    parser.add_argument("--before", type=float, default=10, help="seconds before the kill")
    parser.add_argument("--outage", type=float, default=30, help="seconds without a Collector")
    parser.add_argument("--after", type=float, default=10, help="seconds of traffic after the new start")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    figures = measure(options.rate, options.before, options.outage, options.after)
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):<30} {value:>12,}")


if __name__ == "__main__":
    main()

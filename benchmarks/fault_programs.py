"""Programs that `faults.py` runs in processes of their own; each is monitored as a user's would be."""

EXIT = """
import atexit, json, sys, time

def report():  # registered before modelspan's own end, so it runs after that
    print(json.dumps({
        "emitted": dict(ledger.emitted), "delivered": dict(ledger.delivered), "stored": dict(ledger.stored),
        "dropped": {f"{s} {reason}": n for (s, reason), n in ledger.dropped.items()},
    }), flush=True)

atexit.register(report)
import modelspan
from modelspan import _setup

url, spool, healthy = sys.argv[1:]
modelspan.configure(service_name="exit", endpoint=url, spool=spool)

@modelspan.monitor(model="exit", version="1")
def predict(features):
    return 0.5

ledger = _setup.current.ledger
if healthy == "healthy":
    predict({"a": 1})
    assert modelspan.flush(30)
print("ready", flush=True)
input()
for i in range(3000):
    predict({"a": i})
print(time.monotonic(), flush=True)
"""

FORKS = """
import json, os, signal, sys, threading, time
import modelspan
from modelspan import _setup

url, forks, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
modelspan.configure(service_name="forks", endpoint=url, metric_interval_seconds=1)

@modelspan.monitor(model="forks", version="1")
def predict(features):
    return 0.5

stop = threading.Event()
calls = [0] * 4

def busy(index):
    while not stop.is_set():
        predict({"a": index})
        calls[index] += 1

threads = [threading.Thread(target=busy, args=(i,)) for i in range(4)]
for thread in threads:
    thread.start()
hung = failed = inherited = 0
for i in range(forks):
    child = os.fork()
    if not child:
        signal.alarm(60)  # one that hangs is killed, and the parent sees it
        predict({"a": -1})
        with open(f"{folder}/child-{i}", "w") as file:
            file.write(modelspan.current_prediction().id)
        delivered = modelspan.flush(50)
        counts = _setup.current.ledger.emitted
        own = all(counts[name] == 1 for name in ("predictions", "spans", "logs"))
        os._exit(1 if not own else 0 if delivered else 2)
    status = os.waitpid(child, 0)[1]
    hung += os.WIFSIGNALED(status)
    inherited += os.waitstatus_to_exitcode(status) == 1
    failed += os.waitstatus_to_exitcode(status) == 2
    print("forked", flush=True)
stop.set()
for thread in threads:
    thread.join()
ledger = _setup.current.ledger
flushed = modelspan.flush(60)
modelspan.shutdown(5)
print(json.dumps({
    "calls": sum(calls), "hung": hung, "failed": failed, "inherited": inherited,
    "emitted": dict(ledger.emitted), "delivered": dict(ledger.delivered),
    "dropped": {f"{s} {reason}": n for (s, reason), n in ledger.dropped.items()},
}), flush=True)
"""

SERVED = """
import json
import modelspan

@modelspan.monitor(model="served", version="1")
def predict(features):
    return 0.5

def answer(body):
    predict(json.loads(body))
    return modelspan.current_prediction().id.encode()

def wsgi(environ, start_response):
    body = answer(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    start_response("200 OK", [("content-type", "text/plain"), ("content-length", str(len(body)))])
    return [body]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = answer((await receive())["body"])
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""

ASGI = ("gunicorn", "served:asgi", "--workers", "2", "--worker-class", "uvicorn_worker.UvicornWorker")
SERVERS = {
    "uvicorn": ("uvicorn", "served:asgi", "--workers", "1"),
    "uvicorn, 2 workers": ("uvicorn", "served:asgi", "--workers", "2"),
    "gunicorn, 2 sync workers": ("gunicorn", "served:wsgi", "--workers", "2"),
    "gunicorn, 2 × 4 threads": ("gunicorn", "served:wsgi", "--workers", "2", "--threads", "4"),
    "gunicorn, preloaded": ("gunicorn", "served:wsgi", "--workers", "2", "--preload"),
    "gunicorn, 2 uvicorn workers": ASGI,
    "the same, preloaded": (*ASGI, "--preload"),
    "the same, replaced after 50 requests": (*ASGI, "--max-requests", "50"),
    "the same, with uvicorn's own class": (*ASGI[:-1], "uvicorn.workers.UvicornWorker"),
}

"""Programs that tests talk to: a line in, a line out, so that a test decides what comes before what."""

import json
import queue
import subprocess
import threading
from collections import Counter


class Driven:
    """A process that reads lines and writes lines."""

    def __init__(self, *command, **settings):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **settings,
        )
        self.lines, self.errors = queue.SimpleQueue(), []
        self._threads = [
            threading.Thread(
                target=lambda: [self.lines.put(line) for line in self.process.stdout], daemon=True
            ),
            threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def tell(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hear(self, seconds=60):
        """The next line of output."""
        try:
            return self.lines.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"nothing said in {seconds} s; {''.join(self.errors)}") from None

    def ask(self, line, seconds=60):
        """Tell it to do something, and wait for what it answers."""
        self.tell(line)
        return json.loads(self.hear(seconds))

    def wait(self, seconds=60):
        """Wait for the end; the exit status."""
        status = self.process.wait(seconds)
        for thread in self._threads:
            thread.join(seconds)
        return status

    def kill(self):
        """Make sure that it runs no more, also where it is stopped."""
        self.process.kill()
        self.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


PROGRAM = """
import json, sys
import modelspan
from modelspan import _setup
from opentelemetry import trace

@modelspan.monitor(model="m", log_features=["a", "text"])
def predict(x):
    return 0.75

modelspan.configure(service_name="driven")
ledger = _setup.current.ledger

def account():
    dropped = {f"{signal} {reason}": count for (signal, reason), count in ledger.dropped.items()}
    return {"emitted": dict(ledger.emitted), "delivered": dict(ledger.delivered), "dropped": dropped}

for line in iter(sys.stdin.readline, "end\\n"):
    word, number = line.split()
    if word == "predict":
        said = all(predict({"a": i, "text": "short"}) == 0.75 for i in range(int(number)))
    elif word == "span":
        trace.get_tracer("app").start_span("own", attributes={"text": "x" * int(number)}).end()
        said = True
    elif word == "flush":
        said = modelspan.flush(float(number))
    elif word == "shutdown":
        said = modelspan.shutdown(float(number))
    else:
        said = account()
    print(json.dumps(said), flush=True)
"""
"""Does what it is told with a number: `predict 100`, `flush 30`, `shutdown 5`, `account 0`; ends at `end`."""


def balance(account, signal, waiting=0):
    """Whether each record of a signal was delivered, dropped, or waits still."""
    dropped = sum(count for what, count in account["dropped"].items() if what.startswith(f"{signal} "))
    return account["emitted"][signal] == account["delivered"].get(signal, 0) + dropped + waiting


def twice(ids):
    """How many ids came more than once."""
    return sum(count - 1 for count in Counter(ids).values())

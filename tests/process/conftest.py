"""A real backend in this process, and programs of a user's run in others."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from modelspan.viewer.queries import Queries
from modelspan.viewer.serve import Backend, BackendConfig

PROGRAM = """
import sys
import modelspan

@modelspan.monitor(model="m", version="1", task="binary", classes=("good", "bad"), log_features=["a"])
def predict(x):
    if x["a"] < 0:
        raise ValueError("negative")
    return 0.75
"""


@pytest.fixture
def backend(tmp_path):
    """A backend on free ports; closed after the test."""
    running = Backend(BackendConfig(otlp_port=0, port=0, data=tmp_path / "data"))
    running.start()
    yield running
    running.close()


@pytest.fixture
def queries(backend, tmp_path):
    return Queries(tmp_path / "data" / "modelspan.sqlite")


_NOT_OURS = ("OTEL_", "SENTRY_", "MODELSPAN_")


class Program:
    """A Python program in a process of its own, with its telemetry sent to `endpoint`."""

    def __init__(self, tmp_path, endpoint, code, **env):
        self.path = tmp_path / "program.py"
        self.path.write_text(textwrap.dedent(PROGRAM) + textwrap.dedent(code))
        self.env = {
            **{
                name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SENTRY_"))
            },
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "PYTHONPATH": str(tmp_path),
            **env,
        }

    def run(self, timeout=60):
        """Run to the end; the finished process with its output, and the seconds it took."""
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, self.path],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return done, time.monotonic() - began

    def start(self, *command, **streams):
        """Start `command` (default: the program) and go on."""
        return subprocess.Popen(
            command or [sys.executable, self.path],
            env=self.env,
            cwd=self.path.parent,
            **streams,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture
def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def program(tmp_path, backend):
    """Make a program that sends to the backend."""
    return lambda code, **env: Program(tmp_path, backend.otlp_url, code, **env)


@pytest.fixture
def stop():
    """End processes by pid, and wait for them; those still running after the test are killed."""
    started = []

    def end(process, sig=signal.SIGTERM, timeout=30):
        started.append(process)
        process.send_signal(sig)
        output, _ = process.communicate(timeout=timeout)
        return output

    yield end
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()

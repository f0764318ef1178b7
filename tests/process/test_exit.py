"""The end of a process: what was recorded arrives, and an end without a backend is short."""

import contextlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest


def calls(queries):
    return sum(model["calls"] for model in queries.models()["models"])


@pytest.mark.parametrize(
    ("ending", "status"),
    [("", 0), ("sys.exit(3)", 3), ("raise RuntimeError('uncaught')", 1)],
    ids=["normal", "sys.exit", "uncaught exception"],
)
def test_d01_everything_arrives_when_a_program_ends(program, queries, ending, status):
    done, _ = program(f"for i in range(200): predict({{'a': i}})\n{ending}").run()
    assert done.returncode == status, done.stderr
    assert calls(queries) == 200
    (model,) = queries.models()["models"]
    assert (model["model"], model["version"], model["predictions"]) == ("m", "1", 200)
    assert len(queries.logs(event="ml.prediction", limit=1000)["logs"]) == 200
    points = queries.metrics("ml.inference.predictions")["series"][0]["points"]
    assert points[-1]["value"] == 200


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_d01_everything_arrives_when_a_signal_ends_a_program(program, queries, stop, sig):
    process = program("""
        import time
        for i in range(200): predict({"a": i})
        print("ready", flush=True)
        time.sleep(60)
    """).start()
    assert process.stdout.readline() == "ready\n"
    stop(process, sig)
    assert process.returncode in (-sig, 130, 1)
    assert calls(queries) == 200


def test_d01_a_handler_of_the_application_is_left_alone(program, queries, stop):
    process = program("""
        import signal, sys, time
        def bye(*_):
            print("bye", flush=True)
            sys.exit(7)
        signal.signal(signal.SIGTERM, bye)
        for i in range(50): predict({"a": i})
        print("ready", flush=True)
        time.sleep(60)
    """).start()
    assert process.stdout.readline() == "ready\n"
    assert "bye" in stop(process)
    assert process.returncode == 7
    assert calls(queries) == 50


def nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_with_nothing_listening_answers_stay_and_the_exit_is_short_and_says_what_was_lost(program):
    done, _ = program(
        """
        import atexit, time
        answers = [predict({"a": i}) for i in range(10_000)]
        assert answers == [0.75] * 10_000
        print("ended", time.monotonic(), flush=True)
        atexit.register(lambda: None)
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=nothing_listens(),
    ).run()
    assert done.returncode == 0, done.stderr
    lost = [line for line in done.stderr.splitlines() if "modelspan dropped" in line]
    assert len(lost) == 1, done.stderr
    spans = sum(int(count.replace(",", "")) for count in re.findall(r"([\d,]+) spans", lost[0]))
    assert spans >= 9_000, lost[0]


def drip(server):
    """Answer every connection with a byte each 0.1 s, until the server is closed."""
    while True:
        try:
            made = server.accept()[0]
        except OSError:
            return
        threading.Thread(target=drip_into, args=(made,), daemon=True).start()


def drip_into(made):
    with contextlib.suppress(OSError), made:
        while True:
            made.sendall(b"H")
            time.sleep(0.1)


@pytest.mark.parametrize("endpoint", ["refused", "black hole", "dripping"])
def test_d03_the_exit_is_bounded_to_five_seconds_in_all(program, endpoint):
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        url = nothing_listens() if endpoint == "refused" else f"http://127.0.0.1:{server.getsockname()[1]}"
        if endpoint == "dripping":
            threading.Thread(target=drip, args=(server,), daemon=True).start()
        code = """
            import time
            for i in range(3000): predict({"a": i})
            import atexit, os
            began = time.monotonic()
            import modelspan._setup as setup
            at_exit = setup._at_exit
            atexit.unregister(at_exit)
            def timed():
                at_exit()
                print("exit took", time.monotonic() - began, flush=True)
            atexit.register(timed)
        """
        done, _ = program(code, OTEL_EXPORTER_OTLP_ENDPOINT=url).run()
    assert done.returncode == 0, done.stderr
    took = float(re.search(r"exit took ([\d.]+)", done.stdout).group(1))
    assert took <= 7  # 5 s are promised; a busy machine may be late to wake us
    assert "modelspan dropped" in done.stderr


def test_an_import_starts_nothing_and_the_first_call_does(program):
    done, _ = program("""
        import threading
        assert threading.active_count() == 1
        predict({"a": 1})
        assert threading.active_count() > 1
        modelspan.shutdown(5)
        import time; time.sleep(0.2)
        left = [t.name for t in threading.enumerate() if t.name.startswith(("modelspan", "Otel"))]
        assert not left, left
    """).run()
    assert done.returncode == 0, done.stderr


def test_flush_is_true_only_when_everything_was_accepted(program, queries):
    done, _ = program("""
        predict({"a": 1})
        assert modelspan.flush(30) is True
    """).run()
    assert done.returncode == 0, done.stderr
    done, _ = program(
        """
        import time
        predict({"a": 1})
        began = time.monotonic()
        assert modelspan.flush(1) is False
        assert time.monotonic() - began < 5
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=nothing_listens(),
    ).run()
    assert done.returncode == 0, done.stderr


def test_an_outage_is_one_line_not_one_for_each_retry(program):
    done, _ = program(
        "import time\nfor i in range(3): predict({'a': i}); time.sleep(1)",
        OTEL_EXPORTER_OTLP_ENDPOINT=nothing_listens(),
        MODELSPAN_METRIC_INTERVAL_SECONDS="0.5",
    ).run()
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) <= 4, done.stderr
    assert len([line for line in lines if "modelspan dropped" in line]) == 1


def test_the_program_runs_the_same_under_warnings_as_errors(tmp_path):
    code = "import modelspan\n@modelspan.monitor(model='m')\ndef f(x): return 1\nf({})\nmodelspan.shutdown(1)"
    env = {"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

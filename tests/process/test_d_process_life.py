"""Section D of the fault catalogue, what the other files here leave: each test is named by its row."""

import os
import signal
import subprocess
import sys
import time

import pytest

from modelspan.viewer.queries import Queries

FORKS = """
import os, signal, threading
from opentelemetry import trace

def child_ends_well(work):
    child = os.fork()
    if not child:
        signal.alarm(60)  # one that hangs is killed, and the parent sees it
        try:
            work()
        finally:
            os._exit(0 if modelspan.flush(30) else 9)
    assert os.waitpid(child, 0)[1] == 0
"""


def calls(queries, model="m"):
    return sum(each["calls"] for each in queries.models()["models"] if each["model"] == model)


def counted(queries):
    series = queries.metrics("ml.inference.predictions").get("series", [])
    return sum(one["points"][-1]["value"] for one in series)


def test_d06_forks_with_a_span_open_inside_predict_in_a_fork_and_from_a_thread_never_hang(program, queries):
    done, _ = program(
        FORKS
        + """
one = lambda: predict({"a": 1})

with trace.get_tracer("app").start_as_current_span("open"):
    predict({"a": 0})
    child_ends_well(one)

@modelspan.monitor(model="forks")
def forks(x):
    child_ends_well(one)
    return 0.5

assert forks({"a": 1}) == 0.5
child_ends_well(lambda: child_ends_well(one))
thread = threading.Thread(target=lambda: child_ends_well(one))
thread.start()
thread.join()
predict({"a": 2})
"""
    ).run(timeout=120)
    assert done.returncode == 0, done.stderr
    # of the parent two; one in each of four children, of which the second level counts for the third
    assert calls(queries) == 6
    assert calls(queries, "forks") == 1
    assert counted(queries) == 7


def test_d06_a_program_started_from_predict_with_its_files_closed_harms_nobody(program, queries):
    done, _ = program("""
        import subprocess
        @modelspan.monitor(model="starts")
        def starts(x):
            subprocess.run(["/bin/true"], close_fds=True, check=True)
            return 0.5
        for i in range(20):
            assert starts({"a": i}) == 0.5
    """).run()
    assert done.returncode == 0, done.stderr
    assert calls(queries, "starts") == 20


@pytest.mark.parametrize("pool", ["multiprocessing.Pool", "ProcessPoolExecutor"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_d07_pools_lose_nothing(program, queries, pool, method):
    done, _ = program(f"""
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        def work(i):
            return predict({{"a": i}})
        if __name__ == "__main__":
            context = multiprocessing.get_context("{method}")
            if "{pool}" == "ProcessPoolExecutor":
                with ProcessPoolExecutor(2, mp_context=context) as pool:
                    assert list(pool.map(work, range(40))) == [0.75] * 40
            else:
                pool = context.Pool(2)
                assert pool.map(work, range(40)) == [0.75] * 40
                pool.close()
                pool.join()
    """).run(timeout=120)
    assert done.returncode == 0, done.stderr
    assert calls(queries) == 40


GUNICORN = """
def application(environ, start_response):
    answer = predict({"a": 1})
    start_response("200 OK", [("content-type", "text/plain")])
    return [str(answer).encode()]

async def served(scope, receive, send):
    if scope["type"] == "http":
        answer = predict({"a": 1})
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": str(answer).encode()})
"""
UVICORN = ("program:served", "--worker-class", "uvicorn_worker.UvicornWorker")


@pytest.mark.parametrize(
    "words",
    [("program:application",), UVICORN, (*UVICORN, "--preload")],
    ids=["sync", "uvicorn", "uvicorn, preloaded"],
)
def test_d08_workers_replaced_after_some_requests_lose_nothing(
    program, queries, stop, until, free_port, *, words
):
    process = program(GUNICORN).start(
        sys.executable, "-m", "gunicorn", *words, "--workers", "2", "--max-requests", "20",
        "--bind", f"127.0.0.1:{free_port}", "--log-level", "error",
    )  # fmt: skip
    import urllib.error
    import urllib.request

    answered = 0

    def ask():
        nonlocal answered
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/", timeout=10) as reply:
                answered += reply.read() == b"0.75"
        except OSError:  # no worker listens just now, or one ended before it took the request
            return False
        return True

    try:
        until(ask)
        for _ in range(100):
            until(ask)
    finally:
        output = stop(process)
    assert calls(queries) == answered, output
    assert counted(queries) == answered, output


CELERY = """
import os
from celery import Celery
folder = os.environ["QUEUES"]
app = Celery("tasks", broker="filesystem://", backend=f"file://{folder}/results")
app.conf.broker_transport_options = {
    "data_folder_in": f"{folder}/q", "data_folder_out": f"{folder}/q", "processed_folder": f"{folder}/p",
    "store_processed": False,
}
app.conf.worker_hijack_root_logger = False
app.conf.broker_connection_retry_on_startup = True

@app.task(name="score")
def score(i):
    return predict({"a": i})
"""


def test_d09_a_celery_worker_that_ends_warm_loses_nothing(program, queries, stop, tmp_path):
    for name in ("q", "p", "results"):
        (tmp_path / "queues" / name).mkdir(parents=True)
    made = program(CELERY, QUEUES=str(tmp_path / "queues"))
    worker = made.start(
        sys.executable, "-m", "celery", "-A", "program", "worker", "--pool", "prefork", "--concurrency", "2",
        "--without-gossip", "--without-mingle", "--without-heartbeat", "--max-tasks-per-child", "15",
        "--loglevel", "ERROR",
    )  # fmt: skip
    code = "import program; r=[program.score.delay(i) for i in range(60)]; [x.get(timeout=60) for x in r]"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], env=made.env, cwd=tmp_path, capture_output=True, text=True,
            timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    finally:
        output = stop(worker)
    assert calls(queries) == 60, output
    assert counted(queries) == 60, output


def test_d10_calls_during_the_end_of_the_interpreter_answer_and_nothing_is_said(program, queries):
    done, _ = program("""
        import atexit, threading, time
        def late():
            for i in range(50): assert predict({"a": i}) == 0.75
        atexit.register(late)             # runs after ours, which was registered later
        predict({"a": 1})
        atexit.register(late)             # runs before ours
        def busy():
            until = time.monotonic() + 1.0
            while time.monotonic() < until: assert predict({"a": 1}) == 0.75
        threading.Thread(target=busy).start()
        threading.Thread(target=busy, daemon=True).start()
    """).run()
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "cannot schedule" not in done.stderr
    assert calls(queries) > 51


def test_d11_a_process_that_is_frozen_between_calls_loses_nothing_and_flushes_per_call(
    program, queries, stop
):
    process = program("""
        for line in iter(input, "end"):
            predict({"a": 1})
            assert modelspan.flush(30)
            print("flushed", flush=True)
    """).start(stdin=subprocess.PIPE)
    for _ in range(3):
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "flushed\n"
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(1.0)
        os.kill(process.pid, signal.SIGCONT)
    assert calls(queries) == 3
    process.stdin.write("end\n")
    process.stdin.close()
    assert process.wait(timeout=30) == 0


def test_d14_shutdown_from_everywhere_at_once_is_one_end(program, queries):
    done, _ = program("""
        import signal, threading, time
        for i in range(100): predict({"a": i})
        signal.signal(signal.SIGUSR1, lambda *_: modelspan.shutdown(5))
        began = time.monotonic()
        threads = [threading.Thread(target=modelspan.shutdown, args=(5,)) for _ in range(4)]
        for thread in threads: thread.start()
        signal.raise_signal(signal.SIGUSR1)
        for thread in threads: thread.join()
        modelspan.shutdown(5)
        assert time.monotonic() - began < 30
        ours = [t.name for t in threading.enumerate() if t.name.startswith("modelspan")]
        assert not ours, ours
        assert predict({"a": 1}) == 0.75
    """).run()
    assert done.returncode == 0, done.stderr
    assert calls(queries) == 100


def test_d04_of_a_killed_process_at_most_the_last_second_is_lost(program, tmp_path, backend):
    for kill in ("os.kill(os.getpid(), signal.SIGKILL)", "os._exit(0)"):
        done, _ = program(f"""
            import os, signal, time
            for i in range(100): predict({{"a": i}})
            assert modelspan.flush(30)
            for i in range(20): predict({{"a": i}})
            {kill}
        """).run()
        assert done.returncode in (-signal.SIGKILL, 0), done.stderr
    queries = Queries(tmp_path / "data" / "modelspan.sqlite")
    assert 200 <= calls(queries) <= 240

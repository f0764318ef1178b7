"""Forks, workers and web servers: counts add up, nothing hangs, nothing is sent twice."""

import json
import socket
import sys
import urllib.request

import pytest


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def calls(queries):
    return sum(model["calls"] for model in queries.models()["models"])


def counted(queries):
    """Sum over processes of the newest cumulative count."""
    series = queries.metrics("ml.inference.predictions").get("series", [])
    return sum(one["points"][-1]["value"] for one in series)


def test_d05_a_forked_child_counts_from_zero_and_sends_for_itself(program, queries):
    done, _ = program("""
        import os
        for i in range(30): predict({"a": i})
        child = os.fork()
        for i in range(20): predict({"a": i})
        if child:
            assert os.waitpid(child, 0)[1] == 0
    """).run()
    assert done.returncode == 0, done.stderr
    assert calls(queries) == 70
    assert counted(queries) == 70
    series = queries.metrics("ml.inference.predictions")["series"]
    assert sorted(one["points"][-1]["value"] for one in series) == [20, 50]
    assert len({one["instance"] for one in series}) == 2


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_multiprocessing_pool_loses_nothing(program, queries, method):
    done, _ = program(f"""
        import multiprocessing
        def work(i):
            return predict({{"a": i}})
        if __name__ == "__main__":
            context = multiprocessing.get_context("{method}")
            processes = [context.Process(target=work, args=(i,)) for i in range(4)]
            for process in processes: process.start()
            for process in processes: process.join()
            assert [process.exitcode for process in processes] == [0] * 4
    """).run()
    assert done.returncode == 0, done.stderr
    assert calls(queries) == 4


def test_d05_forks_while_threads_predict_never_hang(program, queries):
    done, _ = program("""
        import os, threading
        stop = threading.Event()
        def flat_out():
            while not stop.is_set(): predict({"a": 1}); stop.wait(0.0005)
        threads = [threading.Thread(target=flat_out) for _ in range(4)]
        for thread in threads: thread.start()
        import time, signal
        for _ in range(25):
            child = os.fork()
            if not child:
                signal.alarm(60)  # a child that hangs is killed, and the parent sees it
                predict({"a": 2})
                os._exit(0 if modelspan.flush(30) else 1)
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        for thread in threads: thread.join()
    """).run(timeout=120)
    assert done.returncode == 0, done.stderr


def test_d05_a_child_samples_a_polars_frame_without_the_threads_that_it_lacks(program, queries):
    done, _ = program("""
        import os, signal
        import polars
        rows = modelspan.monitor(model="rows")(lambda frame: frame.height)
        frame = polars.DataFrame({"a": range(10_000), "b": ["x", "y"] * 5_000})
        frame.group_by("b").agg(polars.col("a").max())  # starts the threads of polars, here only
        rows(frame)
        child = os.fork()
        if not child:
            signal.alarm(60)
            assert rows(frame) == 10_000
            os._exit(0 if modelspan.flush(30) else 1)
        assert os.waitpid(child, 0)[1] == 0
    """).run()
    assert done.returncode == 0, done.stderr
    assert calls(queries) == 2


SERVICE = """
from fastapi import FastAPI
app = FastAPI()

@app.post("/predict")
def serve(body: dict):
    return {"answer": predict(body), "id": modelspan.current_prediction().id}
"""


def post(port, body, timeout=10):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=timeout) as reply:
        return json.load(reply)


def answers(port):
    try:
        post(port, {"a": 1})
    except OSError:
        return False
    return True


SERVERS = {
    "uvicorn": ["uvicorn", "program:app", "--log-level", "warning"],
    "uvicorn with 2 workers": ["uvicorn", "program:app", "--log-level", "warning", "--workers", "2"],
    "gunicorn with 2 forked workers": ["gunicorn", "program:application", "--workers", "2"],
    "gunicorn, preloaded": ["gunicorn", "program:application", "--workers", "2", "--preload"],
    "gunicorn with threads": ["gunicorn", "program:application", "--workers", "2", "--threads", "4"],
}

WSGI = """
import json
def application(environ, start_response):
    body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    answer = predict(body)
    start_response("200 OK", [("content-type", "application/json")])
    return [json.dumps({"answer": answer, "id": modelspan.current_prediction().id}).encode()]
"""


@pytest.mark.parametrize("name", SERVERS)
def test_d02_counts_add_up_after_sigterm_under_a_web_server(program, queries, stop, until, name):
    port = free_port()
    command = SERVERS[name]
    where = (
        ["--port", str(port)]
        if command[0] == "uvicorn"
        else ["--bind", f"127.0.0.1:{port}", "--log-level", "error"]
    )
    made = program(SERVICE if command[0] == "uvicorn" else WSGI)
    process = made.start(sys.executable, "-m", *command, *where)
    try:
        until(lambda: process.poll() is None and answers(port))
        before = 100
        ids = {post(port, {"a": i})["id"] for i in range(before)}
    finally:
        output = stop(process)
    assert len(ids) == before
    # `answers` got through exactly once
    assert calls(queries) == before + 1, output
    assert counted(queries) == before + 1, output
    assert process.returncode in (0, -15)


def test_user_spans_of_a_child_that_predicts_nothing_arrive_once(program, queries):
    done, _ = program("""
        import os, time
        from opentelemetry import trace
        predict({"a": 1})
        tracer = trace.get_tracer("app")
        with tracer.start_as_current_span("parent's"):
            pass
        child = os.fork()
        if not child:
            with tracer.start_as_current_span("child's"):
                pass
            trace.get_tracer_provider().force_flush()
            time.sleep(1.5)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    """).run()
    assert done.returncode == 0, done.stderr
    names = sorted(trace["name"] for trace in queries.traces()["traces"])
    assert names == ["child's", "parent's", "predict m"]

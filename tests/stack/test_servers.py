"""Each server of the stack is installed, starts, answers and stops; the cache is whole or absent."""

import json
import os
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
from stack_servers import cache

STACK = Path(__file__).parents[2] / "scripts" / "stack"


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


def test_prometheus_and_alertmanager_answer_their_interfaces(prometheus, alertmanager):
    info = json.loads(get(f"{prometheus.url}/api/v1/status/buildinfo"))
    assert info["status"] == "success"
    assert json.loads(get(f"{alertmanager.url}/api/v2/status"))["config"]


def test_a_stopped_server_is_gone_and_can_be_started_again_on_its_port(serve):
    from stack_servers import Sink

    sink = serve(Sink())
    pid = sink.pid
    sink.kill()
    assert not Path(f"/proc/{pid}").exists()
    sink.start(30)
    assert get(sink.url) == b"{}"
    sink.stop()


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_two_installs_at_once_build_once(own_cache):
    built, homes = [], []

    def build(into):
        built.append(into)
        (into / "program").write_text("done")

    threads = [threading.Thread(target=lambda: homes.append(cache.kept("x-1", build))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert homes == [own_cache / "x-1"] * 4
    assert (own_cache / "x-1" / "program").read_text() == "done"


def test_a_build_that_fails_leaves_nothing_that_looks_installed(own_cache):
    def build(into):
        (into / "half").write_text("")
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        cache.kept("x-1", build)
    assert [path.name for path in own_cache.iterdir()] == [".x-1.lock"]


def stack(*arguments, **env):
    return subprocess.run(
        [sys.executable, str(STACK), *arguments], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, **env},
    )  # fmt: skip


def test_the_command_explains_itself_with_examples_and_refuses_an_unknown_server():
    assert "examples:\n  scripts/stack install" in stack("--help").stdout
    assert "examples:" in stack("start", "--help").stdout
    refused = stack("install", "oracle")
    assert refused.returncode == 2
    assert "'oracle' is none of" in refused.stderr


def test_a_missing_tool_is_asked_for_in_words(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "nice").symlink_to("/usr/bin/nice")
    done = stack(
        "install", "collector",
        MODELSPAN_STACK_CACHE=str(tmp_path / "cache"), PATH=str(tmp_path / "bin"),
    )  # fmt: skip
    assert done.returncode == 1
    assert "no `go` on the PATH" in done.stderr
    assert "install Go 1.26 or newer" in done.stderr


def test_a_server_started_by_the_command_outlives_it_until_it_is_stopped(tmp_path):
    state = tmp_path / "state"
    try:
        started = stack("start", "sink", MODELSPAN_STACK_STATE=str(state))
        assert started.returncode == 0, started.stderr
        url = next(word for word in started.stdout.split() if word.startswith("http://"))
        assert get(url) == b"{}"
        assert url in stack("status", "sink", MODELSPAN_STACK_STATE=str(state)).stdout
    finally:
        stopped = stack("stop", MODELSPAN_STACK_STATE=str(state))
    assert "sink: stopped" in stopped.stderr
    assert "does not run" in stack("status", "sink", MODELSPAN_STACK_STATE=str(state)).stdout

"""`modelspan up` as its users run it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelspan.cli import app
from modelspan.cli.up import parse_size
from modelspan.config import data_folder
from modelspan.errors import ConfigError


@pytest.fixture
def up(tmp_path):
    """Start `modelspan up` on free ports; what it printed until its endpoints were known."""
    started = []

    def begin(*options, **environment):
        command = [sys.executable, "-m", "modelspan", "up", "--port", "0", "--otlp-port", "0", *options]
        given = {"PYTHONUNBUFFERED": "1", "MODELSPAN_DATA": str(tmp_path / "data"), **environment}
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **given}
        )
        started.append(process)
        said = ""
        while "Ctrl-C" not in said and (line := process.stdout.readline()):
            said += line
        return process, said

    yield begin
    for process in started:
        process.kill()
        process.wait(10)
        process.stdout.close()
        process.stderr.close()


def address(said, name):
    return re.search(rf"^{name}\s+(\S+)$", said, re.MULTILINE)[1]


def fetch(url, body=None, **headers):
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.loads(reply.read())


IDS = {"traceId": "ab" * 16, "spanId": "cd" * 8}
RECORD = {**IDS, "name": "x", "startTimeUnixNano": "1800000000000000000"}
SPAN = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [RECORD]}]}]}).encode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_says_where_it_is_takes_a_span_and_stops_with_status_0_with_everything_committed(
    up, tmp_path, number
):
    begun = time.monotonic()
    process, said = up()
    assert time.monotonic() - begun < 30  # 3 s alone; the machine is shared with other tests
    otlp = address(said, "OTLP")
    assert f"export OTEL_EXPORTER_OTLP_ENDPOINT={otlp}\n" in said
    assert address(said, "data") == str(tmp_path / "data" / "modelspan.sqlite")
    fetch(f"{otlp}/v1/traces", SPAN)
    process.send_signal(number)
    assert process.wait(20) == 0
    assert process.stderr.read() == ""
    process, said = up()
    assert fetch(address(said, "page") + "/api/traces")["traces"][0]["trace_id"] == "ab" * 16


def test_what_was_answered_with_200_survives_a_kill(up):
    process, said = up()
    fetch(address(said, "OTLP") + "/v1/traces", SPAN)
    process.kill()
    process.wait(10)
    _, said = up()
    assert fetch(address(said, "page") + "/api/traces")["traces"][0]["trace_id"] == "ab" * 16


def test_a_second_up_on_the_same_data_ends_with_status_1_and_one_line(up):
    up()
    process, said = up()
    assert process.wait(20) == 1
    message = process.stderr.read()
    assert "in use by another modelspan up" in message
    assert len(message.splitlines()) == 1
    assert said == ""


def test_a_token_from_the_environment_is_asked_for_and_never_printed(up):
    process, said = up("--host", "0.0.0.0", "--allow-remote", MODELSPAN_TOKEN="correct-horse-battery")
    page = address(said, "page")
    assert "correct-horse" not in said
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        fetch(f"{page}/healthz")
    refused.value.close()
    assert fetch(f"{page}/healthz", Authorization="Bearer correct-horse-battery")["status"] == "ok"
    process.terminate()
    assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--host", "0.0.0.0"], "host=0.0.0.0 is reachable by others; add --allow-remote and --token"),
        (["--host", "0.0.0.0", "--allow-remote"], "needs a token"),
        (["--token", "short"], "token has 5 characters and needs 16"),
        (["--max-size", "lots"], "max_size='lots' is not a size; use for example 500MB or 2GiB"),
        (["--keep-days", "-1"], "keep_days=-1.0 is not from 0"),
        (["--port", "99999"], "port=99999 is not a port"),
    ],
)
def test_wrong_options_end_with_status_1_and_say_what_to_do(tmp_path, options, message):
    result = CliRunner().invoke(app, ["up", "--data", str(tmp_path), *options])
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_without_the_extra_one_line_names_it():
    code = "import sys; sys.modules['waitress'] = None; from modelspan.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, "up"], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    assert result.stderr.splitlines() == ["modelspan up needs waitress: pip install 'modelspan[viewer]'"]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1000000", 10**6),
        ("500MB", 5 * 10**8),
        ("2GiB", 2 * 1024**3),
        ("1.5 gb", 15 * 10**8),
        ("3k", 3000),
        ("1TIB", 1024**4),
    ],
)
def test_sizes_are_read_with_decimal_and_binary_units(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "1e9", "1PB", "1 000", "nan", "1GBB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ConfigError, match="is not a size"):
        parse_size(text)


def test_the_data_lies_where_the_xdg_rules_say():
    assert data_folder({"XDG_DATA_HOME": "/srv/data"}) == Path("/srv/data/modelspan")
    home = Path.home() / ".local" / "share" / "modelspan"
    assert (
        data_folder({})
        == data_folder({"XDG_DATA_HOME": ""})
        == data_folder({"XDG_DATA_HOME": "relative"})
        == home
    )

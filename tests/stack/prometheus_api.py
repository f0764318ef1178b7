"""Ask a Prometheus."""

import json
import time
import urllib.parse
import urllib.request

CALM = {"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
"""Environment of a process whose metrics alone are wanted."""


def get(server, path, **parameters):
    """The data of an answer of the HTTP API."""
    url = f"{server.url}/api/v1/{path}"
    body = urllib.parse.urlencode(parameters).encode() if parameters else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=30) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from None


def query(server, expression, **at):
    """Labels and value of each series of an instant query, now or at a `time`."""
    answer = get(server, "query", query=expression, **at)
    if answer["resultType"] == "scalar":
        return [({}, float(answer["result"][1]))]
    found = answer["result"]
    return [(series["metric"], float(series["value"][1])) for series in found]


def wait_for(what, condition, seconds=90.0):
    """The first true answer of `condition`."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.5)
    return answer

"""collector/elasticsearch/setup.py against a server that answers as Kibana documents its import interface."""

import email
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import Answers, serving

SETUP = Path(__file__).parents[2] / "collector" / "elasticsearch" / "setup.py"
PROPERTIES = {name: {"type": "passthrough", "priority": 20} for name in ("attributes", "metrics")}


class Both(Answers):
    """Elasticsearch's answers to a first set-up, and Kibana's."""

    def do_GET(self):
        if self.path == "/api/status" and self.server.starting:
            self.server.starting -= 1
            self.answer(503, {"message": "Kibana server is not ready yet"})
        elif self.path.startswith(("/_cluster", "/api/status")):
            self.answer(self.server.status, {"status": "green"})
        else:
            self.answer(404 if "_component_template" in self.path else 200, {})

    def do_PUT(self):
        self.server.puts[self.path] = json.loads(self.body())
        self.answer(200, {"acknowledged": True})

    def do_POST(self):
        body = self.body()
        if "_simulate_index" in self.path:
            self.answer(200, {"template": {"mappings": {"properties": PROPERTIES}}})
            return
        head = f"Content-Type: {self.headers['Content-Type']}\n\n".encode()
        (part,) = email.message_from_bytes(head + body).get_payload()
        self.server.imported.append((self.path, dict(self.headers), part))
        saved = [json.loads(line) for line in part.get_payload(decode=True).splitlines()]
        done = [
            {"type": s["type"], "id": s["id"], "meta": {"title": s["attributes"]["title"]}} for s in saved
        ]
        errors = [{"type": "dashboard", "id": "modelspan-audit", "error": {"type": "unsupported_type"}}]
        refused = self.server.refuse in part.get_filename()
        self.answer(
            200, {"success": not refused, "successResults": done, **({"errors": errors} if refused else {})}
        )


@pytest.fixture
def server():
    with serving(Both, puts={}, imported=[], starting=0, status=200, refuse="nothing") as made:
        yield made


def run(url, **env):
    settings = {"ELASTICSEARCH_URL": url, "KIBANA_URL": url, "ELASTIC_WAIT_SECONDS": "20", **env}
    return subprocess.run(
        [sys.executable, str(SETUP)], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, **settings},
    )  # fmt: skip


def test_templates_are_put_and_every_dashboard_is_imported_once_kibana_is_up(server):
    server.starting = 2
    done = run(server.url, ELASTIC_USER="ann", ELASTIC_PASSWORD="s3cret")
    assert done.returncode == 0, done.stderr
    assert set(server.puts) == {
        f"/_component_template/{s}-otel@custom" for s in ("logs", "traces", "metrics")
    }
    put = server.puts["/_component_template/logs-otel@custom"]["template"]["mappings"]["properties"]
    assert put["attributes"]["type"] == "passthrough"
    assert put["attributes"]["properties"]["ml.prediction.score"]["type"] == "double"
    assert [part.get_filename() for _, _, part in server.imported] == [
        "audit.ndjson", "errors.ndjson", "predictions.ndjson",
    ]  # fmt: skip
    path, headers, part = server.imported[0]
    assert path == "/api/saved_objects/_import?overwrite=true"
    assert {name.lower(): value for name, value in headers.items()}["kbn-xsrf"]
    assert part.get_param("name", header="content-disposition") == "file"
    assert "dashboards Models: audit, Models: errors, Models: predictions" in done.stdout
    assert "s3cret" not in done.stdout + done.stderr


def test_what_kibana_does_not_import_is_an_error_that_names_it(server):
    server.refuse = "audit"
    done = run(server.url)
    assert done.returncode == 1
    assert "Kibana did not import audit.ndjson" in done.stderr
    assert "unsupported_type" in done.stderr


def test_wrong_credentials_are_told_at_once(server):
    server.status = 401
    done = run(server.url, ELASTIC_API_KEY="s3cret", ELASTIC_WAIT_SECONDS="3600")
    assert done.returncode == 1
    assert "Elasticsearch answered 401" in done.stderr
    assert "check ELASTIC_API_KEY" in done.stderr
    assert "s3cret" not in done.stderr


def test_nobody_there_is_told_after_the_wait(server):
    server.shutdown()
    server.server_close()
    done = run(server.url, ELASTIC_WAIT_SECONDS="0")
    assert done.returncode == 1
    assert f"Elasticsearch at {server.url} did not start in 0 s" in done.stderr
    assert "Traceback" not in done.stderr

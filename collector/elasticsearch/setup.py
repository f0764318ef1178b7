"""Bring Elasticsearch and Kibana to what modelspan's documents need; run it again after an upgrade.

It puts the component templates beside this file, adds the fields of fields.json to the cluster's definition
of what holds them, makes both effective in data streams that exist, and imports the dashboards of ../kibana.
What is right already stays. Standard library only.

    ELASTICSEARCH_URL=http://127.0.0.1:9200 KIBANA_URL=http://127.0.0.1:5601 python3 setup.py

Environment: ELASTICSEARCH_URL; KIBANA_URL (empty: no dashboards); ELASTIC_API_KEY, or ELASTIC_USER and
ELASTIC_PASSWORD; ELASTIC_CA_CERT, a file; ELASTIC_RETENTION, for example 30d; ELASTIC_WAIT_SECONDS, how long
both may take to start, 300.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SIGNALS = ("logs", "traces", "metrics")
OURS = "modelspan"
_BOUNDARY = "modelspan-7f1c2b"


class SetupError(Exception):
    """What is wrong and what to do."""


class RefusedError(SetupError):
    """The credentials do not do."""


class Client:
    """One of the two servers."""

    def __init__(self, name: str, url: str, env: dict[str, str]) -> None:
        """`env` holds the credentials; they are sent and never shown."""
        self.name, self.url = name, url.rstrip("/")
        self._headers = {"kbn-xsrf": "modelspan", **_authorization(env)}
        self._tls = ssl.create_default_context(cafile=env.get("ELASTIC_CA_CERT") or None)

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """The answer as JSON, None for 404.

        Raises:
            SetupError: If the server refuses; with its reason.
        """
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {**self._headers, "Content-Type": kind}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60, context=self._tls) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as refused:
            if refused.code == 404:
                return None
            said = refused.read(2000).decode(errors="replace")
            if refused.code in (401, 403):
                raise RefusedError(
                    f"{self.name} answered {refused.code} to {method} {path}; check ELASTIC_API_KEY, "
                    f"or ELASTIC_USER and ELASTIC_PASSWORD: {said}"
                ) from None
            raise SetupError(f"{self.name} answered {refused.code} to {method} {path}: {said}") from None

    def wait(self, path: str, seconds: float) -> Any:
        """The answer, once it gives one.

        Raises:
            SetupError: If it does not within `seconds`, or refuses the credentials.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.call("GET", path)
            except RefusedError:
                raise
            except (OSError, SetupError) as reason:
                if time.monotonic() > deadline:
                    raise SetupError(
                        f"{self.name} at {self.url} did not start in {seconds:g} s: {reason}"
                    ) from None
            time.sleep(1)


def _authorization(env: dict[str, str]) -> dict[str, str]:
    if env.get("ELASTIC_API_KEY"):
        return {"Authorization": f"ApiKey {env['ELASTIC_API_KEY']}"}
    if env.get("ELASTIC_PASSWORD"):
        pair = f"{env.get('ELASTIC_USER') or 'elastic'}:{env['ELASTIC_PASSWORD']}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def set_up_templates(client: Client, folder: Path, *, retention: str, force: bool) -> list[str]:
    """Put what differs and roll over; the names of the component templates that changed.

    Raises:
        SetupError: If the cluster has no OpenTelemetry templates, or somebody else's `@custom` is there.
    """
    fields = json.loads((folder / "fields.json").read_text())
    changed = []
    for signal in SIGNALS:
        name = f"{signal}-otel@custom"
        wanted = json.loads((folder / f"{name}.json").read_text())
        if retention:
            wanted["template"]["lifecycle"]["data_retention"] = retention
        before = _component(client, name)
        if before and before.get("_meta", {}).get("managed_by") != OURS and not force:
            raise SetupError(
                f"{name} is there and not ours; merge {name}.json into it, or replace it with --force"
            )
        _add_fields(client, signal, wanted, fields[signal])
        if before != wanted:
            client.call("PUT", f"/_component_template/{name}", wanted)
            _make_effective(client, signal, wanted["template"]["lifecycle"]["data_retention"])
            changed.append(name)
    return changed


def _component(client: Client, name: str) -> dict[str, Any]:
    found = client.call("GET", f"/_component_template/{name}?flat_settings=true")
    if found is None:
        return {}
    component: dict[str, Any] = found["component_templates"][0]["component_template"]
    _unify(component.get("template", {}))
    return component


def _unify(template: dict[str, Any]) -> None:
    """Elasticsearch answers settings as text and adds what is the default."""
    known = {"true": True, "false": False}
    settings = template.get("settings", {})
    template["settings"] = {name: known.get(value, value) for name, value in settings.items()}
    template.get("lifecycle", {}).pop("enabled", None)


def _add_fields(client: Client, signal: str, wanted: dict[str, Any], fields: dict[str, Any]) -> None:
    """Name fields inside the cluster's own objects: a template that names an object replaces all of it."""
    name = f"{signal}-modelspan.otel-setup"
    simulated = client.call("POST", f"/_index_template/_simulate_index/{name}")
    properties = ((simulated or {}).get("template") or {}).get("mappings", {}).get("properties", {})
    for holder, added in fields.items():
        own = properties.get(holder)
        if own is None:
            raise SetupError(
                f"no template of {signal}-*.otel-* maps `{holder}`: Elasticsearch 8.16 or newer brings "
                "them, unless xpack.otel_data.registry.enabled is false"
            )
        merged = {**own, "properties": {**own.get("properties", {}), **added}}
        mappings = wanted["template"].setdefault("mappings", {})
        mappings.setdefault("properties", {})[holder] = merged


def _make_effective(client: Client, signal: str, retention: str) -> None:
    """New settings and fields begin with the next write, retention at once."""
    found = client.call("GET", f"/_resolve/index/{signal}-*.otel-*") or {}
    for name in (stream["name"] for stream in found.get("data_streams", ())):
        client.call("PUT", f"/_data_stream/{name}/_lifecycle", {"data_retention": retention})
        client.call("POST", f"/{name}/_rollover?lazy=true")


def import_dashboards(client: Client, folder: Path) -> list[str]:
    """Import every file, replacing what has the same id; the titles of what was imported.

    Raises:
        SetupError: If Kibana could not import an object.
    """
    titles = []
    for path in sorted(folder.glob("*.ndjson")):
        head = f'Content-Disposition: form-data; name="file"; filename="{path.name}"'
        body = b"\r\n".join(
            (f"--{_BOUNDARY}".encode(), head.encode(), b"Content-Type: application/ndjson", b"",
             path.read_bytes(), f"--{_BOUNDARY}--".encode(), b"")
        )  # fmt: skip
        kind = f"multipart/form-data; boundary={_BOUNDARY}"
        done = client.call("POST", "/api/saved_objects/_import?overwrite=true", body, kind) or {}
        if not done.get("success"):
            raise SetupError(
                f"Kibana did not import {path.name}: {json.dumps(done.get('errors', done))[:2000]}"
            )
        titles += [each["meta"]["title"] for each in done["successResults"] if each["type"] == "dashboard"]
    return titles


def main() -> int:
    """Run; the status is 1 when something could not be done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--templates", type=Path, default=HERE, help="folder with the templates")
    parser.add_argument(
        "--dashboards", type=Path, default=HERE.parent / "kibana", help="folder with the NDJSON"
    )
    parser.add_argument("--force", action="store_true", help="replace @custom templates that are not ours")
    options = parser.parse_args()
    env = dict(os.environ)
    try:
        run(options, env)
    except (SetupError, OSError) as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace, env: dict[str, str]) -> None:
    """Elasticsearch, then Kibana."""
    seconds = float(env.get("ELASTIC_WAIT_SECONDS") or 300)
    elastic = Client("Elasticsearch", env.get("ELASTICSEARCH_URL") or "http://127.0.0.1:9200", env)
    elastic.wait("/_cluster/health?wait_for_status=yellow&timeout=1s", seconds)
    retention = env.get("ELASTIC_RETENTION", "")
    changed = set_up_templates(elastic, options.templates, retention=retention, force=options.force)
    print(f"setup: templates {', '.join(changed) or 'are as they should be'}")
    if env.get("KIBANA_URL"):
        kibana = Client("Kibana", env["KIBANA_URL"], env)
        kibana.wait("/api/status", seconds)
        print(f"setup: dashboards {', '.join(import_dashboards(kibana, options.dashboards))}")


if __name__ == "__main__":
    sys.exit(main())

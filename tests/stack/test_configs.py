"""Configurations of the Collector: valid where that can be checked, alike, and loud when one is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from stack_servers import Collector
from stack_servers.arrivals import wait_for
from stack_servers.server import free_port

FOLDER = Path(__file__).parents[2] / "collector"
COMPLETE = {
    "SENTRY_OTLP_URL": "https://sentry.example/api/1/integration/otlp",
    "SENTRY_PUBLIC_KEY": "key",
    "OTLP_TOKEN": "token",
}
ONLY_CONTRIB = {"tail_sampling", "elasticsearch", "load_balancing"}
BUILT = yaml.safe_load((FOLDER / "builder-config.yaml").read_text())
NO_BUNDLE = {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""}
PARTS = ("receivers", "processors", "connectors", "exporters", "extensions")


def load(name):
    return yaml.safe_load((FOLDER / name).read_text())


def validate(otelcol, *names, **env):
    command = [str(otelcol), "validate", *(f"--config={FOLDER / name}" for name in names)]
    clean = {name: value for name, value in os.environ.items() if name not in COMPLETE}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**clean, **env}
    )


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A self-signed certificate of 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("overlays", [(), ("sentry.yaml",), ("auth.yaml",), ("sentry.yaml", "auth.yaml")])
def test_the_core_configuration_is_valid_with_each_overlay(otelcol, overlays):
    done = validate(otelcol, "config.core.yaml", *overlays, **COMPLETE)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ("sentry.yaml", "exporters::otlp_http/sentry: at least one endpoint must be specified"),
        ("auth.yaml", "extensions::bearertokenauth: no bearer token provided"),
        ("tls.yaml", "TLS configuration must include both certificate and key"),
    ],
)
def test_a_missing_variable_stops_the_collector_and_the_message_names_the_part(otelcol, overlay, said):
    done = validate(otelcol, "config.core.yaml", overlay)
    assert done.returncode == 1
    assert said in done.stderr


def test_at_its_start_the_collector_names_the_variable_that_is_not_set(otelcol):
    environment = {name: value for name, value in os.environ.items() if name not in COMPLETE}
    done = subprocess.run(
        [str(otelcol), f"--config={FOLDER / 'config.core.yaml'}", f"--config={FOLDER / 'sentry.yaml'}"],
        capture_output=True, text=True, timeout=60, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 1
    for name in ("SENTRY_OTLP_URL", "SENTRY_PUBLIC_KEY"):
        assert f'"{name}"' in done.stderr


def test_a_wrong_address_of_a_backend_stands_in_the_log_with_its_exporter_and_the_reason(serve):
    collector = serve(
        Collector(
            env={
                "PROMETHEUS_URL": "prometheus:9090",
                "JAEGER_URL": f"http://127.0.0.1:{free_port()}",
                "ELASTICSEARCH_URL": "nonsense",
                "BATCH_TIMEOUT": "100ms",
            }
        )
    )
    doctor(collector.url)
    for exporter, reason in (
        ("otlp_http/prometheus", "unsupported protocol scheme"),
        ("otlp_http/jaeger", "connection refused"),
        ("otlp_http/elasticsearch", "unsupported protocol scheme"),
    ):
        wait_for(
            lambda exporter=exporter, reason=reason: [
                line
                for line in collector.log.read_text().splitlines()
                if exporter in line and "Exporting failed" in line and reason in line
            ],
            f"{exporter}: {reason}",
        )


def contrib_of(config):
    """The configuration without the components that only the contrib image has."""
    cut = {section: dict(config.get(section) or {}) for section in PARTS}
    for section in PARTS:
        cut[section] = {k: v for k, v in cut[section].items() if k.split("/")[0] not in ONLY_CONTRIB}
    return cut


def test_the_contrib_configuration_says_the_same_as_the_core_one_wherever_both_have_a_part():
    contrib, core = load("config.yaml"), load("config.core.yaml")
    mine, theirs = contrib_of(contrib), contrib_of(core)
    assert mine["connectors"].pop("forward/all") == {}
    theirs["exporters"].pop("otlp_http/elasticsearch")
    assert mine == theirs
    lines, others = contrib["service"]["pipelines"], core["service"]["pipelines"]
    assert set(lines) - set(others) == {"traces/sampling"}
    assert contrib["service"]["telemetry"] == core["service"]["telemetry"]
    assert contrib["service"]["extensions"] == core["service"]["extensions"]
    for name in set(others) - {"traces", *(n for n in others if n.endswith("/elasticsearch"))}:
        assert lines[name] == others[name]


def test_what_the_contrib_configuration_shares_is_accepted_by_the_real_collector(otelcol, tmp_path):
    """`config.yaml` with its contrib-only parts taken out: all else is checked by the real program."""
    config = {**contrib_of(load("config.yaml")), "service": load("config.yaml")["service"]}
    for line in config["service"]["pipelines"].values():
        line["processors"] = [p for p in line.get("processors", []) if p not in ONLY_CONTRIB]
        line["exporters"] = ["debug" if e in ONLY_CONTRIB else e for e in line["exporters"]]
    config["exporters"]["debug"] = {}
    path = tmp_path / "shared.yaml"
    path.write_text(yaml.safe_dump(config))
    done = subprocess.run(
        [str(otelcol), "validate", f"--config={path}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["config.yaml", "config.core.yaml", "gateway.yaml"])
def test_every_part_is_used_and_every_used_part_is_there(name):
    config = load(name)
    lines = config["service"]["pipelines"].values()
    uses = {
        u for line in lines for key in ("receivers", "processors", "exporters") for u in line.get(key, [])
    }
    uses |= set(config["service"]["extensions"])
    assert uses == {part for section in PARTS for part in config.get(section) or {}}


@pytest.mark.parametrize("name", ["config.yaml", "config.core.yaml", "gateway.yaml", "sentry.yaml"])
def test_every_exporter_keeps_its_queue_on_disk_and_never_gives_up(name):
    for exporter, config in load(name)["exporters"].items():
        assert config["sending_queue"]["storage"] == "file_storage/queue", exporter
        assert config["sending_queue"]["batch"], exporter
        if exporter == "elasticsearch":
            assert config["retry"]["max_retries"] >= 1_000_000
        else:
            assert config["retry_on_failure"]["max_elapsed_time"] in (0, "0s"), exporter


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_no_configuration_holds_a_secret_or_the_batch_processor(path):
    text = path.read_text()
    config = yaml.safe_load(text)
    assert "batch" not in (config.get("processors") or {})
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"token", "password", "api_key", "user", "x-sentry-auth", "authorization"}:
            assert "${env:" in value, line


def test_the_memory_limit_comes_first_and_span_metrics_before_sampling():
    config = load("config.yaml")
    lines = config["service"]["pipelines"]
    for name in ("traces", "logs", "metrics"):
        assert lines[name]["processors"][0] == "memory_limiter"
    assert "span_metrics" in lines["traces"]["exporters"]
    assert [n for n, line in lines.items() if "tail_sampling" in line.get("processors", [])] == [
        "traces/sampling"
    ]
    assert [n for n, line in lines.items() if "cumulative_to_delta" in line.get("processors", [])] == [
        "metrics/elasticsearch"
    ]


def doctor(endpoint, **env):
    done = subprocess.run(
        [sys.executable, "-m", "modelspan", "doctor", "--json", "--endpoint", endpoint],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **NO_BUNDLE, **env},
    )  # fmt: skip
    return {check["name"]: check for check in json.loads(done.stdout)}


@pytest.fixture(scope="session")
def guarded(serve, sink, certificate):
    """A Collector that asks for a token, over TLS."""
    return serve(
        Collector(
            "auth.yaml",
            "tls.yaml",
            env={
                "OTLP_TOKEN": "right",
                "TLS_CERT_FILE": str(certificate / "cert.pem"),
                "TLS_KEY_FILE": str(certificate / "key.pem"),
                "PROMETHEUS_URL": f"{sink.url}/guarded",
                "JAEGER_URL": f"{sink.url}/guarded",
                "ELASTICSEARCH_URL": f"{sink.url}/guarded",
                "BATCH_TIMEOUT": "200ms",
            },
        )
    )


def test_the_doctor_tells_a_wrong_token_a_wrong_certificate_and_plain_http_apart(guarded, certificate, sink):
    url, trusted = guarded.url.replace("http:", "https:"), str(certificate / "cert.pem")
    names = [f"{signal} delivery" for signal in ("traces", "logs", "metrics")]

    good = doctor(
        url, OTEL_EXPORTER_OTLP_CERTIFICATE=trusted, OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20right"
    )
    assert [good[name]["state"] for name in names] == ["ok"] * 3, good
    wait_for(lambda: sink.paths["/guarded/v1/traces"], "the doctor's span comes out at the other end")

    wrong = doctor(
        url, OTEL_EXPORTER_OTLP_CERTIFICATE=trusted, OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20wrong"
    )
    for name in names:
        assert wrong[name]["state"] == "failed"
        assert "401 Unauthorized" in wrong[name]["found"]
        assert "token" in wrong[name]["todo"]

    untrusted = doctor(url, OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20right")
    assert "certificate" in untrusted["traces delivery"]["found"].lower()
    assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in untrusted["traces delivery"]["todo"]

    overridden = doctor(url, REQUESTS_CA_BUNDLE="/etc/ssl/certs/ca-certificates.crt")
    assert "unset REQUESTS_CA_BUNDLE" in overridden["traces delivery"]["todo"]

    plain = doctor(guarded.url)
    assert "https" in plain["traces delivery"]["todo"]


def test_the_collector_takes_every_signal_by_grpc_too(collector):
    checks = doctor(f"http://127.0.0.1:{collector.ports['grpc']}", OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    assert [checks[f"{signal} delivery"]["state"] for signal in ("traces", "logs", "metrics")] == ["ok"] * 3


def test_the_doctor_knows_a_wrong_path_and_the_port_of_the_other_protocol(collector):
    path = doctor(f"{collector.url}/otlp")["traces delivery"]
    assert "404" in path["found"]
    assert "without /v1/traces" in path["todo"]
    grpc = doctor(f"http://127.0.0.1:{collector.ports['grpc']}")["traces delivery"]
    assert grpc["state"] == "failed"
    assert "gRPC" in grpc["todo"], grpc

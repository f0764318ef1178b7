"""docker-compose.yml is accepted by Docker's own program, names what exists, and listens on loopback only."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES = yaml.safe_load(TEXT)["services"]
REQUIRED = sorted(set(re.findall(r"\$\{(\w+):\?", TEXT)))
"""Variables without which it must not start."""
ONCE = {"prepare", "setup", "kibana-password"}
ASKED_FROM_OUTSIDE = {"collector", "jaeger"}
"""Their images hold no shell; the service `health` asks them."""


def config(compose, *arguments, **env):
    clean = {name: value for name, value in os.environ.items() if name not in REQUIRED}
    return subprocess.run(
        [*compose, "--env-file", os.devnull, *arguments],
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT, env={**clean, **env},
    )  # fmt: skip


def test_docker_compose_accepts_it_with_every_profile(compose):
    complete = dict.fromkeys(REQUIRED, "value-of-32-characters-or-more---")
    done = config(compose, "--profile", "*", "config", **complete)
    assert done.returncode == 0, done.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) == set(SERVICES)


@pytest.mark.parametrize("variable", REQUIRED)
def test_a_missing_secret_stops_it_and_is_named(compose, variable):
    others = {name: "value" for name in REQUIRED if name != variable}
    done = config(compose, "config", "--quiet", **others)
    assert done.returncode != 0
    assert variable in done.stderr
    assert ".env" in done.stderr


def test_every_variable_is_in_the_example_file():
    example = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE))
    assert set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT)) == named


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_listens_on_loopback_and_tells_its_health(name):
    service = SERVICES[name]
    assert re.search(r":v?\d+\.\d+\.\d+(-slim)?$", service["image"])
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert "healthcheck" in service or name in ONCE | ASKED_FROM_OUTSIDE
    for dependency, condition in (service.get("depends_on") or {}).items() if name != "health" else ():
        wanted = "service_completed_successfully" if dependency in ONCE else "service_healthy"
        assert condition["condition"] == wanted


def test_every_file_that_a_service_reads_is_in_the_repository():
    mounts = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    read = {mount.split(":")[0] for mount in mounts if mount.startswith("./")}
    assert read >= {"./collector", "./collector/prometheus", "./collector/jaeger.yml"}
    made_by_hand = {"./secrets/alertmanager"}
    assert not [path for path in read - made_by_hand if not (ROOT / path).exists()]


def test_the_collector_gets_every_address_that_its_configuration_takes():
    used = set(re.findall(r"\$\{env:(\w+)", (ROOT / "collector/config.yaml").read_text()))
    used |= set(re.findall(r"\$\{env:(\w+)", (ROOT / "collector/sentry.yaml").read_text()))
    given = set(SERVICES["collector"]["environment"])
    left_at_default = {"ELASTICSEARCH_API_KEY", "METRICS_PORT", "BATCH_TIMEOUT", "SPAN_METRICS_INTERVAL"}
    left_at_default |= {"SLOW_MILLISECONDS"}
    assert used - given == left_at_default


def test_loading_the_configuration_twice_changes_nothing(otelcol):
    """How docker-compose.yml starts the Collector when no overlay is chosen."""
    path = f"--config={ROOT / 'collector/config.core.yaml'}"
    once, twice = (
        subprocess.run(
            [str(otelcol), "print-config", *paths],
            capture_output=True, text=True, timeout=60, check=False,
        )
        for paths in ([path], [path, path])
    )  # fmt: skip
    assert once.returncode == 0, once.stderr
    assert once.stdout == twice.stdout


def test_prometheus_accepts_its_configuration(promtool):
    done = subprocess.run(
        [str(promtool), "check", "config", str(ROOT / "collector/prometheus/prometheus.yml")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

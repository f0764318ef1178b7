"""docs/production.md followed line by line, as far as that can be without a Docker engine."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stack_servers import Collector

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/production.md").read_text()
LINES = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
"""What the page tells to type; `console` blocks need a Docker engine."""
COPIED = (".env.example", "docker-compose.yml", "collector")


@pytest.fixture
def checkout(tmp_path):
    for name in COPIED:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    return tmp_path


@pytest.fixture
def collector(serve, sink):
    """One of its own: other tests count what comes to theirs."""
    names = ("PROMETHEUS_URL", "JAEGER_URL", "ELASTICSEARCH_URL")
    return serve(Collector(env=dict.fromkeys(names, f"{sink.url}/page")))


def test_every_line_of_the_page_does_what_it_says(checkout, collector, compose):
    """In one shell, with a Collector in the place of the one that Docker would start, and a shorter day."""
    assert len(LINES) >= 8
    script = "\n".join(["set -eux", *LINES]).replace("http://127.0.0.1:4318", collector.url)
    assert "--seconds 20" in script
    script = script.replace("--seconds 20", "--seconds 5")
    if compose != ["docker", "compose"]:
        script = script.replace("docker compose", compose[0])
    bin_folder = str(Path(sys.executable).parent)
    done = subprocess.run(
        ["bash", "-c", script], cwd=checkout, capture_output=True, text=True, timeout=180, check=False,
        env={**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "OTEL_SERVICE_NAME": "page"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Everything is fine" in done.stdout
    assert "nothing dropped" in done.stdout
    secrets = dict(re.findall(r"^([A-Z_]+)=(.*)$", (checkout / ".env").read_text(), re.MULTILINE))
    assert len(secrets) == len(set(secrets.values())) >= 4
    assert all(len(secret) == 32 for secret in secrets.values())
    assert (checkout / ".env").stat().st_mode & 0o077 == 0


def test_every_file_and_variable_that_the_page_names_exists():
    for name in re.findall(r"`([\w/]+\.(?:ya?ml|py))`", PAGE):
        assert (ROOT / name).exists() or (ROOT / "collector" / name).exists(), name
    known = (ROOT / ".env.example").read_text() + (ROOT / "collector/README.md").read_text()
    for name in re.findall(r"`([A-Z]+_[A-Z_]+)", PAGE):
        assert name in known or name.startswith(("OTEL_", "SENTRY_DSN")), name


def test_every_test_that_the_table_of_arrows_names_exists():
    named = re.findall(r"`(?:tests/stack/)?(test_\w+\.py)`", (ROOT / "collector/README.md").read_text())
    assert len(set(named)) >= 6
    assert not [name for name in named if not (ROOT / "tests/stack" / name).exists()]

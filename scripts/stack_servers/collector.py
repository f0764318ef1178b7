"""The OpenTelemetry Collector, built by its builder from collector/builder-config.yaml."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Self

from stack_servers.server import HasUrl, Launch, Server, answers, free_port
from stack_servers.tools import go_install, run

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).resolve().parents[2] / "collector"
_TARGETS = {"PROMETHEUS_URL": "prometheus", "JAEGER_URL": "sink", "ELASTICSEARCH_URL": "sink"}
_MANIFEST = FOLDER / "builder-config.yaml"


class Collector(Server):
    """One Collector of the parts that config.core.yaml uses."""

    name = "collector"
    version = "0.165.0"

    def __init__(self, *overlays: str, env: Mapping[str, str] | None = None) -> None:
        """`config.core.yaml` and the files of collector/ laid over it, such as "sentry.yaml".

        `env` goes to the Collector: addresses and secrets, which its configuration takes from there.
        """
        self._configs = [FOLDER / name for name in ("config.core.yaml", *overlays)]
        self._env = dict(env or {})

    @classmethod
    def key(cls) -> str:
        """Another manifest makes another Collector."""
        return f"{super().key()}-{hashlib.sha256(_MANIFEST.read_bytes()).hexdigest()[:12]}"

    @classmethod
    def build(cls, into: Path) -> None:
        """About 3 min on two cores."""
        go_install(into / "builder", f"go.opentelemetry.io/collector/cmd/builder@v{cls.version}")
        run(into / "builder/builder", "--config", _MANIFEST, cwd=into, env={"GOFLAGS": "-buildvcs=false"})

    @classmethod
    def binary(cls) -> Path:
        """For `validate` and the like."""
        return cls.install() / "build/otelcol-modelspan"

    @classmethod
    def beside(cls, running: Mapping[str, HasUrl]) -> Self:
        """Metrics go to the Prometheus that runs, the rest to the sink."""
        env = {variable: running[name].url for variable, name in _TARGETS.items() if name in running}
        return cls(env=env)

    def launch(self, home: Path, state: Path) -> Launch:
        """Ports: http (OTLP/HTTP), grpc, health, metrics (the Collector's own, for Prometheus)."""
        ports = {name: free_port() for name in ("http", "grpc", "health", "metrics")}
        return Launch(
            command=[str(home / "build/otelcol-modelspan"), *(f"--config={path}" for path in self._configs)],
            ports=ports,
            ready=lambda: answers(f"http://127.0.0.1:{ports['health']}/"),
            env={
                "OTLP_HTTP_LISTEN": f"127.0.0.1:{ports['http']}",
                "OTLP_GRPC_LISTEN": f"127.0.0.1:{ports['grpc']}",
                "HEALTH_LISTEN": f"127.0.0.1:{ports['health']}",
                "METRICS_PORT": str(ports["metrics"]),
                "QUEUE_DIRECTORY": str(state / "queue"),
                **self._env,
            },
        )

"""The checks that need no network."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit, urlunsplit

from sentry_sdk.utils import BadDsn, Dsn

from modelspan.config import Config
from modelspan.config_rules import LOOPBACK
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SIGNALS = ("traces", "logs", "metrics")
GRPC_PORT, HTTP_PORT = 4317, 4318
_TOGETHER = ("opentelemetry-api", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")
_AGENTS = (
    "opentelemetry-distro",
    "ddtrace",
    "elastic-apm",
    "newrelic",
    "logfire",
    "azure-monitor-opentelemetry",
)
_SWITCHES = {
    "OTEL_SDK_DISABLED": ("true", "switches every signal off"),
    "OTEL_TRACES_EXPORTER": ("none", "asks for no spans"),
    "OTEL_LOGS_EXPORTER": ("none", "asks for no log records"),
    "OTEL_METRICS_EXPORTER": ("none", "asks for no metrics"),
    "OTEL_TRACES_SAMPLER": ("always_off", "drops every span"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at."""

    name: str
    state: Literal["ok", "note", "failed"]
    found: str
    todo: str = ""
    """The way out; empty unless there is something to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where one signal goes, and who said so."""

    url: str
    source: str
    protocol: str = "http/protobuf"

    @property
    def shown(self) -> str:
        """The address without its credentials."""
        return mask(self.url)


def mask(url: str) -> str:
    """The address with `***` for user, password and query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    shown = f"***@{host}" if "@" in parts.netloc else host
    return urlunsplit((parts.scheme, shown, parts.path, "***" if parts.query else "", ""))


def targets(config: Config, env: Mapping[str, str], *, argument: bool) -> dict[str, Target]:
    """The address of each signal as exporters resolve it: argument, own variable, general one, or default."""
    return {signal: _target(config, env, signal, argument=argument) for signal in SIGNALS}


def _target(config: Config, env: Mapping[str, str], signal: str, *, argument: bool) -> Target:
    general, own = "OTEL_EXPORTER_OTLP", f"OTEL_EXPORTER_OTLP_{signal.upper()}"
    protocol = env.get(f"{own}_PROTOCOL") or env.get(f"{general}_PROTOCOL") or "http/protobuf"
    path = "" if protocol == "grpc" else f"/v1/{signal}"
    if config.endpoint:
        base, source = config.endpoint, "argument" if argument else "MODELSPAN_ENDPOINT"
    elif env.get(f"{own}_ENDPOINT"):
        return Target(url=env[f"{own}_ENDPOINT"], source=f"{own}_ENDPOINT", protocol=protocol)
    elif env.get(f"{general}_ENDPOINT"):
        base, source = env[f"{general}_ENDPOINT"], f"{general}_ENDPOINT"
    else:
        base, source = f"http://localhost:{GRPC_PORT if protocol == 'grpc' else HTTP_PORT}", "default"
    return Target(url=f"{base.rstrip('/')}{path}", source=source, protocol=protocol)


def check_versions() -> Iterator[Check]:
    """Python, modelspan and the OpenTelemetry packages that must be of one version."""
    yield Check(name="python", state="ok", found=f"{sys.version.split()[0]} at {sys.executable}")
    yield Check(name="modelspan", state="ok", found=metadata.version("modelspan"))
    versions = {package: metadata.version(package) for package in _TOGETHER}
    same = len(set(versions.values())) == 1
    yield Check(
        name="opentelemetry",
        state="ok" if same else "failed",
        found=", ".join(f"{package.removeprefix('opentelemetry-')} {v}" for package, v in versions.items()),
        todo="" if same else f"install one version of all of them: pip install -U {' '.join(_TOGETHER)}",
    )


def check_settings(env: Mapping[str, str], endpoint: str) -> tuple[Config | None, Check]:
    """Settings as `configure()` would read them."""
    try:
        config = Config.resolve(env, **({"endpoint": endpoint} if endpoint else {}))
    except ConfigError as error:
        return None, Check(name="settings", state="failed", found=str(error), todo="correct that setting")
    name = config.service_name or env.get("OTEL_SERVICE_NAME", "")
    if not name:
        todo = "pass configure(service_name=...) or set OTEL_SERVICE_NAME"
        return config, Check(
            name="settings", state="note", found="valid, but the service has no name", todo=todo
        )
    return config, Check(name="settings", state="ok", found=f"valid, service {name!r}")


def check_switches(env: Mapping[str, str]) -> Iterator[Check]:
    """Variables that switch a signal off."""
    for variable, (value, effect) in _SWITCHES.items():
        if env.get(variable, "").strip().lower() == value:
            yield Check(
                name=variable, state="failed", found=f"{value}: it {effect}", todo=f"unset {variable}"
            )


def check_targets(found: Mapping[str, Target]) -> Iterator[Check]:
    """Addresses: where they came from, and whether the port is the other protocol's."""
    for signal, target in found.items():
        other, right = (HTTP_PORT, GRPC_PORT) if target.protocol == "grpc" else (GRPC_PORT, HTTP_PORT)
        wrong = urlsplit(target.url).port == other
        yield Check(
            name=f"{signal} address",
            state="failed" if wrong else "ok",
            found=f"{target.shown} (from {target.source}, {target.protocol})",
            todo=f"port {other} speaks the other protocol; {target.protocol} is usually on {right}"
            if wrong
            else "",
        )


def check_credentials(found: Mapping[str, Target], env: Mapping[str, str], config: Config) -> Check:
    """Credentials must not cross a network in the clear."""
    urls = [urlsplit(target.url) for target in found.values()]
    variables = [name for name in env if env[name] and "OTLP" in name and name.endswith("_HEADERS")]
    secret = [url for url in urls if config.headers or variables or "@" in url.netloc]
    open_hosts = {url.hostname for url in secret if url.scheme == "http" and url.hostname not in LOOPBACK}
    if open_hosts and not config.insecure:
        todo = "use https, or set MODELSPAN_INSECURE=true if the network is private"
        hosts = ", ".join(sorted(map(str, open_hosts)))
        return Check(name="credentials", state="failed", found=f"sent over plain http to {hosts}", todo=todo)
    return Check(name="credentials", state="ok", found="present, protected" if secret else "none set")


def check_sentry(config: Config) -> Check:
    """The Sentry DSN, if there is one: does it parse?"""
    if not config.sentry_dsn:
        return Check(name="sentry", state="ok", found="no DSN: exceptions go by OTLP only")
    try:
        dsn = Dsn(config.sentry_dsn)
    except BadDsn as error:
        todo = "copy the DSN from the project's settings: https://KEY@HOST/PROJECT"
        return Check(name="sentry", state="failed", found=f"the DSN does not parse: {error}", todo=todo)
    return Check(name="sentry", state="ok", found=f"DSN for {dsn.host}, project {dsn.project_id}")


def check_processes() -> Check:
    """How modelspan behaves under fork; a property of the platform."""
    if not hasattr(os, "register_at_fork"):
        return Check(name="processes", state="note", found="no fork here", todo="use spawned workers")
    found = (
        f"fork is followed; {os.cpu_count()} cores; nothing starts before the first prediction of a process"
    )
    return Check(name="processes", state="ok", found=found)


def check_agents(env: Mapping[str, str]) -> Check:
    """Other instrumentation that may own the providers: modelspan then uses theirs and replaces nothing."""
    installed = {d.metadata["Name"].lower() for d in metadata.distributions() if d.metadata["Name"]}
    seen = [name for name in _AGENTS if name in installed]
    seen += [f"{v}={env[v]}" for v in env if v.startswith("OTEL_PYTHON_") and v.endswith("_PROVIDER")]
    if "auto_instrumentation" in env.get("PYTHONPATH", ""):
        seen.append("auto-instrumentation in PYTHONPATH")
    if not seen:
        return Check(name="other agents", state="ok", found="none seen")
    todo = "providers set before the first prediction are used and never replaced: see where theirs export to"
    return Check(name="other agents", state="note", found=", ".join(seen), todo=todo)

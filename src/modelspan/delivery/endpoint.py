"""Where one signal goes, as `Config` and the standard `OTEL_EXPORTER_OTLP_*` variables say."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from opentelemetry.util.re import parse_env_headers

from modelspan.config_rules import LOOPBACK
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelspan.config import Config

DEFAULT: Final = "http://localhost:4318"
NAMES: Final = {"spans": "TRACES", "logs": "LOGS", "metrics": "METRICS"}
PATHS: Final = {"spans": "v1/traces", "logs": "v1/logs", "metrics": "v1/metrics"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An OTLP/HTTP address with all that a request to it needs; secrets stay out of its `repr`."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_seconds: float = 10.0
    gzip: bool = False
    certificate: str = ""
    """File of the authorities to trust; empty: the system's."""
    client_certificate: str = ""
    client_key: str = ""
    proxy: str = field(default="", repr=False)
    """Address of the proxy to go through; empty: none."""

    @property
    def shown(self) -> str:
        """Scheme, host and path, without user, password and query."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def resolve(signal: str, config: Config, env: Mapping[str, str] = os.environ) -> Endpoint:
    """The endpoint of a signal: argument, the signal's own variable, the general one, the default.

    Raises:
        ConfigError: If a variable is wrong, or credentials would cross a network in the clear.
    """
    url = _url(signal, config, env)
    parts = _checked(url)
    given = parse_env_headers(_variable(signal, "HEADERS", env), liberal=True)
    headers = {**given, **{name.lower(): value for name, value in config.headers.items()}}
    secret = bool(headers or parts.username or parts.password)
    passed = {"endpoint host": parts.hostname, "proxy": urlsplit(config.proxy).hostname or LOOPBACK[0]}
    far = {what: host for what, host in passed.items() if host not in LOOPBACK}
    if secret and parts.scheme == "http" and far and not config.insecure:
        what, host = next(iter(far.items()))
        raise ConfigError(
            f"{what} {host!r} would get credentials over plain http; use https, "
            "or set insecure=True (MODELSPAN_INSECURE=true) if the network is private"
        )
    return Endpoint(
        url=url,
        headers=headers,
        timeout_seconds=_timeout(signal, env),
        gzip=_gzip(_variable(signal, "COMPRESSION", env), parts.hostname),
        certificate=_variable(signal, "CERTIFICATE", env),
        client_certificate=_variable(signal, "CLIENT_CERTIFICATE", env),
        client_key=_variable(signal, "CLIENT_KEY", env),
        proxy=config.proxy,
    )


def _variable(signal: str, name: str, env: Mapping[str, str]) -> str:
    own = env.get(f"OTEL_EXPORTER_OTLP_{NAMES[signal]}_{name}", "").strip()
    return own or env.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip()


def _url(signal: str, config: Config, env: Mapping[str, str]) -> str:
    own = env.get(f"OTEL_EXPORTER_OTLP_{NAMES[signal]}_ENDPOINT", "").strip()
    if own and not config.endpoint:
        return own
    base = config.endpoint or env.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip() or DEFAULT
    return f"{base.rstrip('/')}/{PATHS[signal]}"


def _checked(url: str) -> Any:
    parts = urlsplit(url)
    try:
        fine = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        fine = False
    if not fine:
        raise ConfigError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is not an address; use http://HOST:PORT or https://HOST:PORT"
        )
    return parts


def _timeout(signal: str, env: Mapping[str, str]) -> float:
    text = _variable(signal, "TIMEOUT", env)
    try:
        seconds = float(text or 10)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise ConfigError(f"OTEL_EXPORTER_OTLP_TIMEOUT={text!r} is not a number of seconds above 0")
    return seconds


def _gzip(chosen: str, host: str | None) -> bool:
    """As `OTEL_EXPORTER_OTLP_COMPRESSION` says; else where a network is dearer than level 1 of gzip."""
    if chosen.lower() not in ("", "none", "gzip", "deflate"):
        raise ConfigError(f"OTEL_EXPORTER_OTLP_COMPRESSION={chosen!r} is not known; use gzip or none")
    return chosen.lower() in ("gzip", "deflate") if chosen else host not in LOOPBACK

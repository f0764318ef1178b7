"""Rules that settings must obey; each broken one is an error that names it, the rule and the way out."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from modelspan.drift.threshold import parse_threshold
from modelspan.errors import ConfigError
from modelspan.kpis import check_kpi
from modelspan.redaction import OFF, Redactor
from modelspan.signing import decode_secret

if TYPE_CHECKING:
    from modelspan.config import Config

_SERVICE_NAME = re.compile(r"[A-Za-z0-9 _-]+\Z")
_HTTPS_PORT, _FIRST_OPEN_PORT = 443, 1024
LOOPBACK = ("localhost", "127.0.0.1", "::1")


_RANGES = (
    ("metric_interval_seconds", 0.1, 3600.0),
    ("tick_seconds", 0.01, 10.0),
    ("exit_timeout_seconds", 0.0, 60.0),
    ("queue_bytes", 64 * 1024, 2**40),
    ("spool_bytes", 1024 * 1024, 2**40),
    ("cpu_budget", 0.01, 64.0),
    ("sample_rows", 1, 10_000),
    ("log_rows", 0, 10_000),
    ("performance_window_seconds", 1.0, 2_592_000.0),
    ("performance_beta", 0.01, 100.0),
    ("performance_windows", 2, 10_000),
    ("join_window_days", 1e-6, 3650.0),
    ("store_bytes", 1_000_000, 2**50),
    ("drift_false_alarm_rate", 1e-9, 0.5),
    ("fleet_features", 0, 1000),
    ("fleet_levels", 1, 100),
    ("drift_smallest_effect", 0.001, 10.0),
    ("drift_look_rows", 1, 10_000_000),
)


def check_ranges(config: Config) -> None:
    """Numbers are in their range."""
    for name, low, high in _RANGES:
        value = getattr(config, name)
        if not low <= value <= high:
            raise ConfigError(f"{name}={value!r} is out of range; choose from {low:g} to {high:g}")
    if not all(isinstance(q, float) and 0 < q < 1 for q in config.performance_quantiles):
        raise ConfigError(f"performance_quantiles={config.performance_quantiles!r:.80} must lie in (0, 1)")


def check_types(config: Config) -> None:
    """Every value has the type of its setting."""
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if f.default is None and (value is None or callable(value)):
            continue
        kind = type(f.default) if f.default is not dataclasses.MISSING else Mapping
        fits = isinstance(value, (int, float) if kind is float else kind)
        if not fits or (isinstance(value, bool) and kind is not bool):
            shown = "" if not f.repr else f"={value!r:.80}"
            raise ConfigError(
                f"{f.name}{shown} is a {type(value).__name__}; it must be a {kind.__name__.lower()}"
            )


def check_names(config: Config) -> None:
    """The service name, the level of logs and the headers can go on the wire."""
    if config.service_name and not _SERVICE_NAME.match(config.service_name):
        raise ConfigError(
            f"service_name={config.service_name!r} has a character that Elastic APM refuses; "
            "use letters, digits, space, '_' and '-'"
        )
    level = config.capture_logs
    if level and not isinstance(logging.getLevelNamesMapping().get(level), int):
        raise ConfigError(f"capture_logs={level!r} is not a level; use DEBUG, INFO, WARNING, ERROR or ''")
    for name, value in config.headers.items():
        if not isinstance(name, str) or not isinstance(value, str) or not (name + value).isprintable():
            raise ConfigError("headers holds an entry that is not printable text; pass {'name': 'value'}")


def check_thresholds(config: Config) -> None:
    """A file of thresholds is right, and there is a store whose outcomes it can be about."""
    if not config.thresholds:
        return
    if not config.data and not config.store:
        raise ConfigError(
            f"thresholds={config.thresholds!r:.200} needs a store of outcomes; set data= to a folder"
        )
    from modelspan.threshold_file import load_thresholds  # noqa: PLC0415 - few have such a file

    load_thresholds(config.thresholds)


def check_kpis(config: Config) -> None:
    """Each KPI is a function with a name, and there is a store whose rows they can be about."""
    if config.kpis and not config.data and not config.store:
        raise ConfigError(f"kpis={list(config.kpis)!r:.200} need a store of outcomes; set data= to a folder")
    for name, function in config.kpis.items():
        check_kpi(name, function)


def check_endpoint(config: Config) -> None:
    """The endpoint is an address, and credentials do not cross a network in the clear."""
    if not config.endpoint:
        return
    try:
        url = urlsplit(config.endpoint)
        port_ok = url.port is None or url.port > 0
    except ValueError:
        raise ConfigError(_endpoint_rule(config.endpoint)) from None
    if url.scheme not in ("http", "https") or not url.hostname or not port_ok:
        raise ConfigError(_endpoint_rule(config.endpoint))
    secret = bool(config.headers or url.username or url.password)
    if secret and url.scheme == "http" and url.hostname not in LOOPBACK and not config.insecure:
        raise ConfigError(
            f"endpoint host {url.hostname!r} would get credentials over plain http; "
            "use https, or set insecure=True if the network is private"
        )


def check_proxy(config: Config) -> None:
    """The proxy is an address, and its password does not cross a network in the clear."""
    if not config.proxy:
        return
    try:
        url = urlsplit(config.proxy)
        fine = url.scheme == "http" and url.hostname and url.port and url.path in ("", "/")
    except ValueError:
        fine = False
    if not fine:
        raise ConfigError("proxy is no http://HOST:PORT address; to an https endpoint it tunnels by CONNECT")
    if url.username and url.hostname not in LOOPBACK and not config.insecure:
        raise ConfigError(
            f"proxy {url.hostname!r} would get its password over plain http; use one that needs none, "
            "or set insecure=True (MODELSPAN_INSECURE=true) if the network is private"
        )


def check_store(config: Config) -> None:
    """The address of the store is PostgreSQL's."""
    if config.store and not config.store.startswith(("postgresql://", "postgres://")):
        raise ConfigError("store is no postgresql://USER@HOST/DATABASE address; for a folder use data")


def check_webhook(config: Config) -> None:
    """The address of webhooks is safe, and the secret is one."""
    if config.webhook_url:
        _check_address("webhook_url", config.webhook_url, "webhook_secret=")
    if config.webhook_secret and not _is_secret(config.webhook_secret):
        raise ConfigError(
            "webhook_secret is not whsec_ and the base64 of 24 to 64 bytes; make one with "
            "echo whsec_$(head -c 32 /dev/urandom | base64)"
        )


def check_rollbar(config: Config) -> None:
    """The token can be a header, its address is safe, and the package is there."""
    if config.rollbar_endpoint:
        _check_address("rollbar_endpoint", config.rollbar_endpoint, "rollbar_token=")
    if not (config.rollbar_token.isascii() and config.rollbar_token.isprintable()):
        raise ConfigError("rollbar_token holds a character that no token has; copy it again, without spaces")
    if config.rollbar_token and importlib.util.find_spec("rollbar") is None:
        raise ConfigError(
            "rollbar_token (ROLLBAR_ACCESS_TOKEN) is set and rollbar is not installed; "
            "install it with: pip install 'modelspan[rollbar]', or unset the token"
        )


def check_redaction(config: Config) -> None:
    """Names and patterns can be used, and hashes have a key."""
    for name in ("redact_names", "redact_patterns", "hash_features"):
        if not all(isinstance(part, str) and part for part in getattr(config, name)):
            raise ConfigError(f"{name} must hold texts that are not empty; pass ('customer_name', ...)")
    try:
        redactor_of(config)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def redactor_of(config: Config) -> Redactor:
    """The rules that the settings ask for.

    Raises:
        ValueError: If a pattern is no regular expression, or a hash has no key.
    """
    if not config.redact:
        return OFF
    return Redactor(
        names=config.redact_names,
        patterns=config.redact_patterns,
        hashed=config.hash_features,
        key=config.hash_key.encode(),
        hook=config.redactor,
    )


def _check_address(name: str, address: str, secret: str) -> None:
    """An address to post to: nothing can be read on the way, and no other kind of server is reached."""
    if not address.isprintable() or " " in address:  # urlsplit() would drop line breaks
        raise ConfigError(f"{name} holds a space or a control character; write it without")
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        raise ConfigError(f"{name} is not an address; use https://HOST/PATH") from None
    local = url.scheme == "http" and url.hostname in LOOPBACK
    if not (url.hostname and (url.scheme == "https" or local)):
        raise ConfigError(f"{name} is not an https address; plain http is for this machine only")
    if url.username is not None:
        raise ConfigError(f"{name} holds a user name; the secret goes into {secret}")
    if port is not None and port != _HTTPS_PORT and port < _FIRST_OPEN_PORT:
        raise ConfigError(f"{name} has port={port}, where no web server is; use 443, or 1024 and above")


def check_drift_rule(config: Config) -> None:
    """The fixed threshold, if there is one, can be read."""
    if config.drift_rule:
        try:
            parse_threshold(config.drift_rule)
        except ValueError as error:
            raise ConfigError(str(error)) from None


def _is_secret(secret: str) -> bool:
    try:
        decode_secret(secret)
    except ValueError:
        return False
    return True


def bare_address(address: str) -> str:
    """An address without what may be secret in it: user, path and query."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else address


def _endpoint_rule(endpoint: str) -> str:
    shown = re.sub(r"//[^@/]*@", "//***@", endpoint)
    return f"endpoint={shown!r:.200} is not an address; use http://HOST:PORT or https://HOST:PORT"

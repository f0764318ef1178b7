"""Settings of the process: argument, else environment, else default; all checked at start.

The standard `OTEL_*` variables are honoured by the OpenTelemetry SDK and not read again here.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelspan.config_rules import (
    bare_address,
    check_drift_rule,
    check_endpoint,
    check_kpis,
    check_names,
    check_proxy,
    check_ranges,
    check_redaction,
    check_rollbar,
    check_store,
    check_thresholds,
    check_types,
    check_webhook,
)
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SAMPLE_ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of modelspan in this process.

    Raises:
        ConfigError: If a setting is wrong; the message names it, the rule and the way out.
    """

    service_name: str = ""
    """Letters, digits, space, `_`, `-` (Elastic APM refuses dots); empty: `OTEL_SERVICE_NAME`."""
    service_version: str = ""
    """Version of the service, not of a model; with `service_name` Sentry's release."""
    environment: str = ""
    """`deployment.environment.name`, for example production."""
    endpoint: str = ""
    """OTLP base address, for example http://127.0.0.1:4318; empty: `OTEL_EXPORTER_OTLP_ENDPOINT`."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers of every OTLP request; never shown."""
    insecure: bool = False
    """Allow credentials over plain http to a host other than this one."""
    proxy: str = field(default="", repr=False)
    """`http://[USER:PASSWORD@]HOST:PORT` through which OTLP leaves; empty: none, whatever variables say."""
    sentry_dsn: str = field(default="", repr=False)
    """Where exceptions go besides OTLP; empty: `SENTRY_DSN`, else a client the application has set up."""
    rollbar_token: str = field(default="", repr=False)
    """Rollbar's access token of scope `post_server_item`: exceptions go there too; extra `rollbar`."""
    rollbar_endpoint: str = ""
    """Address of another Rollbar's API, up to `/api/1`; https, or http on this machine."""
    webhook_url: str = ""
    """Where drift alarms are posted, signed as Standard Webhooks says; https, or http on this machine."""
    webhook_secret: str = field(default="", repr=False)
    """`whsec_` and the base64 of 24 to 64 bytes; empty: messages are not signed."""
    webhook_private: bool = False
    """Allow webhooks to addresses that are not public, as inside a company; else they are refused (SSRF)."""
    redact: bool = True
    """Mask secrets and personal data in texts and names that leave; numbers of listed features stay."""
    redact_names: tuple[str, ...] = ()
    """Further parts of names whose values are masked."""
    redact_patterns: tuple[str, ...] = ()
    """Further regular expressions; what they match in a text is masked."""
    hash_features: tuple[str, ...] = ()
    """Listed features and annotations whose values leave as a keyed hash (HMAC-SHA-256)."""
    hash_key: str = field(default="", repr=False)
    """Key of that hash, 16 characters or more; never shown."""
    redactor: Callable[[str, Any], Any] | None = None
    """A rule of your own, run last: name and value in, what may leave out; if it raises, nothing leaves."""
    data: str = ""
    """Folder of what must not be lost; with one, predictions and outcomes are stored (docs/feedback.md)."""
    store: str = field(default="", repr=False)
    """postgresql://… where predictions and outcomes are stored instead of in the folder `data`."""
    join_window_days: float = 90.0
    """For how long a prediction waits for its outcome, above 0 to 3650."""
    store_bytes: int = 8 * 1024**3
    """Size of the stored rows beyond which settled ones go before the window ends, from 1 MB."""
    spool: str = ""
    """Folder where spans and logs are kept while the endpoint does not take them; empty: memory only."""
    spool_bytes: int = 256 * 1024 * 1024
    """Size of the spool of each signal, from 1 MiB."""
    performance_window_seconds: float = 3600.0
    """Length of a window of prediction time in which performance is measured, 1 to 2592000."""
    performance_windows: int = 168
    """Windows of performance that are kept, counted back from the newest, 2 to 10000."""
    kpis: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    """Functions over joined rows by name, of every model, besides those that `modelspan.kpi` decorates."""
    performance_quantiles: tuple[float, ...] = ()
    """Quantiles that a regression is measured by, by their pinball loss; each above 0 and below 1."""
    performance_beta: float = 2.0
    """Weight of recall in F-beta, 0.01 to 100."""
    thresholds: str = ""
    """YAML file of thresholds on performance (docs/performance.md); checked at start."""
    metric_interval_seconds: float = 10.0
    """Time between two metric exports, 0.1 to 3600."""
    tick_seconds: float = 1.0
    """Longest time between two drains of the queue, 0.01 to 10; 4,096 waiting calls are drained before."""
    exit_timeout_seconds: float = 5.0
    """Bound of an exit, all signals together, a second of it for the interpreter's own end; 0 to 60."""
    queue_bytes: int = 16 * 1024 * 1024
    """Captured bytes that may wait for the worker, from 64 KiB."""
    cpu_budget: float = 0.5
    """Cores that the worker may use; beyond, successful calls are thinned in spans and logs; 0.01 to 64."""
    sample_rows: int = SAMPLE_ROWS
    """Rows of one batch that are looked at, 1 to 10000; the count of rows is always exact."""
    log_rows: int = 20
    """Rows of one batch that get an `ml.prediction` event of their own, 0 to 10000."""
    capture_logs: str = ""
    """Level from which records of the standard `logging` are sent too; empty: none are."""
    drift_false_alarm_rate: float = 0.01
    """Probability of any false drift alarm of a model over its whole life in a process, above 0 to 0.5."""
    drift_smallest_effect: float = 0.05
    """Smallest drift worth an alarm, as PSI, 0.001 to 10; a shift by d standard deviations has about d²."""
    drift_look_rows: int = 10
    """Rows between two looks for a drift, 1 to 10 million; with daily traffic patterns: a day's."""
    drift_rule: str = ""
    """A fixed threshold instead of the calibrated rule: `psi>0.2`; also ks, kl, js, wasserstein."""

    fleet_features: int = 20
    """Features whose counts by bin are exported for fleet-wide drift, beside the score's; 0 to 1000."""
    fleet_levels: int = 19
    """Levels of a text feature that have a time series of their own, the most frequent ones; 1 to 100."""

    def __post_init__(self) -> None:
        check_types(self)
        check_names(self)
        check_endpoint(self)
        check_proxy(self)
        check_webhook(self)
        check_thresholds(self)
        check_kpis(self)
        check_rollbar(self)
        check_store(self)
        check_redaction(self)
        check_drift_rule(self)
        check_ranges(self)

    def __repr__(self) -> str:
        """The settings without those that are secret; of addresses the host only."""
        shown = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.repr}
        for name in ("endpoint", "webhook_url"):
            shown[name] = bare_address(shown[name])
        return f"Config({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @classmethod
    def resolve(cls, env: Mapping[str, str], **arguments: Any) -> Config:
        """Settings from arguments, with `env` filling in those that were not given.

        Raises:
            ConfigError: If a setting is unknown or wrong.
        """
        known = {f.name: f for f in dataclasses.fields(cls)}
        unknown = sorted(set(arguments) - set(known))
        if unknown:
            raise ConfigError(f"{unknown[0]}= is not a setting; the settings are {', '.join(known)}")
        for variable, name in ENVIRONMENT.items():
            if env.get(variable) and name not in arguments:
                arguments[name] = _parse(variable, env[variable], type(known[name].default))
        return cls(**arguments)


ENVIRONMENT = {
    "MODELSPAN_ENDPOINT": "endpoint",
    "MODELSPAN_INSECURE": "insecure",
    "MODELSPAN_PROXY": "proxy",
    "MODELSPAN_SPOOL": "spool",
    "MODELSPAN_SPOOL_BYTES": "spool_bytes",
    "MODELSPAN_METRIC_INTERVAL_SECONDS": "metric_interval_seconds",
    "MODELSPAN_TICK_SECONDS": "tick_seconds",
    "MODELSPAN_EXIT_TIMEOUT_SECONDS": "exit_timeout_seconds",
    "MODELSPAN_QUEUE_BYTES": "queue_bytes",
    "MODELSPAN_CPU_BUDGET": "cpu_budget",
    "MODELSPAN_SAMPLE_ROWS": "sample_rows",
    "MODELSPAN_LOG_ROWS": "log_rows",
    "MODELSPAN_CAPTURE_LOGS": "capture_logs",
    "MODELSPAN_DRIFT_FALSE_ALARM_RATE": "drift_false_alarm_rate",
    "MODELSPAN_FLEET_FEATURES": "fleet_features",
    "MODELSPAN_FLEET_LEVELS": "fleet_levels",
    "MODELSPAN_DRIFT_SMALLEST_EFFECT": "drift_smallest_effect",
    "MODELSPAN_DRIFT_LOOK_ROWS": "drift_look_rows",
    "MODELSPAN_DRIFT_RULE": "drift_rule",
    "MODELSPAN_WEBHOOK_URL": "webhook_url",
    "MODELSPAN_WEBHOOK_SECRET": "webhook_secret",
    "MODELSPAN_WEBHOOK_PRIVATE": "webhook_private",
    "MODELSPAN_DATA": "data",
    "MODELSPAN_PERFORMANCE_WINDOW_SECONDS": "performance_window_seconds",
    "MODELSPAN_PERFORMANCE_WINDOWS": "performance_windows",
    "MODELSPAN_THRESHOLDS": "thresholds",
    "MODELSPAN_STORE": "store",
    "MODELSPAN_JOIN_WINDOW_DAYS": "join_window_days",
    "MODELSPAN_STORE_BYTES": "store_bytes",
    "MODELSPAN_REDACT": "redact",
    "MODELSPAN_REDACT_NAMES": "redact_names",
    "MODELSPAN_REDACT_PATTERNS": "redact_patterns",
    "MODELSPAN_HASH_FEATURES": "hash_features",
    "MODELSPAN_HASH_KEY": "hash_key",
    "SENTRY_DSN": "sentry_dsn",
    "ROLLBAR_ACCESS_TOKEN": "rollbar_token",
    "MODELSPAN_ROLLBAR_ENDPOINT": "rollbar_endpoint",
}
"""Environment variable to setting."""


def data_folder(environment: Mapping[str, str]) -> Path:
    """Where what must not be lost lies unless the user says otherwise, by the XDG base directory rules."""
    home = environment.get("XDG_DATA_HOME", "")
    return (Path(home) if Path(home).is_absolute() else Path.home() / ".local" / "share") / "modelspan"


def _parse(variable: str, text: str, kind: type) -> object:
    """The value of an environment variable as the type of its setting."""
    if kind is bool:
        if text.lower() not in ("0", "1", "false", "true"):
            raise ConfigError(f"{variable}={text!r} is not a switch; set it to true or false")
        return text.lower() in ("1", "true")
    if kind is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        return kind(text)
    except ValueError:
        what = "whole number" if kind is int else "number"
        raise ConfigError(f"{variable}={text!r} is not a {what}; set one or unset it") from None

"""What a runtime has only where the configuration asks for it; nothing here is imported before."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelspan.config import data_folder

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

    from modelspan.config import Config
    from modelspan.delivery.accounting import Ledger
    from modelspan.sinks.alarms import Alert
    from modelspan.sinks.detectors import DetectorSink
    from modelspan.sinks.follower import Follower
    from modelspan.store.recorder import Recorder


def error_sinks(config: Config) -> list[Any]:
    """Where exceptions go besides OTLP."""
    return [sink for sink in (_sentry_sink(config), _rollbar_sink(config)) if sink is not None]


def _sentry_sink(config: Config) -> Any:
    """A sink for Sentry when a DSN is configured or the application has set up a client, else None."""
    if not config.sentry_dsn and "sentry_sdk" not in sys.modules:
        return None
    from modelspan.sinks import sentry  # noqa: PLC0415 - importing Sentry costs 100 ms, and few want it

    return sentry.SentrySink(config) if sentry.wanted(config) else None


def _rollbar_sink(config: Config) -> Any:
    """A sink for Rollbar when there is a token, else None."""
    if not config.rollbar_token:
        return None
    from modelspan.sinks import rollbar  # noqa: PLC0415 - an extra

    return rollbar.RollbarSink(config)


def open_recorder(config: Config, ledger: Ledger) -> Recorder | None:
    """What writes predictions and outcomes to a store, when one is configured."""
    if not config.data and not config.store:
        return None
    from modelspan.store import opening  # noqa: PLC0415 - few want SQLite to be loaded

    return opening.open_recorder(config, ledger)


def webhook_sender(config: Config) -> Any:
    """A sender of alarms when an address is configured, else None."""
    if not config.webhook_url:
        return None
    from modelspan.delivery.webhooks import WebhookSender  # noqa: PLC0415 - few want it, and it opens a file
    from modelspan.store.webhooks import WebhookStore  # noqa: PLC0415 - see above

    store = WebhookStore(Path(config.data) if config.data else data_folder(os.environ))
    return WebhookSender(store, config.webhook_url, config.webhook_secret, private=config.webhook_private)


def open_follower(
    config: Config,
    meter: Meter,
    detectors: DetectorSink,
    recorder: Recorder | None,
    alert: Alert | None,
) -> Follower | None:
    """What measures performance, when there is a store of outcomes.

    Raises:
        ConfigError: If the file of thresholds is wrong, or there is one without a store.
    """
    if recorder is None:
        return None
    from modelspan.performance import special  # noqa: PLC0415 - few want it
    from modelspan.sinks import (  # noqa: PLC0415 - as above
        feedback,
        feedback_events,
        follower,
        kpis,
        outcome_feed,
        performance,
        performance_book,
        thresholds,
        variants,
    )
    from modelspan.threshold_file import load_thresholds  # noqa: PLC0415 - as above

    special.load()
    store, emit = recorder.store, detectors.emit
    recorder.announce = feedback_events.announcer(emit)
    book = performance_book.Book(
        store,
        config.performance_window_seconds,
        config.performance_windows,
        config.performance_beta,
        config.performance_quantiles,
    )
    computed = kpis.KpiSink(meter, store, config.kpis)
    listeners: list[Any] = [
        computed,
        variants.VariantSink(meter, store),
        feedback.FeedbackStates(meter, store),
        outcome_feed.OutcomeFeed(store, detectors),
    ]
    if config.thresholds:
        rules = load_thresholds(config.thresholds)
        value = partial(computed.value, seconds=book.seconds)
        listeners.append(thresholds.ThresholdSink(meter, emit, store, rules, alert=alert, kpi=value))
    sink = performance.PerformanceSink(meter, emit, book, listeners)
    return follower.Follower(sink, config.metric_interval_seconds)

"""Everything that runs in one process for one configuration, put together and taken apart."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from modelspan import redaction, semconv
from modelspan._lifecycle import run_together, seconds_left
from modelspan._optional import error_sinks, open_follower, open_recorder, webhook_sender
from modelspan._providers import Providers
from modelspan.config_rules import redactor_of
from modelspan.delivery import quiet
from modelspan.delivery.accounting import Ledger
from modelspan.delivery.sampling import standard_rule
from modelspan.drift.alarm import anything
from modelspan.drift.compare import QUALITY_SHARE
from modelspan.drift.quality.checks import grew
from modelspan.drift.sequential import SequentialRule
from modelspan.drift.threshold import ThresholdRule
from modelspan.guard import guard
from modelspan.pipeline import call as calls
from modelspan.pipeline.budget import Budget
from modelspan.pipeline.queue import Queue
from modelspan.pipeline.worker import Worker
from modelspan.sinks.alarms import Teller
from modelspan.sinks.bin_series import Limits
from modelspan.sinks.detectors import DetectorSink
from modelspan.sinks.drift import DriftSink
from modelspan.sinks.features import FeatureSink
from modelspan.sinks.feedback import FeedbackMetrics
from modelspan.sinks.histograms import SdkHistogram, SumHistogram
from modelspan.sinks.internal import InternalMetrics
from modelspan.sinks.keys import KeySink
from modelspan.sinks.logs import LogSink
from modelspan.sinks.metrics import MetricSink
from modelspan.sinks.native_spans import NativeSpanSink
from modelspan.sinks.quality import QualitySink
from modelspan.sinks.spans import SpanSink
from modelspan.sinks.stdlog import StandardLogHandler

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.metrics import Meter

    from modelspan._providers import Exporters
    from modelspan.config import Config
    from modelspan.drift.alarm import AlarmRule
    from modelspan.drift.compare import FeatureDrift
    from modelspan.drift.feature import FeatureReference

logger = logging.getLogger("modelspan")

FORK_WAIT_SECONDS = 2.0


class Runtime:
    """Providers, sinks, queue and worker of this process."""

    def __init__(self, config: Config, given: Exporters | None = None) -> None:
        quiet.install()
        redaction.activate(redactor_of(config))
        self._paused: list[threading.Lock] = []
        self.config = config
        self.ledger = Ledger()
        self.recorder = open_recorder(config, self.ledger)
        self._providers = Providers(config, self.ledger, given)
        meter = self.meter = self._providers.meter
        self._webhooks = webhook_sender(config)
        alert = self._webhooks.send if self._webhooks else None
        self._detectors = DetectorSink(self._providers.emit_log, alert, stored=self.recorder is not None)
        self.spans, self.emit_log = self._providers.spans, self._detectors.emit
        teller, also = Teller(self.emit_log, alert), [self._detectors.observe]
        self._drift = DriftSink(meter, teller, partial(_alarm_rule, config), also=also)
        self._quality = QualitySink(meter, teller, partial(_quality_rule, config))
        self._errors = error_sinks(config)
        self._follower = open_follower(config, meter, self._detectors, self.recorder, alert)
        if self.recorder is not None:
            FeedbackMetrics(meter, self.recorder.store)
        self.budget = Budget(config.cpu_budget, self.ledger)
        InternalMetrics(meter, self.ledger, lambda: self.budget.share)
        self.queue = Queue(config.queue_bytes, self.ledger)
        self._worker = Worker(
            self.queue,
            self._sinks(meter),
            self.ledger,
            tick_seconds=config.tick_seconds,
            sample_rows=config.sample_rows,
            crowded=lambda: any(box.crowded for box in self._providers.boxes),
            budget=self.budget,
        )
        self._handler = StandardLogHandler(config.capture_logs, self.queue, self.emit_log)

    def start(self) -> None:
        """Start the worker, and the bridge from the standard `logging` when it is wanted."""
        self._worker.start()
        if self.recorder is not None:
            self.recorder.start()
        if self._follower is not None:
            self._follower.start()
        self._handler.install()

    def note_failure(self, call: calls.Call) -> None:
        """A call has raised; runs on the caller's thread."""
        for sink in self._errors:
            sink.note(call)

    def pause(self) -> None:
        """Hold our threads where they hold no lock of others, so that a fork copies none."""
        locks = [self._worker.busy]
        if self._follower is not None:
            locks.append(self._follower.busy)
        stores = [(each.busy, each.store) for each in (self.recorder, self._webhooks) if each is not None]
        locks += [lock for lock, _ in stores]
        deadline = time.monotonic() + FORK_WAIT_SECONDS
        self._paused = [lock for lock in locks if lock.acquire(timeout=seconds_left(deadline))]
        for lock, store in stores:
            if lock in self._paused:
                store.close()  # an SQLite connection must not cross a fork; it is opened again

    def resume(self) -> None:
        """Let our threads go on."""
        for lock in self._paused:
            lock.release()

    def flush(self, deadline: float) -> bool:
        """Send all that was recorded before; True only if the endpoint accepted it before `deadline`."""
        if not self._worker.flush(deadline):
            return False
        if self.recorder is not None and not self.recorder.flush(deadline):
            return False
        if self._follower is not None:
            self._follower.flush(0.5 * seconds_left(deadline))
        return run_together([*self._flushes(deadline)], deadline)

    def settle(self, deadline: float) -> bool:
        """Let the sinks, and so the recorder, see all that was recorded before, until `deadline`."""
        return self._worker.flush(deadline)

    def close(self, deadline: float) -> bool:
        """Send what waits until `deadline`, stop everything, say what was lost."""
        self._handler.remove()
        clean = self._worker.close(deadline - 0.5 * max(0.0, deadline - time.monotonic()))
        with guard("reporting drift at the end"):
            self._drift.close()
        if self.recorder is not None:
            clean = self.recorder.flush(deadline - 0.6 * seconds_left(deadline)) and clean
            if self._follower is not None:
                self._follower.close(0.3 * seconds_left(deadline))
            clean = self.recorder.close(deadline - 0.3 * seconds_left(deadline)) and clean
        clean = run_together([*self._closes(deadline)], deadline) and clean
        lost = self.ledger.lost()
        if lost:
            logger.warning("modelspan dropped %s; predictions were unaffected", lost)
        kept = self.ledger.kept()
        if kept:
            logger.warning("modelspan keeps %s in the spool %s for the next start", kept, self.config.spool)
        return clean and not lost

    def _flushes(self, deadline: float) -> Sequence[Callable[[], bool]]:
        flushes: list[Callable[[], bool]] = [partial(box.flush, deadline) for box in self._providers.boxes]
        if self._providers.metrics is not None:
            flushes.append(partial(self._providers.metrics.flush, seconds_left(deadline)))
        return flushes

    def _closes(self, deadline: float) -> Sequence[Callable[[], Any]]:
        closes: list[Callable[[], Any]] = [partial(box.close, deadline) for box in self._providers.boxes]
        if self._providers.metrics is not None:
            closes.append(partial(self._providers.metrics.close, seconds_left(deadline)))
        closes += [partial(sink.close, seconds_left(deadline)) for sink in self._errors]
        if self._webhooks is not None:
            closes.append(partial(self._webhooks.close, seconds_left(deadline)))
        return closes

    def _sinks(self, meter: Meter) -> list[Any]:
        limits = Limits(self.config.fleet_features, self.config.fleet_levels)
        way = self._providers.native.get("logs")
        add, around = (way.add, way.around()) if way else (None, None)
        sinks: list[Any] = [
            self._span_sink(),
            LogSink(self.emit_log, self.config.log_rows, self.budget.lose, add, around),
            self._metric_sink(meter),
            FeatureSink(meter, self._drift.on_counts, limits, self._quality.on_values),
            self._detectors,
        ]
        if self.recorder is not None:
            sinks.append(KeySink(self.recorder, self.ledger, self.config.cpu_budget))
        if self._follower is not None:
            sinks.append(self._follower.sink)
        return [*sinks, *self._errors]

    def _span_sink(self) -> Any:
        through_sdk = SpanSink(self.spans, self._drift.drifting, self.budget.lose)
        way, rule = self._providers.native.get("spans"), standard_rule()
        calls.sampling_rule = rule
        if way is None or rule is None:
            return through_sdk
        return NativeSpanSink(way.add, way.around(), rule, through_sdk, way.is_plain, self.budget.lose)

    def _metric_sink(self, meter: Meter) -> MetricSink:
        """Histograms of ours where the exporter is ours, else those of the application's provider."""
        out = self._providers.metrics
        duration = semconv.DURATION, semconv.DURATION_BUCKETS
        score = semconv.SCORE, semconv.SCORE_BUCKETS
        running = lambda: [call.target.model for call in list(calls.active)]  # noqa: E731 - a callback
        if out is None:
            return MetricSink(meter, SdkHistogram(meter, *duration), SdkHistogram(meter, *score), running)
        own = SumHistogram(*duration), SumHistogram(*score)
        out.sources += [histogram.collect for histogram in own]
        return MetricSink(meter, *own, running)


def _alarm_rule(
    config: Config,
    columns: Mapping[str, FeatureReference],
    window_rows: int,
    share: float = 1 - QUALITY_SHARE,
    counts_as: Callable[[FeatureDrift], bool] = anything,
) -> AlarmRule:
    """The rule of one model's alarms, of drift unless told otherwise; it uses that share of the rate."""
    if config.drift_rule:
        return ThresholdRule(columns, rule=config.drift_rule, window_rows=window_rows, counts_as=counts_as)
    return SequentialRule(
        columns,
        false_alarm_rate=config.drift_false_alarm_rate * share,
        smallest_effect=config.drift_smallest_effect,
        window_rows=window_rows,
        look_rows=config.drift_look_rows,
        counts_as=counts_as,
    )


def _quality_rule(config: Config, columns: Mapping[str, FeatureReference], window_rows: int) -> AlarmRule:
    """Half of the checks' share, for they are judged in two parts: by single rows and by groups of rows."""
    return _alarm_rule(config, columns, window_rows, QUALITY_SHARE / 2, _grew)


def _grew(drift: FeatureDrift) -> bool:
    """Whether a check is violated more often than in the reference."""
    return grew(drift.reference_counts, drift.current_counts)

"""Observability for machine-learning models on OpenTelemetry.

One decorator on a predict function gives a span, a log record, metrics, drift and the exception in Sentry,
all under one trace id.
"""

from modelspan import testing
from modelspan._feedback import feedback
from modelspan._monitor import monitor
from modelspan._setup import configure, flush, shutdown
from modelspan._version import __version__ as __version__
from modelspan.config import Config
from modelspan.drift.reference import Reference
from modelspan.kpis import kpi
from modelspan.pipeline.call import current_prediction
from modelspan.prediction import Prediction

__all__ = [
    "Config",
    "Prediction",
    "Reference",
    "configure",
    "current_prediction",
    "feedback",
    "flush",
    "kpi",
    "monitor",
    "shutdown",
    "testing",
]

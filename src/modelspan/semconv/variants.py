"""Variants of a model compared on the same traffic, on the wire."""

from __future__ import annotations

from typing import Final

from modelspan.semconv.attributes import MODEL_NAME
from modelspan.semconv.metrics import Metric

CHAMPION: Final = "ml.comparison.champion"
CHAMPION_VERSION: Final = "ml.comparison.champion.version"
CHALLENGER: Final = "ml.comparison.challenger"
CHALLENGER_VERSION: Final = "ml.comparison.challenger.version"
COMPARISON_MEASURE: Final = "ml.comparison.measure"

VARIANT_ATTRIBUTES: Final[dict[str, str]] = {
    CHAMPION: "Variant that the other one is compared with; absent if it has no name.",
    CHAMPION_VERSION: "Its version.",
    CHALLENGER: "Variant that is compared with it.",
    CHALLENGER_VERSION: "Its version.",
    COMPARISON_MEASURE: "agreement, score_difference or performance_difference: docs/performance.md.",
}

_ROLES: Final = (MODEL_NAME, CHAMPION, CHAMPION_VERSION, CHALLENGER, CHALLENGER_VERSION)
_MEASURED: Final = (*_ROLES, COMPARISON_MEASURE)

COMPARISON: Final = Metric(
    "ml.comparison.score", "gauge", "{score}", "Challenger against champion on the same traffic.", _MEASURED
)
COMPARISON_LOWER: Final = Metric(
    "ml.comparison.score.lower", "gauge", "{score}", "Lower end of its 95 % interval.", _MEASURED
)
COMPARISON_UPPER: Final = Metric(
    "ml.comparison.score.upper", "gauge", "{score}", "Upper end of its 95 % interval.", _MEASURED
)
COMPARISON_PAIRS: Final = Metric(
    "ml.comparison.pairs", "gauge", "{prediction}", "Rows that both variants predicted.", _ROLES
)
COMPARISON_OUTCOMES: Final = Metric(
    "ml.comparison.outcomes", "gauge", "{outcome}", "Those of them whose outcome is known.", _ROLES
)

VARIANT_METRICS: Final = (
    COMPARISON, COMPARISON_LOWER, COMPARISON_UPPER, COMPARISON_PAIRS, COMPARISON_OUTCOMES,
)  # fmt: skip

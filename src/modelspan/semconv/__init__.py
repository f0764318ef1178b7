"""Every name that leaves the process: metrics, events, attributes, with unit and meaning.

Nothing else in the package spells a wire name. The README table and the tests are made from here.
No official convention exists for non-generative models; these names follow the open proposal
open-telemetry/semantic-conventions#3420 and the naming rules of semantic conventions 1.44.
"""

from __future__ import annotations

from typing import Final

from modelspan.semconv import attributes, events, metrics, performance, training, variants
from modelspan.semconv.attributes import *  # noqa: F403 - one name space for all that goes on the wire
from modelspan.semconv.events import *  # noqa: F403 - see above
from modelspan.semconv.metrics import *  # noqa: F403 - see above
from modelspan.semconv.performance import *  # noqa: F403 - see above
from modelspan.semconv.training import *  # noqa: F403 - see above
from modelspan.semconv.variants import *  # noqa: F403 - see above

SCOPE: Final = "modelspan"
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
ATTRIBUTES: Final = {
    **attributes.CORE_ATTRIBUTES,
    **performance.PERFORMANCE_ATTRIBUTES,
    **training.TRAINING_ATTRIBUTES,
    **variants.VARIANT_ATTRIBUTES,
}
METRICS: Final = (
    *metrics.CORE_METRICS,
    *performance.PERFORMANCE_METRICS,
    *training.TRAINING_METRICS,
    *variants.VARIANT_METRICS,
)
EVENTS: Final = (*events.CORE_EVENTS, *performance.PERFORMANCE_EVENTS, *training.TRAINING_EVENTS)

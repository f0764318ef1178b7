"""Events of imported outcomes, sent as far as the endpoint takes them; the store has them in any case."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import modelspan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from modelspan.store.rows import Outcome, Receipt

SEND_SECONDS: Final = 10.0
"""For the events of one commit; the import waits for them, so that they never pile up."""


class Announcer:
    """Sends `ml.prediction.feedback` for outcomes that joined, until the endpoint no longer answers."""

    def __init__(self) -> None:
        self.sent = 0
        self.failed = False

    def __call__(self, told: Sequence[tuple[Outcome, Receipt]]) -> None:
        """Send the events of one commit."""
        from modelspan import _setup
        from modelspan.sinks.feedback_events import events

        runtime = _setup.start()
        if self.failed or runtime is None:
            return
        made = [event for outcome, receipt in told for event in events(outcome, receipt, {})]
        for event in made:
            runtime.emit_log(event)
        self.failed = bool(made) and not modelspan.flush(SEND_SECONDS)
        self.sent += 0 if self.failed else len(made)


@contextmanager
def announcing(endpoint: str) -> Iterator[Announcer | None]:
    """What sends events to an OTLP endpoint; None without one."""
    if not endpoint:
        yield None
        return
    modelspan.configure(endpoint=endpoint, data="", store="", thresholds="", metric_interval_seconds=3600.0)
    try:
        yield Announcer()
    finally:
        modelspan.shutdown(1.0)

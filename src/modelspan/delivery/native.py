"""What a sink needs to encode a signal itself, and whether it may."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelspan import semconv
from modelspan._version import __version__
from modelspan.delivery.otlp.records import Envelope, envelope
from modelspan.pipeline.text import clean_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelspan.delivery.otlp.records import Records


@dataclass(slots=True)
class NativeWay:
    """One signal past the SDK: the sender, and the envelopes of our provider's resource."""

    provider: Any
    """Our TracerProvider or LoggerProvider."""
    add: Callable[[Records], None]
    _envelopes: dict[tuple[str, str], Envelope] = field(default_factory=dict)

    def is_plain(self) -> bool:
        """Whether nobody else listens: a processor that the application put on our provider must see all."""
        return bool(self.provider.processors == 1)

    def around(self, scope: str = semconv.SCOPE, version: str = __version__) -> Envelope:
        """The envelope of an instrumentation scope."""
        found = self._envelopes.get((scope, version))
        if found is None:
            resource = self.provider.resource
            about = {key: clean_value(value) for key, value in resource.attributes.items()}
            schema = semconv.SCHEMA_URL if scope == semconv.SCOPE else ""
            found = envelope(about, scope, version, schema, resource.schema_url or "")
            if len(self._envelopes) < 1000:
                self._envelopes[scope, version] = found
        return found

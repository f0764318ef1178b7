"""Spans through the OpenTelemetry SDK: the application's TracerProvider when it has one, else ours."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, Tracer, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState

from modelspan import semconv
from modelspan._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource

    from modelspan.delivery.outbox import Box


class SecretIds(IdGenerator):
    """Ids from the operating system: `random` is seeded in machine-learning code, and workers would agree."""

    def generate_span_id(self) -> int:
        """64 random bits, not 0."""
        return secrets.randbits(64) or 1

    def generate_trace_id(self) -> int:
        """128 random bits, not 0."""
        return secrets.randbits(128) or 1

    def is_trace_id_random(self) -> bool:
        """True: all bits are random."""
        return True


class OutboxSpanProcessor(SpanProcessor):
    """Hands ended, sampled spans, the user's too, to the outbox."""

    def __init__(self, outbox: Box) -> None:
        self.outbox = outbox

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span that was sampled."""
        context = span.context
        if context is not None and context.trace_flags.sampled:
            self.outbox.add(span)


def attach(provider: TracerProvider, outbox: Box) -> OutboxSpanProcessor:
    """Let `provider` export through `outbox`."""
    processor = OutboxSpanProcessor(outbox)
    provider.add_span_processor(processor)
    return processor


class _GivenIds(IdGenerator):
    """The ids that a call drew; the worker is the only one to set them."""

    def __init__(self) -> None:
        self.trace_id = 1
        self.span_id = 1

    def generate_span_id(self) -> int:
        return self.span_id

    def generate_trace_id(self) -> int:
        return self.trace_id


class _GivenSampling(Sampler):
    """The decision taken while the call ran, when one was needed; else the provider's sampler is asked."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler
        self.given: SamplingResult | None = None

    def should_sample(  # noqa: PLR0917 - the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,  # noqa: ARG002 - the SDK's signature
    ) -> SamplingResult:
        given = self.given
        if given is not None:
            return SamplingResult(
                given.decision, {**(attributes or {}), **given.attributes}, given.trace_state
            )
        return self.sampler.should_sample(parent_context, trace_id, name, kind, attributes, links)

    def get_description(self) -> str:
        return self.sampler.get_description()


class SpanMaker:
    """Makes a span with ids drawn earlier through a provider's own sampler, limits and processors.

    Called from the worker only. The tracer is the one of our scope, so no other code sees its id generator.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self.provider = provider
        tracer = provider.get_tracer(semconv.SCOPE, __version__, semconv.SCHEMA_URL)
        if not isinstance(tracer, Tracer):
            raise TypeError(f"{type(provider).__name__} gave a {type(tracer).__name__}, not the SDK's Tracer")
        self._tracer = tracer
        self._ids = _GivenIds()
        self._sampling = _GivenSampling(provider.sampler)
        tracer.id_generator = self._ids
        tracer.sampler = self._sampling

    def decide(self, context: Context, trace_id: int, name: str) -> SamplingResult:
        """The provider's sampling decision, for a call whose span user code asked for."""
        return self._sampling.sampler.should_sample(context, trace_id, name, SpanKind.INTERNAL)

    def start(
        self,
        name: str,
        context: Context,
        ids: tuple[int, int],
        sampling: SamplingResult | None,
        **settings: Any,
    ) -> trace.Span:
        """Start a span named `name` with `ids` (trace id, span id); `settings` as `Tracer.start_span`."""
        self._ids.trace_id, self._ids.span_id = ids
        self._sampling.given = sampling
        return self._tracer.start_span(name, context=context, **settings)


def application_provider() -> TracerProvider | None:
    """The TracerProvider that the application has set, if it is the SDK's."""
    provider = trace.get_tracer_provider()
    return provider if isinstance(provider, TracerProvider) else None


def is_foreign(provider: object) -> bool:
    """Whether a provider is set that is neither the API's placeholder nor the SDK's."""
    return not isinstance(provider, (TracerProvider, trace.ProxyTracerProvider, trace.NoOpTracerProvider))


class OwnTracerProvider(TracerProvider):
    """A provider of ours; it leaves the exit to us, and knows whether processors besides ours listen."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource=resource, id_generator=SecretIds(), shutdown_on_exit=False)
        self.processors = 0

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Let one more processor see spans."""
        self.processors += 1
        super().add_span_processor(span_processor)

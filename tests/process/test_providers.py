"""Providers that the application has set are used and never replaced; else ours are registered."""

SETUP = """
from opentelemetry import trace, metrics, _logs
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, TraceIdRatioBased, ParentBased
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor, InMemoryLogRecordExporter

spans, logs, reader = InMemorySpanExporter(), InMemoryLogRecordExporter(), InMemoryMetricReader()

def own(sampler=None):
    tracing, logging_ = TracerProvider(sampler=sampler), LoggerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    logging_.add_log_record_processor(SimpleLogRecordProcessor(logs))
    metering = MeterProvider([reader])
    trace.set_tracer_provider(tracing)
    _logs.set_logger_provider(logging_)
    metrics.set_meter_provider(metering)
    return tracing, logging_, metering

def check_unchanged(tracing, logging_, metering):
    assert trace.get_tracer_provider() is tracing
    assert _logs.get_logger_provider() is logging_
    assert metrics.get_meter_provider() is metering
"""


def test_all_signals_go_through_the_applications_providers(program, queries):
    done, _ = program(
        SETUP
        + """
providers = own()
modelspan.configure(service_name="ours")
with trace.get_tracer("app").start_as_current_span("request"):
    predict({"a": 1})
modelspan.flush(30)
check_unchanged(*providers)
names = sorted(span.name for span in spans.get_finished_spans())
assert names == ["predict m", "request"], names
events = [log.log_record.event_name for log in logs.get_finished_logs()]
assert events == ["ml.prediction"], events
data = reader.get_metrics_data()
found = {m.name for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics}
assert {"ml.inference.duration", "ml.inference.predictions"} <= found, found
"""
    ).run()
    assert done.returncode == 0, done.stderr
    assert queries.models()["models"] == []


def test_the_applications_sampler_decides_once_for_ours_and_its_children(program):
    done, _ = program(
        SETUP
        + """
providers = own(ParentBased(TraceIdRatioBased(0.5)))
tracer = trace.get_tracer("app")

@modelspan.monitor(model="nested")
def outer(x):
    with tracer.start_as_current_span("inner"):
        return 1

for i in range(400): outer({"a": i})
modelspan.flush(30)
finished = spans.get_finished_spans()
ours = {s.context.trace_id for s in finished if s.name == "outer nested"}
inner = {s.context.trace_id for s in finished if s.name == "inner"}
assert ours == inner
assert 120 < len(ours) < 280, len(ours)   # binomial(400, 0.5): 8 standard deviations either side
assert all(dict(s.attributes)["ml.model.name"] == "nested" for s in finished if s.name == "outer nested")
"""
    ).run()
    assert done.returncode == 0, done.stderr


def test_nothing_is_sampled_when_the_application_says_so_but_counts_go_on(program):
    done, _ = program(
        SETUP
        + """
own(ALWAYS_OFF)
for i in range(10): predict({"a": i})
modelspan.flush(30)
assert spans.get_finished_spans() == ()
data = reader.get_metrics_data()
points = [p for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics
          if m.name == "ml.inference.predictions" for p in m.data.data_points]
assert [p.value for p in points] == [10]
"""
    ).run()
    assert done.returncode == 0, done.stderr


def test_without_providers_ours_are_registered_and_user_spans_of_the_first_call_arrive(program, queries):
    done, _ = program("""
        from opentelemetry import trace
        @modelspan.monitor(model="first")
        def nested(x):
            with trace.get_tracer("app").start_as_current_span("inner"):
                return 1
        nested({"a": 1})
    """).run()
    assert done.returncode == 0, done.stderr
    (trace,) = queries.traces()["traces"]
    assert [span["name"] for span in queries.trace(trace["trace_id"])["spans"]] == ["nested first", "inner"]


def test_a_provider_that_is_not_the_sdks_is_left_alone_and_said_once(program, queries):
    done, _ = program("""
        from opentelemetry import trace
        class Foreign(trace.TracerProvider):
            def get_tracer(self, *args, **kwargs):
                return trace.NoOpTracer()
        foreign = Foreign()
        trace.set_tracer_provider(foreign)
        for i in range(3): predict({"a": i})
        modelspan.flush(30)
        assert trace.get_tracer_provider() is foreign
    """).run()
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is not the SDK's") == 1
    assert sum(model["calls"] for model in queries.models()["models"]) == 3

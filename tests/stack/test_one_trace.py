"""One trace from an HTTP caller through FastAPI into predict and on to an outgoing call."""

import os
import subprocess
import sys
import textwrap

import httpx
import pytest
from stack_servers import arrivals
from stack_servers.arrivals import wait_for
from stack_servers.server import free_port

from modelspan import semconv
from tests.serving import Answers, serving

SERVICE = textwrap.dedent("""
    import sys
    import httpx
    import uvicorn
    from fastapi import FastAPI
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    import modelspan

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=200))
    trace.set_tracer_provider(provider)
    HTTPXClientInstrumentor().instrument()
    app = FastAPI()
    FastAPIInstrumentor.instrument_app(app)

    @modelspan.monitor(model="priced", version="1")
    async def predict(amount: float):
        async with httpx.AsyncClient() as client:
            rate = (await client.get(sys.argv[2])).json()
        return amount * rate

    @app.get("/price")
    async def price(amount: float):
        return {"price": await predict(amount), "id": modelspan.current_prediction().id}

    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
""")
CALLER_TRACE, CALLER_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Rates(Answers):
    """The service that predict calls; remembers the headers."""

    def do_GET(self):
        self.server.headers.append(dict(self.headers))
        self.answer(200, b"2")


@pytest.fixture
def rates():
    with serving(Rates, headers=[]) as server:
        yield server


@pytest.fixture
def service(collector, rates):
    port = free_port()
    env = {**os.environ, "OTEL_SERVICE_NAME": "pricing", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    command = [sys.executable, "-c", SERVICE, str(port), f"http://127.0.0.1:{rates.server_port}/"]
    process = subprocess.Popen(command, env=env)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)


def asked(url):
    try:
        return httpx.get(url, headers={"traceparent": f"00-{CALLER_TRACE}-{CALLER_SPAN}-01"}, timeout=10)
    except httpx.TransportError:
        return None


def test_a_traceparent_leads_through_fastapi_and_predict_to_the_outgoing_call(service, rates, sink):
    answer = wait_for(lambda: asked(f"{service}/price?amount=21"), "the service answers")
    assert answer.json()["price"] == 42.0
    assert answer.json()["id"].startswith(CALLER_TRACE)

    def trace():
        found = arrivals.spans(sink, "/jaeger/v1/traces").values()
        spans = {span.name: span for span in found if span.trace_id.hex() == CALLER_TRACE}
        return spans if {"GET /price", "predict priced", "GET"} <= set(spans) else None

    spans = wait_for(trace, "the three spans are at Jaeger in the caller's trace")
    assert spans["GET /price"].parent_span_id.hex() == CALLER_SPAN
    assert spans["predict priced"].parent_span_id == spans["GET /price"].span_id
    assert spans["GET"].parent_span_id == spans["predict priced"].span_id
    (headers,) = rates.headers
    assert headers["traceparent"] == f"00-{CALLER_TRACE}-{spans['GET'].span_id.hex()}-01"

    def record():
        found = arrivals.records(sink, "/es/_otlp/v1/logs")
        mine = [r for r in found if r.trace_id.hex() == CALLER_TRACE]
        return [r for r in mine if r.event_name == semconv.PREDICTION_EVENT.name]

    (event,) = wait_for(record, "the prediction's record is at Elasticsearch in the caller's trace")
    assert event.span_id == spans["predict priced"].span_id

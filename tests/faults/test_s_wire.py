"""Rows S19 to S22 of the security catalogue: names and contexts from outside."""

import pytest
from opentelemetry import trace
from opentelemetry.propagate import extract

import modelspan

HOSTILE_HEADERS = {
    "not hex": {"traceparent": "00-" + "z" * 32 + "-" + "1" * 16 + "-01"},
    "zero": {"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-01"},
    "short": {"traceparent": "00-1-1-01"},
    "version ff": {"traceparent": "ff-" + "1" * 32 + "-" + "1" * 16 + "-01"},
    "8 KB of state": {
        "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01",
        "tracestate": ",".join(f"k{i}=" + "v" * 200 for i in range(40)),
    },
    "binary": {"traceparent": "\x00\xff", "tracestate": "\x00"},
    "baggage": {"baggage": "a=" + "b" * 9000},
}


@pytest.mark.parametrize("headers", HOSTILE_HEADERS.values(), ids=HOSTILE_HEADERS.keys())
def test_s21_a_context_from_outside_never_harms_a_call(telemetry, headers):
    from opentelemetry.context import attach, detach

    token = attach(extract(headers))
    try:
        assert modelspan.monitor(model="m")(lambda x: x)({"a": 1}) == {"a": 1}
        ours = modelspan.current_prediction().id
    finally:
        detach(token)
    (span,) = telemetry.spans
    assert f"{span.context.trace_id:032x}-{span.context.span_id:016x}" == ours
    assert span.context.trace_id != 0
    assert len(span.context.trace_state.to_header()) <= 8 * 1024


def test_s19_attributes_by_which_an_exporter_would_choose_an_index_do_not_leave(telemetry):
    def predict(x):
        span = trace.get_current_span()
        span.set_attribute("data_stream.dataset", "secrets")
        span.set_attribute("elasticsearch.index", "audit")
        span.set_attribute("shop.tier", "gold")
        return 0.5

    modelspan.monitor(model="m")(predict)({"a": 1})
    (span,) = telemetry.spans
    assert span.attributes["shop.tier"] == "gold"
    assert not [name for name in span.attributes if name.startswith(("data_stream.", "elasticsearch."))]


def test_s20_a_model_name_with_an_odd_letter_is_refused_so_that_it_names_no_second_series():
    for name in ("a\tb", "a\x7fb", "\u202ea", "x" * 300):
        with pytest.raises(ValueError, match="model="):
            modelspan.monitor(model=name)(len)


@pytest.mark.parametrize(
    "variable",
    ["OTEL_TRACES_EXPORTER", "OTEL_LOGS_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_EXPORTER_OTLP_PROTOCOL"],
)
def test_s22_an_exporter_or_protocol_from_the_environment_is_one_of_a_few_and_never_imported(
    stopped, monkeypatch, variable
):
    monkeypatch.setenv(variable, "some_package:Evil")
    with pytest.raises(ValueError, match=variable):
        modelspan.configure()

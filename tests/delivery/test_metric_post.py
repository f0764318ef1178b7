"""The last collection of metrics: one attempt at an endpoint that never took any, more at one that did."""

import threading

import pytest
from opentelemetry.sdk.resources import Resource

from modelspan.config import Config
from modelspan.delivery.accounting import Ledger
from modelspan.delivery.endpoint import resolve
from modelspan.delivery.metric_post import MetricPost
from modelspan.delivery.metrics import MetricsOut


def sending(endpoint, **settings):
    target = resolve("metrics", Config(endpoint=endpoint.url), {})
    made = MetricsOut(Resource({}), lambda: MetricPost(target, **settings), Ledger(), seconds=3600)
    made.meter.create_counter("c").add(1)
    return made


@pytest.fixture
def out(endpoint):
    return sending(endpoint)


def test_at_the_end_an_endpoint_that_never_took_metrics_gets_one_attempt(out, endpoint):
    endpoint.script = lambda body: 503
    assert out.close(30) is False
    assert len(endpoint.bodies) == 1


def test_at_the_end_an_endpoint_that_took_metrics_is_tried_again(out, endpoint):
    answers = iter([200, 503])
    endpoint.script = lambda body: next(answers, 200)
    assert out.flush(30)
    assert out.close(30)
    assert len(endpoint.bodies) == 3


def test_at_the_end_with_a_spool_an_endpoint_that_took_metrics_gets_one_attempt(endpoint):
    out = sending(endpoint, patient=False)
    assert out.flush(30)
    endpoint.script = lambda body: 503
    assert out.close(30) is False
    assert len(endpoint.bodies) == 2


@pytest.mark.parametrize(("how", "requests"), [("flush", 2), ("close", 1)])
def test_a_tick_right_after_the_collection_that_was_asked_for_takes_nothing_back(
    out, endpoint, monkeypatch, how, requests
):
    collect = out._reader.collect

    def and_a_tick(**settings):
        collect(**settings)
        endpoint.script = lambda body: 400
        tick = threading.Thread(target=collect)
        tick.start()
        tick.join()

    monkeypatch.setattr(out._reader, "collect", and_a_tick)
    assert getattr(out, how)(30)
    assert len(endpoint.bodies) == requests

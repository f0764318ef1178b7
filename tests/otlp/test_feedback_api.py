"""Outcomes by HTTP: committed before 200, one clear answer for what is wrong, seen on the page."""

import json

import pytest

from modelspan.store.opening import open_store
from modelspan.store.rows import Awaiting, ModelFacts

ID = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
TOKEN = "0123456789abcdef"
JSON = {"Content-Type": "application/json"}


def post(client, payload, headers=JSON):
    body = payload if isinstance(payload, (str, bytes)) else json.dumps(payload)
    return client.tell(body, headers)


@pytest.fixture
def stored(client):
    """The folder of the backend, as the monitored service shares it, with one prediction."""
    store = open_store(data=client.backend.path.parent)
    facts = ModelFacts("credit", "1", classes=("good", "bad"))
    store.commit(
        [Awaiting(bytes.fromhex(ID.replace("-", "")), 0, facts, 10**18, "good", None, 0.2)], [], 10**18
    )
    yield store
    store.close()


def test_one_outcome_is_joined_and_committed(client, stored):
    reply = post(client, {"prediction_id": ID, "outcome": "bad", "weight": 2, "at": "2026-01-02T03:04:05Z"})
    assert (reply.status, reply.json()) == (200, {"state": "joined", "reason": ""})
    row = stored.changes(0)[-1].after
    assert (row.outcome_label, row.weight) == ("bad", 2.0)
    again = post(client, {"prediction_id": ID, "outcome": "bad", "weight": 2})
    assert (again.status, again.json()) == (200, {"state": "rejected", "reason": "duplicate"})


def test_many_outcomes_have_a_result_each(client, stored):
    rows = [{"prediction_id": ID, "outcome": outcome} for outcome in ("bad", "worse", None)]
    reply = post(client, [*rows, {"key": 5, "outcome": 1}])
    assert reply.status == 200
    results = reply.json()["results"]
    assert [each["reason"] or each["state"] for each in results] == [
        "joined",
        "unknown_class",
        "missing",
        "orphan",
    ]


def test_the_states_are_shown_in_all_and_by_model(client, stored):
    post(client, {"prediction_id": ID, "outcome": "bad"})
    found = client.get("/api/feedback").json()
    assert found["states"]["outcome.joined"] == 1
    (model,) = found["models"]
    assert (model["model"], model["version"], model["states"]["outcome.joined"]) == ("credit", "1", 1)


def test_what_is_told_is_an_event_under_the_trace_of_its_prediction(client, stored):
    post(client, {"prediction_id": ID, "outcome": "bad", "row": 0})
    (log,) = client.get(f"/api/logs?trace_id={ID[:32]}").json()["logs"]
    assert (log["event"], log["body"]) == ("ml.prediction.feedback", "outcome bad")


@pytest.mark.parametrize(
    ("payload", "headers", "status", "said"),
    [
        ({"prediction_id": ID, "outcome": None}, JSON, 422, "outcome="),
        ({"prediction_id": "nonsense", "outcome": 1}, JSON, 422, "nonsense"),
        ({"prediction_id": ID, "outcome": 1, "row": -1}, JSON, 422, "row=-1"),
        ({"prediction_id": ID, "outcome": 1, "at": "2126-01-01"}, JSON, 422, "future"),
        ({"prediction_id": ID, "outcom": 1}, JSON, 400, "'outcom' is unknown"),
        ([1], JSON, 400, "is an object"),
        ("{", JSON, 400, "no JSON"),
        (b"\xff", JSON, 400, "no JSON"),
        ({"prediction_id": ID, "outcome": 1}, {"Content-Type": "text/plain"}, 415, "application/json"),
        ([{}] * 10_001, JSON, 413, "more than 10000"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(client, payload, headers, status, said):
    reply = post(client, payload, headers)
    assert reply.status == status
    assert said in reply.json()["error"]


def test_with_a_token_nobody_tells_without_it(start):
    client = start(token=TOKEN)
    row = {"prediction_id": ID, "outcome": 1}
    assert post(client, row).status == 401
    assert post(client, row, {**JSON, "Authorization": "Bearer wrong"}).status == 401
    told = post(client, row, {**JSON, "Authorization": f"Bearer {TOKEN}"})
    assert (told.status, told.json()["state"]) == (200, "orphan")


def test_a_page_on_the_internet_that_points_its_name_here_is_refused(client):
    assert post(client, {"prediction_id": ID, "outcome": 1}, {**JSON, "Host": "evil.example"}).status == 403

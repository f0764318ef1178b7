"""Rows S01 to S06, S17 and S18 of the security catalogue: what leaves the process, and what is said of it."""

import ast
import json
from pathlib import Path

import pytest

import modelspan
from modelspan.config import Config
from tests.planted import secrets, spread

SRC = Path(modelspan.__file__).parent


def found(planted, text):
    return [secret for _, secret in planted if secret in text]


def test_s01_of_500_planted_secrets_none_is_found_in_what_leaves(caplog):
    planted = secrets(500)
    with modelspan.testing.record(capture_logs="INFO") as telemetry:
        spread(planted)
        logs = [(str(log.body), dict(log.attributes)) for log in telemetry.logs]
        spans = [span.to_json() for span in telemetry.spans]
        points = [str(dict(p.attributes)) for p in telemetry.points("ml.inference.duration")]
    assert len(spans) == 500
    assert len(logs) >= 500
    assert found(planted, json.dumps([logs, spans, points])) == []


def test_s01_features_that_are_not_listed_never_leave(telemetry):
    watched = modelspan.monitor(model="m", log_features=("age",))(lambda x: 0.5)
    watched({"age": 3, "income": 51234.5, "name": "plain text of a person"})
    sent = json.dumps([dict(log.attributes) for log in telemetry.logs])
    assert "51234.5" not in sent
    assert "plain text" not in sent


def test_s02_a_listed_feature_with_a_secrets_name_is_masked_and_its_neighbours_stay(telemetry):
    watched = modelspan.monitor(model="m", log_features=("userPassword", "age", "city"))(lambda x: 0.5)
    watched({"userPassword": "hunter2", "age": 3, "city": "Ulm"})
    (event,) = telemetry.events("ml.prediction")
    assert event.attributes["ml.feature.value.userPassword"] == "[redacted]"
    assert event.attributes["ml.feature.value.age"] == 3
    assert event.attributes["ml.feature.value.city"] == "Ulm"


def test_s04_a_hashed_feature_leaves_as_its_keyed_hash():
    with modelspan.testing.record(hash_features=("customer",), hash_key="k" * 32) as telemetry:
        watched = modelspan.monitor(model="m", log_features=("customer",))(lambda x: 0.5)
        for customer in (4711, 4711, 4712):
            watched({"customer": customer})
        sent = [e.attributes["ml.feature.value.customer"] for e in telemetry.events("ml.prediction")]
    assert sent[0] == sent[1] != sent[2]
    assert all(value.startswith("hmac:") and "471" not in value[:9] for value in sent)


def test_s01_redaction_can_be_switched_off_and_rules_added():
    with modelspan.testing.record(redact=False) as telemetry:
        modelspan.monitor(model="m", log_features=("token",))(lambda x: 0.5)({"token": "plain"})
        assert telemetry.events("ml.prediction")[0].attributes["ml.feature.value.token"] == "plain"
    with modelspan.testing.record(redact_names=("nickname",), redact_patterns=(r"LOAN-\d+",)) as telemetry:
        watched = modelspan.monitor(model="m", log_features=("nickname", "note"))(lambda x: 0.5)
        watched({"nickname": "bo", "note": "see LOAN-12"})
        sent = telemetry.events("ml.prediction")[0].attributes
        assert sent["ml.feature.value.nickname"] == "[redacted]"
        assert sent["ml.feature.value.note"] == "see [redacted]"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"redact_patterns": ("(",)}, "redact_patterns="),
        ({"redact_names": ("",)}, "redact_names"),
        ({"hash_features": ("a",)}, "hash_key"),
        ({"hash_features": ("a",), "hash_key": "short"}, "hash_key"),
        ({"redactor": 5}, "redactor"),
    ],
)
def test_a23_wrong_settings_of_redaction_are_refused_at_start(settings, said):
    with pytest.raises(ValueError, match=said):
        Config(**settings)


PLANTED = {
    "headers": {"authorization": "Bearer PLANTED-1"},
    "endpoint": "https://user:PLANTED-2@collector.example.org:4318",
    "sentry_dsn": "https://PLANTED3@sentry.example.org/1",
    "webhook_secret": "whsec_UExBTlRFRFBMQU5URURQTEFOVEVEUExB",
    "hash_key": "PLANTED-4-and-more",
}


@pytest.mark.parametrize("name", PLANTED)
def test_s06_no_secret_setting_is_shown_by_repr_or_by_an_error(name):
    value = PLANTED[name]
    shown = repr(Config(**{name: value}))
    for secret in ("PLANTED", "UExBTlRFRFBMQU5"):
        assert secret not in shown
    wrong = [{name: 5}, {name: value, "tick_seconds": -1}, {name: value, "service_name": "a.b"}]
    if name == "endpoint":
        wrong += [
            {"endpoint": "ftp://user:PLANTED-2@host"},
            {"endpoint": "https://user:PLANTED-2@host:99999"},
        ]
    for settings in wrong:
        with pytest.raises(ValueError) as caught:
            Config(**settings)
        assert "PLANTED" not in str(caught.value)


def test_s17_nothing_in_the_package_loads_code_from_data():
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {"eval", "exec", "pickle.loads", "pickle.load", "yaml.load"}, path
                keywords = {keyword.arg: keyword.value for keyword in node.keywords}
                allowed = keywords.get("allow_pickle")
                assert allowed is None or ast.literal_eval(allowed) is False, path


def test_s18_a_log_line_of_ours_is_one_line_whatever_the_name_of_a_model(caplog):
    with pytest.raises(ValueError) as caught:
        modelspan.monitor(model="evil\n\x1b[31mname")(lambda x: x)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)

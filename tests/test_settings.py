import pytest

import modelspan
from modelspan.config import Config
from modelspan.errors import ConfigError


def predict(x):
    return 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"service_name": "credit.api"}, "service_name='credit.api'.*use letters"),
        ({"service_name": 5}, "service_name=5 is a int; it must be a str"),
        ({"endpoint": "not a url"}, "endpoint='not a url' is not an address; use http://"),
        ({"endpoint": "ftp://host"}, "endpoint='ftp://host'"),
        ({"endpoint": "http://host:99999"}, "endpoint='http://host:99999'"),
        ({"endpoint": "http://"}, "endpoint='http://'"),
        (
            {"metric_interval_seconds": 0},
            "metric_interval_seconds=0 is out of range; choose from 0.1 to 3600",
        ),
        ({"metric_interval_seconds": True}, "metric_interval_seconds=True is a bool"),
        ({"queue_bytes": 1}, "queue_bytes=1 is out of range"),
        ({"queue_bytes": 1e9}, "queue_bytes=1000000000.0 is a float; it must be a int"),
        ({"sample_rows": 0}, "sample_rows=0"),
        ({"capture_logs": "LOUD"}, "capture_logs='LOUD' is not a level"),
        ({"drift_false_alarm_rate": 0.9}, "drift_false_alarm_rate=0.9"),
        ({"headers": {"a": "b\n"}}, "headers holds an entry that is not printable"),
        ({"exit_timeout_seconds": float("nan")}, "exit_timeout_seconds=nan"),
        ({"colour": "red"}, "colour= is not a setting; the settings are service_name"),
    ],
)
def test_a23_a_wrong_setting_names_value_rule_and_way_out(settings, said):
    with pytest.raises(ConfigError, match=said):
        Config.resolve({}, **settings)


def test_s07_credentials_never_go_over_plain_http_to_another_host():
    secret = {"authorization": "Bearer s3cret"}
    with pytest.raises(ConfigError, match="insecure=True") as error:
        Config(endpoint="http://collector.example:4318", headers=secret)
    assert "s3cret" not in str(error.value)
    assert Config(endpoint="http://collector.example:4318", headers=secret, insecure=True)
    assert Config(endpoint="http://127.0.0.1:4318", headers=secret)
    assert Config(endpoint="https://collector.example", headers=secret)


def test_secrets_are_not_shown():
    config = Config(headers={"authorization": "s3cret"}, sentry_dsn="https://s3cret@sentry.example/1")
    assert "s3cret" not in repr(config)
    with pytest.raises(ConfigError) as error:
        Config(endpoint="gopher://user:s3cret@host")
    assert "s3cret" not in str(error.value)


def test_arguments_go_before_the_environment_and_that_before_the_default():
    env = {"MODELSPAN_SAMPLE_ROWS": "10", "MODELSPAN_TICK_SECONDS": "0.5"}
    config = Config.resolve(env, tick_seconds=1.0)
    assert (config.sample_rows, config.tick_seconds, config.log_rows) == (10, 1.0, 20)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MODELSPAN_SAMPLE_ROWS", "many"), ("MODELSPAN_TICK_SECONDS", ""), ("MODELSPAN_INSECURE", "perhaps")],
)
def test_a23_a_wrong_variable_is_named(variable, value):
    if not value:
        assert Config.resolve({variable: value}) == Config()
        return
    with pytest.raises(ConfigError, match=f"{variable}='{value}'"):
        Config.resolve({variable: value})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": ""}, "model='' is empty; give the model a name"),
        ({"model": 5}, "model=5 is a int; it must be text"),
        ({"model": "a\nb"}, "at most 200 printable characters"),
        ({"model": "m", "version": 1.4}, "version=1.4 is a float; it must be text"),
        ({"model": "m", "task": "guess"}, "task='guess' is not known"),
        ({"model": "m", "classes": "good"}, "classes='good' is not a list of names"),
        ({"model": "m", "features": ["a", "a"]}, "names something twice"),
        ({"model": "m", "log_features": [1]}, "log_features=.* is not a list of names"),
        ({"model": "m", "drift_window": 5}, "drift_window=5 must be a whole number of rows from 100"),
        ({"model": "m", "reference": 5}, "reference is a int; pass a Reference"),
        ({"model": "m", "reference": "/no/such/file.json"}, "/no/such/file.json"),
        ({"model": "m", "argument": "y"}, "argument='y' is not a parameter .* choose from x"),
    ],
)
def test_a_wrong_option_of_monitor_is_refused_at_decoration(settings, said):
    with pytest.raises(ConfigError, match=said):
        modelspan.monitor(**settings)(predict)


@pytest.mark.parametrize("what", [5, dict])
def test_only_callables_are_decorated(what):
    with pytest.raises(ConfigError, match="decorate"):
        modelspan.monitor(model="m")(what)


def test_configure_twice_with_other_settings_is_refused_and_with_the_same_is_fine(stopped, monkeypatch):
    for signal in ("TRACES", "LOGS", "METRICS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    first = modelspan.configure(service_name="one")
    assert modelspan.configure(service_name="one") == first
    with pytest.raises(ConfigError, match="call it once at start-up"):
        modelspan.configure(service_name="two")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OTEL_TRACES_EXPORTER", "zipkin"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon")],
)
def test_an_unknown_exporter_or_protocol_is_refused_by_configure(stopped, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=f"{variable}='{value}'"):
        modelspan.configure()


def test_a_disabled_sdk_leaves_the_function_alone(stopped, monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    before = modelspan.current_prediction()
    assert modelspan.monitor(model="m")(predict)({"a": 1}) == 1
    assert modelspan.flush(0.1)
    assert modelspan.current_prediction() is before


@pytest.mark.parametrize("timeout", [-1, "5", float("nan")])
def test_a_wrong_timeout_is_refused(timeout):
    with pytest.raises(ConfigError, match="timeout="):
        modelspan.flush(timeout)

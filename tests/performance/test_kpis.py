"""Users' functions over joined rows: exported, grouped, contained."""

import pytest

import modelspan
from modelspan import kpis, semconv
from modelspan.errors import ConfigError


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch):
    monkeypatch.setattr(kpis, "registered", {})


def run(tmp_path, count=10, told=6, **settings):
    """Serve and tell; the KPIs that left, over all windows, by name and group."""
    with modelspan.testing.record(
        data=str(tmp_path), metric_interval_seconds=3600.0, **settings
    ) as telemetry:
        predict = modelspan.monitor(
            model="credit", classes=("good", "bad"), task="binary", segments=("region",)
        )(lambda features: features["p"])
        for number in range(count):
            predict({"p": number / count, "region": "north" if number % 2 else "south"})
            if number < told:
                modelspan.feedback(modelspan.current_prediction().id, "bad")
        telemetry.flush()
        values = {
            (p.attributes[semconv.KPI_NAME], p.attributes.get(semconv.KPI_GROUP)): p.value
            for p in telemetry.points(semconv.KPI_VALUE.name)
            if p.attributes[semconv.PERFORMANCE_WINDOW] == "all"
        }
        errors = {p.attributes[semconv.KPI_NAME]: p.value for p in telemetry.points(semconv.KPI_ERRORS.name)}
        return values, errors, telemetry


def test_a_function_over_joined_rows_is_a_metric(tmp_path):
    @modelspan.kpi
    def missed(rows):
        known = [row for row in rows if row.known]
        return sum(row.label == "good" for row in known) / len(known)

    @modelspan.kpi(name="approval", model="credit")
    def by_region(rows):
        regions = {row.segments["region"] for row in rows}
        return {r: sum(row.label == "good" for row in rows if row.segments["region"] == r) for r in regions}

    @modelspan.kpi(model="another")
    def of_another_model(rows):
        return 1.0

    values, errors, _ = run(tmp_path)
    assert values == {("missed", None): 5 / 6, ("approval", "north"): 2, ("approval", "south"): 3}
    assert errors == {}


@pytest.mark.parametrize("answer", [1 / 3, None])
def test_none_is_not_enough_data(tmp_path, answer):
    modelspan.kpi(name="share")(lambda rows: answer)
    values, errors, _ = run(tmp_path)
    assert values == ({} if answer is None else {("share", None): answer})
    assert errors == {}


@pytest.mark.contained_fault
@pytest.mark.parametrize("broken", [lambda rows: 1 / 0, lambda rows: float("nan"), lambda rows: "many"])
def test_a_kpi_that_raises_is_counted_and_the_others_go_on(tmp_path, broken, caplog):
    modelspan.kpi(name="broken")(broken)
    modelspan.kpi(name="rows")(len)
    values, errors, _ = run(tmp_path)
    assert values == {("rows", None): 10}
    assert errors["broken"] >= 1


def test_a_threshold_watches_a_kpi(tmp_path):
    modelspan.kpi(name="rows")(len)
    path = tmp_path / "thresholds.yaml"
    path.write_text(
        "thresholds: [{name: few, model: credit, metric: rows, of: kpi, kind: static, lower: 1000}]"
    )
    import time

    time.sleep(1.05 - time.time() % 1)  # the windows are of a second, and one must be over
    run(tmp_path / "data", performance_window_seconds=1.0, thresholds=str(path))
    time.sleep(3.2)
    with modelspan.testing.record(
        data=str(tmp_path / "data"), performance_window_seconds=1.0, thresholds=str(path)
    ) as telemetry:
        telemetry.flush()
        assert telemetry.events(semconv.THRESHOLD_EVENT.name)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: modelspan.kpi(3),
        lambda: modelspan.kpi(lambda rows: 1),
        lambda: modelspan.kpi(name="x" * 200)(len),
    ],
)
def test_what_names_no_function_is_refused(wrong):
    with pytest.raises(ConfigError):
        wrong()


def test_a_name_is_given_once_but_a_reload_may_register_again():
    def one(rows):
        return 1.0

    modelspan.kpi(one)
    assert modelspan.kpi(one) is one
    with pytest.raises(ConfigError, match="taken"):
        modelspan.kpi(name="one")(len)


def test_kpis_may_be_given_to_configure_beside_the_decorated_ones(tmp_path):
    modelspan.kpi(name="rows")(len)
    approved = lambda rows: sum(row.label == "good" for row in rows)  # noqa: E731 - as users pass it
    values, errors, _ = run(tmp_path, kpis={"approved": approved})
    assert values == {("rows", None): 10, ("approved", None): 5}
    assert errors == {}


@pytest.mark.parametrize(
    ("kpis_given", "said"),
    [
        ({"a": 5}, "is no function"),
        ({"": len}, "names no KPI"),
        ({5: len}, "names no KPI"),
        ({"rows": max}, "taken by another"),
        (len, "must be a mapping"),
    ],
)
def test_a_wrong_kpi_is_an_error_at_start(tmp_path, kpis_given, said):
    modelspan.kpi(name="rows")(len)
    with pytest.raises(ConfigError, match=said):
        modelspan.Config(data=str(tmp_path), kpis=kpis_given)


def test_kpis_need_a_store():
    with pytest.raises(ConfigError, match="need a store"):
        modelspan.Config(kpis={"rows": len})

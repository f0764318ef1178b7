"""Row A18 of the fault catalogue: more versions, kinds of error and labels than there may be time series."""

import contextlib
import math

import modelspan

LIMIT = 2000
"""Series of an instrument, the default of OpenTelemetry's specification."""
BEYOND = {"otel.metric.overflow": True}


def amount(point):
    return point.count if hasattr(point, "count") else point.value


def by_version(points):
    return {point.attributes.get("ml.model.version"): amount(point) for point in points}


def test_a18_of_many_versions_the_first_keep_their_series_and_the_others_count_as_one(telemetry):
    watched = [
        modelspan.monitor(model="m", version=str(i), task="binary")(lambda x: 0.5) for i in range(LIMIT + 500)
    ]
    names = ("ml.inference.predictions", "ml.inference.duration", "ml.prediction.score")
    for calls in (1, 2):
        for predict in watched:
            assert predict({"a": 1}) == 0.5
        telemetry.flush()  # versions are known in the order in which their calls came
        for name in names:
            points = telemetry.points(name)
            assert len(points) == LIMIT + 1
            assert by_version(points) == {**{str(i): calls for i in range(LIMIT)}, None: 500 * calls}
            assert [dict(p.attributes) for p in points if "ml.model.version" not in p.attributes] == [BEYOND]


def test_a18_kinds_of_errors_beyond_the_limit_count_as_one_and_a_known_model_goes_on(telemetry):
    def predict(kind):
        if kind >= 0:
            raise type(f"Error{kind}", (Exception,), {})
        return 0.5

    watched = modelspan.monitor(model="m")(predict)
    watched(-1)
    for kind in range(LIMIT + 500):
        with contextlib.suppress(Exception):
            watched(kind)
    watched(-1)
    for name in ("ml.inference.predictions", "ml.inference.duration"):
        points = telemetry.points(name)
        counts = {
            (p.attributes.get("error.type"), p.attributes.get("ml.model.name")): amount(p) for p in points
        }
        assert len(points) == LIMIT + 1
        assert counts[None, "m"] == 2
        assert counts[None, None] == 501
        assert sum(counts.values()) == LIMIT + 502


def test_a18_values_and_labels_that_the_reference_does_not_know_are_one_series_and_nan_is_another(telemetry):
    reference = modelspan.Reference.build({"user": ["ann", "bob"] * 100})
    watched = modelspan.monitor(model="m", reference=reference, classes=("good", "bad"))(lambda x: x["label"])
    for i in range(3000):
        watched({"user": f"user {i}", "label": f"label {i}"})
        watched({"user": math.nan, "label": math.nan})
    counts = {p.attributes["ml.feature.bin"]: p.value for p in telemetry.points("ml.feature.observations")}
    assert counts == {"ann": 0, "bob": 0, "(other)": 3000, "(missing)": 3000}
    for name in ("ml.inference.predictions", "ml.inference.duration"):
        assert len(telemetry.points(name)) == 1

"""The figures say what the dictionaries say, and say how sure it is."""

import plotly.graph_objects as go
import pytest

from modelspan.viewer import figures

WINDOW = {"start": 0.0, "end": 3600.0, "predictions": 100}
EMPTY_FEATURE = {"bins": [], "reference_counts": [], "current_counts": [], "history": []}


def feature(bins, reference, current):
    return {
        "bins": bins,
        "reference_counts": reference,
        "current_counts": current,
        "history": [{"time": 0, "psi": 0.1}],
    }


def test_histograms_show_shares_so_that_samples_of_different_size_compare():
    figure = figures.histograms(feature(["a", "b"], [1, 3], [300, 100]))
    reference, current = figure.data
    assert [reference.name, current.name] == ["reference", "current"]
    assert list(reference.y) == [0.25, 0.75]
    assert list(current.y) == [0.75, 0.25]
    assert list(current.customdata) == [300, 100]
    assert (reference.marker.color, current.marker.color) == (figures.REFERENCE, figures.CURRENT)


def test_long_labels_are_written_beside_horizontal_bars():
    drawn = figures.histograms(feature(["a" * 10, "b"], [1, 3], [1, 1]))
    assert {each.orientation for each in drawn.data} == {"h"}
    assert list(drawn.data[0].x) == [0.25, 0.75]
    assert drawn.layout.xaxis.title.text == "share of rows"
    assert figures.histograms(feature(["a" * 9, "b"], [1, 3], [1, 1])).data[0].orientation is None


def test_an_empty_window_is_drawn_as_zeros():
    assert list(figures.histograms(feature(["a", "b"], [1, 1], [0, 0])).data[1].y) == [0.0, 0.0]


def test_labels_from_telemetry_cannot_carry_links_or_tags():
    label = "<a href='https://elsewhere'>&amp;</a>"
    drawn = figures.histograms(feature([label, "b"], [1, 1], [1, 1]))
    assert drawn.data[0].y[0] == "&lt;a href='https://elsewhere'&gt;&amp;amp;&lt;/a&gt;"
    matrix = figures.confusion({"labels": [label, "b"], "matrix": [[1, 0], [0, 1]]})
    assert "<" not in "".join(matrix.data[0].x) + "".join(matrix.data[0].y)


def test_traffic_adds_up_to_all_calls_with_failures_in_the_alarm_colour():
    buckets = [{"time": at, "calls": 10 * at, "errors": at} for at in (0, 30, 60)]
    answered, failed = figures.traffic({"buckets": buckets}).data
    assert [a + b for a, b in zip(answered.y, failed.y, strict=True)] == [0, 300, 600]
    assert list(failed.y) == [0, 30, 60]
    assert failed.marker.color == figures.ALARM


def test_traffic_names_the_length_of_its_buckets():
    buckets = [{"time": at, "calls": 1, "errors": 0} for at in (0, 30)]
    assert figures.traffic({"buckets": buckets}).layout.yaxis.title.text == "calls per 30\u00a0s"


def test_a_bucket_without_calls_is_a_gap_in_latency():
    buckets = [
        {"time": at, "p50_ms": each, "p95_ms": each, "p99_ms": each} for at, each in enumerate((1, None, 3))
    ]
    drawn = figures.latency({"buckets": buckets}).data
    assert [each.name for each in drawn] == ["p50", "p95", "p99"]
    assert all(list(each.y) == [1, None, 3] and not each.connectgaps for each in drawn)


def performance(*coverages):
    windows = [
        {**WINDOW, "outcomes": round(100 * (each or 0)), "coverage": each, "accuracy": 0.9 if each else None}
        for each in coverages
    ]
    return {"windows": windows}


def test_a_window_of_low_coverage_looks_uncertain():
    marker = figures.performance(performance(1.0, 0.6, 0.05)).data[0].marker
    assert list(marker.color) == [figures.CURRENT, figures.CURRENT, "#ffffff"]
    assert list(marker.opacity) == pytest.approx([1.0, 0.74, 0.3825])
    assert marker.opacity[0] > 2 * marker.opacity[2]


def test_coverage_is_drawn_below_the_metrics_from_0_to_1():
    drawn = figures.performance(performance(1.0, 0.05, None))
    bars = drawn.data[-1]
    assert list(bars.y) == [1.0, 0.05, 0.0]
    assert list(bars.marker.color) == [figures.CURRENT, figures.REFERENCE, figures.REFERENCE]
    assert tuple(drawn.layout.yaxis2.range) == (0, 1)
    assert drawn.layout.yaxis2.domain[1] < drawn.layout.yaxis.domain[0]


def test_a_window_without_outcomes_has_no_marker():
    assert list(figures.performance(performance(1.0, 0.0)).data[0].y) == [0.9, None]


def test_a_regression_is_drawn_in_the_unit_of_its_target():
    drawn = figures.performance(
        {"windows": [{**WINDOW, "outcomes": 1, "coverage": 1.0, "mae": 2.0, "rmse": 3.0}]}
    )
    assert [each.name for each in drawn.data[:-1]] == ["MAE", "RMSE"]
    assert drawn.layout.yaxis.title.text == "error (target's unit)"


def test_the_confusion_matrix_colours_by_the_share_of_the_true_class():
    (heat,) = figures.confusion({"labels": ["bad", "good"], "matrix": [[1, 3], [0, 50]]}).data
    assert [list(row) for row in heat.z] == [[0.25, 0.75], [0.0, 1.0]]
    assert [list(row) for row in heat.text] == [[1, 3], [0, 50]]


def test_psi_history_is_drawn_over_time_in_utc():
    (line,) = figures.psi_history(feature([], [], [])).data
    assert line.x[0].isoformat() == "1970-01-01T00:00:00+00:00"
    assert list(line.y) == [0.1]


@pytest.mark.parametrize(
    ("draw", "nothing"),
    [
        (figures.traffic, {"buckets": []}),
        (figures.latency, {"buckets": []}),
        (figures.performance, {"windows": []}),
        (figures.histograms, EMPTY_FEATURE),
        (figures.psi_history, EMPTY_FEATURE),
        (figures.confusion, {"labels": [], "matrix": []}),
    ],
)
def test_nothing_is_an_empty_figure_with_its_axes(draw, nothing):
    drawn = draw(nothing)
    assert isinstance(drawn, go.Figure)
    assert drawn.layout.xaxis.gridcolor == figures.GRID


def test_the_interval_of_each_window_is_a_band_as_long_as_the_window():
    known = {**WINDOW, "outcomes": 9, "coverage": 1.0, "accuracy": 0.8, "intervals": {"accuracy": [0.6, 0.9]}}
    figure = figures.performance({"windows": [known, {**known, "intervals": {}}]})
    band = figure.data[0]
    assert list(band.y) == [0.6, 0.6, 0.9, 0.9, 0.6, None]
    assert (band.x[1] - band.x[0]).total_seconds() == WINDOW["end"] - WINDOW["start"]
    assert band.legendgroup == "accuracy"

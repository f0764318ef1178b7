"""`/models/<model>/performance`: metrics over prediction time, never without coverage and lag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dash import html

from modelspan.viewer import curves, figures
from modelspan.viewer.views import frame, parts, text
from modelspan.viewer.views.feedback import feedback
from modelspan.viewer.views.variants import variants

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelspan.viewer.views.request import Request

NAMES: Final = {
    "accuracy": "accuracy", "precision": "precision", "recall": "recall", "f1": "F1", "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC", "mcc": "MCC", "balanced_accuracy": "balanced accuracy", "f1_macro": "macro F1",
    "roc_auc_macro": "ROC AUC, each class", "roc_auc_weighted": "ROC AUC, weighted",
    "brier": "Brier score", "log_loss": "log loss", "calibration_error": "calibration error",
    "mae": "MAE", "rmse": "RMSE", "mape": "MAPE", "r2": "R²",
}  # fmt: skip
SEGMENT_MEASURES: Final = ("accuracy", "precision", "recall", "roc_auc", "f1_macro", "mae", "rmse")
ESTIMATED: Final = {
    "roc_auc": ("calibrated scores", "what scores mean"),
    "accuracy": ("calibrated scores", "what scores mean"),
    "rmse": ("a loss model", "what features mean"),
}
"""Measures of which the first that is estimated is drawn; from what, and what that is blind to."""
_OF_POSITIVE: Final = ("precision", "recall", "f1")
_IN_TARGET_UNIT: Final = ("mae", "rmse")
MOST_CLASSES: Final = 12
"""A larger matrix can't be read on a page."""


def render(request: Request) -> parts.Node:
    """The numbers, the chart, the confusion matrix, or how outcomes are sent."""
    model = request.route.parts[1]
    if not request.versions:
        return frame.unknown_model(model)
    answer = request.queries.performance(model, version=request.route.params.get("version"))
    choice = frame.version_choice(request, answer["version"])
    top = [frame.heading(model, above="model", beside=choice), frame.model_tabs(request.route, "Performance")]
    last = [*_segments(answer), *variants(answer["comparisons"]), *feedback(answer["feedback"])]
    if not answer["outcomes"]:
        return html.Div([*top, _nothing(answer), *_estimated(answer), *last])
    numbers = parts.live("numbers", _coverage(answer), _overall(answer))
    more = [*_charts(answer), *_estimated(answer), *_curves(answer), *last]
    return html.Div([*top, numbers, *more])


def _nothing(answer: Mapping[str, Any]) -> parts.Node:
    predictions = text.plural(answer["predictions"], "prediction")
    return parts.empty(
        "No outcomes yet",
        f"Stored: {predictions}. How good they were is unknown until the truth arrives.",
        "Send it whenever it is known, minutes or months later:",
        html.Pre("modelspan.feedback(prediction_id, outcome=1)"),
    )


def _coverage(answer: Mapping[str, Any]) -> parts.Node:
    known = f"{text.count(answer['outcomes'])} of {text.plural(answer['predictions'], 'prediction')}"
    return parts.tiles([
        ("coverage", text.share(answer["coverage"]), f"outcomes of {known}"),
        ("lag p50", text.seconds(answer["lag_p50_seconds"]), "from prediction to outcome"),
        ("lag p90", text.seconds(answer["lag_p90_seconds"]), "nine in ten come sooner"),
    ])  # fmt: skip


def _overall(answer: Mapping[str, Any]) -> parts.Node:
    """Each measure with its 95 % interval."""
    of_class = f"class {text.plain(answer['positive'])}, " if answer["positive"] is not None else ""
    tiles = []
    for key, name in NAMES.items():
        value = answer["overall"].get(key)
        if value is None:
            continue
        write = text.number if key in _IN_TARGET_UNIT else text.fixed
        interval = answer["overall"]["intervals"].get(key)
        said = (
            f"95 %: {write(interval[0])} to {write(interval[1])}" if interval else "too few for an interval"
        )
        tiles.append((name, write(value), (of_class if key in _OF_POSITIVE else "") + said))
    return parts.tiles([*tiles, *_kept(answer["kept"])])


def _kept(measures: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str, str]]:
    """Measures that only the service can compute, over the windows that it keeps."""
    tiles = []
    for key, measure in measures.items():
        bounds = [text.fixed(measure.get(end)) for end in ("lower", "upper")]
        said = f"95 %: {' to '.join(bounds)}" if "lower" in measure else "too few for an interval"
        tiles.append(
            (
                NAMES.get(key, key.replace("_", " ")),
                text.fixed(measure["value"]),
                f"{said}; of all kept windows",
            )
        )
    return tiles


def _estimated(answer: Mapping[str, Any]) -> list[parts.Node]:
    """Estimated against realised, for the measure that says most, with the doubts of the newest window."""
    windows = answer["estimates"]
    metric = next((m for m in ESTIMATED if any(m in w["estimated"] for w in windows)), None)
    if metric is None:
        return []
    source, change = ESTIMATED[metric]
    note = (
        f"estimated from {source} before outcomes come; it can't see a change of {change}. "
        "Paler: fewer of the outcomes are known; bars and band: 95 %"
    )
    chart = parts.chart("Estimated and realised", curves.estimated(windows, metric), height=320, note=note)
    doubts = windows[-1]["doubts"]
    if not doubts:
        return [chart]
    words = [html.Li(text.plain(each)) for each in doubts]
    return [chart, parts.card("Don't trust the estimate", parts.live("doubts", html.Ul(words)))]


def _curves(answer: Mapping[str, Any]) -> list[parts.Node]:
    points = answer["curves"]
    if points is None:
        return []
    charts = [
        parts.chart("ROC", curves.roc(points), height=300),
        parts.chart("Precision and recall", curves.precision_recall(points), height=300),
        parts.chart("Calibration", curves.calibration(points), height=300),
    ]
    return [html.Div(charts, className="triple")]


def _segments(answer: Mapping[str, Any]) -> list[parts.Node]:
    """Values of segments, and after them the gaps between them."""
    entries = answer["segments"]
    if not entries:
        return []
    names = [m for m in SEGMENT_MEASURES if any(m in each["measures"] for each in entries if each["value"])]
    rows = [
        [
            parts.stack(html.Strong(text.plain(each["value"])), parts.muted(each["segment"])),
            text.share(each.get("coverage")),
            *(_with_interval(each["measures"].get(name)) for name in names),
        ]
        for each in entries
        if each["value"]
    ]
    table = parts.table(
        ["segment", "coverage#", *(f"{NAMES[name]}#" for name in names)], rows, kind="segments"
    )
    gaps = [
        (
            name.replace("_", " "),
            text.fixed(measure.get("value")),
            f"between values of {text.plain(each['segment'])}",
        )
        for each in entries
        if not each["value"]
        for name, measure in sorted(each["measures"].items())
    ]
    return [parts.card("Segments", parts.live("segments", table, parts.tiles(gaps) if gaps else None))]


def _with_interval(measure: Mapping[str, float] | None) -> parts.Node:
    if measure is None:
        return text.ABSENT
    bounds = f"{text.fixed(measure.get('lower'))} to {text.fixed(measure.get('upper'))}"
    return parts.stack(text.fixed(measure.get("value")), parts.muted(bounds) if "lower" in measure else None)


def _charts(answer: Mapping[str, Any]) -> list[parts.Node]:
    limit = text.share(figures.SURE_COVERAGE)
    note = f"shaded: 95 % interval; hollow marker, grey bar: fewer than {limit} of the outcomes are known"
    over_time = parts.chart("Over prediction time", figures.performance(answer), height=420, note=note)
    matrix = answer["confusion"]
    if not matrix or len(matrix["labels"]) > MOST_CLASSES:
        return [over_time]
    height = 180 + 44 * len(matrix["labels"])
    note = "rows with a known outcome; colour: share of the true class"
    chart = parts.chart("Confusion matrix", figures.confusion(matrix), height=height, note=note)
    return [html.Div([over_time, chart], className="pair wide-first")]

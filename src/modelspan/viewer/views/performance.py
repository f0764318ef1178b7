"""`/models/<model>/performance`: metrics over prediction time, never without coverage and lag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dash import html

from modelspan.viewer import figures
from modelspan.viewer.views import frame, parts, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelspan.viewer.views.request import Request

_NAMES: Final = {
    "accuracy": "accuracy", "precision": "precision", "recall": "recall", "f1": "F1", "roc_auc": "ROC AUC",
    "mae": "MAE", "rmse": "RMSE", "r2": "R²",
}  # fmt: skip
_OF_POSITIVE: Final = ("precision", "recall", "f1")
_IN_TARGET_UNIT: Final = ("mae", "rmse")
_MOST_CLASSES: Final = 12
"""A larger matrix can't be read on a page."""


def render(request: Request) -> parts.Node:
    """The numbers, the chart, the confusion matrix, or how outcomes are sent."""
    model = request.route.parts[1]
    if not request.versions:
        return frame.unknown_model(model)
    answer = request.queries.performance(model, version=request.route.params.get("version"))
    choice = frame.version_choice(request, answer["version"])
    top = [frame.heading(model, above="model", beside=choice), frame.model_tabs(request.route, "Performance")]
    if not answer["outcomes"]:
        return html.Div([*top, _nothing(answer)])
    numbers = parts.live("numbers", _coverage(answer), _overall(answer))
    return html.Div([*top, numbers, *_charts(answer)])


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
    coverage = f"coverage {text.share(answer['coverage'])}"
    of_class = f"class {text.plain(answer['positive'])}, {coverage}"
    return parts.tiles([
        (_NAMES[key], text.number(value) if key in _IN_TARGET_UNIT else text.fixed(value),
         of_class if key in _OF_POSITIVE and answer["positive"] is not None else coverage)
        for key, value in answer["overall"].items()
        if key in _NAMES and value is not None
    ])  # fmt: skip


def _charts(answer: Mapping[str, Any]) -> list[parts.Node]:
    limit = text.share(figures.SURE_COVERAGE)
    note = f"hollow marker and grey bar: fewer than {limit} of the outcomes are known"
    over_time = parts.chart("Over prediction time", figures.performance(answer), height=420, note=note)
    matrix = answer["confusion"]
    if not matrix or len(matrix["labels"]) > _MOST_CLASSES:
        return [over_time]
    height = 180 + 44 * len(matrix["labels"])
    note = "rows with a known outcome; colour: share of the true class"
    chart = parts.chart("Confusion matrix", figures.confusion(matrix), height=height, note=note)
    return [html.Div([over_time, chart], className="pair wide-first")]

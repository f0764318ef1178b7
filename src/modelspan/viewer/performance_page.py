"""Performance of stored outcomes as one HTML page that needs nothing from outside."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, Final

from plotly.io import to_html
from plotly.offline import get_plotlyjs

from modelspan.report.page import STYLE
from modelspan.viewer import curves, figures
from modelspan.viewer.views import text
from modelspan.viewer.views.performance import ESTIMATED, MOST_CLASSES, NAMES, SEGMENT_MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import plotly.graph_objects as go

_HEIGHT: Final = 300


def page(answers: Sequence[Mapping[str, Any]]) -> str:
    """A section for each model; `answers` are those of `stored_performance.answer`."""
    sections = "".join(_section(each) for each in answers)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Performance</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style><script>{get_plotlyjs()}</script></head><body><main>{sections}</main></body></html>\n"
    )


def title(answer: Mapping[str, Any]) -> str:
    """Name, version and role of a model."""
    return " ".join(filter(None, (answer["model"], answer["version"], answer["variant"])))


def _section(answer: Mapping[str, Any]) -> str:
    known = f"{answer['outcomes']:,} outcomes of {answer['predictions']:,} predictions"
    lags = [text.seconds(answer[f"lag_{each}_seconds"]) for each in ("p50", "p90")]
    said = f"{known}, coverage {text.share(answer['coverage'])}; lag {lags[0]} (p50), {lags[1]} (p90)"
    head = f"<h1>Performance of {html.escape(title(answer))}</h1><p>{said}</p>"
    return head + _measures(answer) + _charts(answer) + _segments(answer)


def _measures(answer: Mapping[str, Any]) -> str:
    rows = [
        (
            NAMES.get(name, name.replace("_", " ")),
            "",
            text.number(value),
            *_bounds(answer["overall"]["intervals"].get(name)),
        )
        for name, value in answer["overall"].items()
        if name != "intervals"
    ]
    if not rows:
        return '<div class="card"><p>No outcomes yet: how good the predictions were is unknown.</p></div>'
    return _table("Over all windows", ("measure", "", "value", "95 % from", "to"), rows)


def _segments(answer: Mapping[str, Any]) -> str:
    rows = [
        (
            each["segment"], each["value"] or "gap", NAMES.get(name, name.replace("_", " ")),
            text.number(measure["value"]), *_bounds([measure.get("lower"), measure.get("upper")]),
        )
        for each in answer["segments"]
        for name, measure in each["measures"].items()
        if name in SEGMENT_MEASURES or not each["value"]
    ]  # fmt: skip
    return _table("Segments", ("segment", "value", "measure", "", "95 % from", "to"), rows) if rows else ""


def _bounds(interval: Sequence[float | None] | None) -> tuple[str, str]:
    low, high = interval or (None, None)
    return text.number(low), text.number(high)


def _table(heading: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="card"><h2>{heading}</h2><table><tr>{head}</tr>{body}</table></div>'


def _charts(answer: Mapping[str, Any]) -> str:
    cards = []
    if answer["windows"]:
        limit = text.share(figures.SURE_COVERAGE)
        note = f"shaded: 95 % interval; hollow, grey: fewer than {limit} of the outcomes are known"
        cards.append(_card("Over prediction time", figures.performance(answer), note))
    metric = next((m for m in ESTIMATED if any(m in w["estimated"] for w in answer["estimates"])), None)
    if metric:
        doubts = answer["estimates"][-1]["doubts"]
        said = f"estimated from {ESTIMATED[metric][0]} before outcomes come; paler: fewer outcomes are known"
        said += "".join(f"; don't trust it: {each}" for each in doubts)
        cards.append(_card("Estimated and realised", curves.estimated(answer["estimates"], metric), said))
    if answer["confusion"] and len(answer["confusion"]["labels"]) <= MOST_CLASSES:
        cards.append(
            _card("Confusion matrix", figures.confusion(answer["confusion"]), "rows with a known outcome")
        )
    if answer["curves"]:
        points = answer["curves"]
        cards += [
            _card("ROC", curves.roc(points), ""),
            _card("Precision and recall", curves.precision_recall(points), ""),
            _card("Calibration", curves.calibration(points), ""),
        ]
    return f'<div class="charts">{"".join(cards)}</div>'


def _card(heading: str, figure: go.Figure, note: str) -> str:
    figure.update_layout(height=_HEIGHT)
    drawn = to_html(figure, include_plotlyjs=False, full_html=False,
                    config={"displayModeBar": False, "responsive": True})  # fmt: skip
    return f'<div class="card"><h2>{heading}</h2><p>{html.escape(note)}</p>{drawn}</div>'

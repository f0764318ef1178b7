"""Plotly figures from the dictionaries of `Queries`: the page, notebooks and reports share them.

Pure functions: a dictionary in, a figure out, nothing read; an empty one gives empty axes. Colours are Okabe
and Ito's (2008), which people of every colour vision tell apart; grey is always the reference, blue the
current window, vermilion an alarm or error. Times are UTC. Names are escaped: Plotly reads HTML.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from modelspan.report.figures import (
    ALARM,
    AMBER,
    CURRENT,
    GREEN,
    GRID,
    INK,
    MUTED,
    PURPLE,
    REFERENCE,
    SKY,
    escape,
    histograms,
    is_flat,
    layout,
    shares_of,
)
from modelspan.viewer.views.text import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = (
    "ALARM", "AMBER", "CURRENT", "GRID", "METRICS", "REFERENCE", "SURE_COVERAGE", "confusion", "escape",
    "histograms", "is_flat", "latency", "layout", "metric_names", "performance", "psi_history", "traffic",
)  # fmt: skip

SURE_COVERAGE: Final = 0.5
"""Below this share of known outcomes a window is drawn hollow: its metric says little about the rest."""
PSI_HABIT: Final = 0.2
"""The customary line for a large PSI; drawn for orientation, no alarm depends on it."""
METRICS: Final[dict[str, tuple[str, str]]] = {
    "accuracy": ("accuracy", CURRENT),
    "f1": ("F1", GREEN),
    "roc_auc": ("ROC AUC", PURPLE),
    "precision": ("precision", AMBER),
    "recall": ("recall", SKY),
    "mae": ("MAE", CURRENT),
    "rmse": ("RMSE", PURPLE),
}
"""Metrics that a chart over time shows, in order; R² has another scale and stays a number."""
_SHOWN_AT_FIRST: Final = {"accuracy", "roc_auc", "mae", "rmse"}
_PERCENTILES: Final = (("p50", SKY, "solid"), ("p95", CURRENT, "solid"), ("p99", PURPLE, "dot"))


def traffic(answer: Mapping[str, Any]) -> go.Figure:
    """Calls per bucket as stacked bars: answered in blue, failed in vermilion.

    Args:
        answer: What `Queries.traffic` gave; `calls` and `errors` are counts per bucket.
    """
    buckets = answer["buckets"]
    good = [each["calls"] - each["errors"] for each in buckets]
    failed = [each["errors"] for each in buckets]
    figure = go.Figure(layout=layout(y_title=f"calls per {_width(buckets)}" if buckets else "calls"))
    for name, values, colour in (("answered", good, CURRENT), ("failed", failed, ALARM)):
        figure.add_bar(
            x=_times(buckets), y=values, name=name, marker={"color": colour, "line": {"width": 0}},
            hovertemplate="%{y:,} " + name + "<extra></extra>",
        )  # fmt: skip
    figure.update_layout(barmode="stack", bargap=0.12, hovermode="x unified", legend_traceorder="normal")
    figure.update_yaxes(rangemode="tozero", tickformat="~s")
    return figure


def latency(answer: Mapping[str, Any]) -> go.Figure:
    """Latency p50, p95 and p99 in milliseconds over time; a bucket without calls is a gap.

    Args:
        answer: What `Queries.traffic` gave.
    """
    figure = go.Figure(layout=layout(y_title="latency (ms)"))
    for name, colour, dash in _PERCENTILES:
        figure.add_scatter(
            x=_times(answer["buckets"]), y=[each[f"{name}_ms"] for each in answer["buckets"]], name=name,
            mode="lines+markers", line={"color": colour, "width": 2, "dash": dash}, marker={"size": 4},
            hovertemplate=name + " %{y:,.3~g} ms<extra></extra>",
        )  # fmt: skip
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(rangemode="tozero")
    return figure


def psi_history(feature: Mapping[str, Any]) -> go.Figure:
    """PSI of a feature's windows over time, with the customary 0.2 as a dotted line of orientation.

    Args:
        feature: One entry of `Queries.drift`'s `features`, or its `score`.
    """
    history = feature["history"]
    figure = go.Figure(layout=layout(y_title="PSI (nats)"))
    figure.add_scatter(
        x=_times(history), y=[each["psi"] for each in history], mode="lines+markers", showlegend=False,
        line={"color": CURRENT, "width": 2}, marker={"size": 6}, hovertemplate="PSI %{y:.3f}<extra></extra>",
    )  # fmt: skip
    figure.add_hline(y=PSI_HABIT, line={"color": MUTED, "width": 1, "dash": "dot"})
    figure.update_yaxes(rangemode="tozero")
    return figure


def performance(answer: Mapping[str, Any]) -> go.Figure:
    """Metrics per window of prediction time above the coverage of the same windows.

    A marker is as opaque as its window's coverage and hollow below `SURE_COVERAGE`: a number over 5 % of the
    labels never looks like one over all. The 95 % interval is a band as wide as the window. A window without
    outcomes has no marker, only its bar.

    Args:
        answer: What `Queries.performance` gave.
    """
    windows = answer["windows"]
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.68, 0.32], vertical_spacing=0.06)
    figure.update_layout(layout(x_title=""), hovermode="x unified")
    middles = _instants([(each["start"] + each["end"]) / 2 for each in windows])
    names = metric_names(answer)
    bands = [band for name in names if (band := _metric_band(name, windows)) is not None]
    figure.add_traces([*bands, *(_metric_line(name, middles, windows) for name in names)], 1, 1)
    figure.add_bar(
        x=middles, y=[each["coverage"] or 0.0 for each in windows], row=2, col=1,
        marker_color=[CURRENT if _sure(each) else REFERENCE for each in windows], showlegend=False,
        customdata=[[each["outcomes"], each["predictions"]] for each in windows],
        hovertemplate="%{customdata[0]:,} of %{customdata[1]:,} outcomes known (%{y:.0%})<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(title_text=_unit(answer), row=1, col=1)
    figure.update_yaxes(title_text="coverage", range=[0, 1], tickformat=".0%", dtick=0.5, row=2, col=1)
    figure.update_xaxes(title_text="prediction time (UTC)", nticks=4, tickangle=0, row=2, col=1)
    return figure


def metric_names(answer: Mapping[str, Any]) -> list[str]:
    """Metrics of `METRICS` that at least one window of `Queries.performance`'s answer has."""
    return [key for key in METRICS if any(each.get(key) is not None for each in answer["windows"])]


def confusion(answer: Mapping[str, Any]) -> go.Figure:
    """Confusion matrix: counts as text, the share of the true class as colour.

    Args:
        answer: `Queries.performance`'s `confusion`: `labels` and `matrix[true][predicted]`.
    """
    labels = [escape(label) for label in answer["labels"]]
    matrix = answer["matrix"]
    figure = go.Figure(layout=layout(x_title="predicted class", y_title="true class"))
    figure.add_heatmap(
        z=[shares_of(row) for row in matrix], x=labels, y=labels, text=matrix, texttemplate="%{text:,}",
        colorscale=[[0, "#ffffff"], [1, SKY]], zmin=0, zmax=1, showscale=False,
        xgap=2, ygap=2, textfont={"color": INK, "size": 14},
        hovertemplate="true %{y}, predicted %{x}: %{text:,} (%{z:.1%} of the true class)<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(type="category", automargin=True, showgrid=False)
    figure.update_yaxes(type="category", autorange="reversed", automargin=True, showgrid=False)
    return figure


def _metric_band(key: str, windows: Sequence[Mapping[str, Any]]) -> go.Scatter | None:
    """A rectangle per window from the lower to the upper end of the interval; None without intervals."""
    colour = METRICS[key][1]
    x: list[datetime | None] = []
    y: list[float | None] = []
    for each in windows:
        lower, upper = each.get("intervals", {}).get(key, (None, None))
        if lower is not None and upper is not None:
            start, end = _instants([each["start"], each["end"]])
            x += [start, end, end, start, start, None]
            y += [lower, lower, upper, upper, lower, None]
    if not x:
        return None
    return go.Scatter(
        x=x, y=y, mode="lines", line={"width": 0}, fill="toself", fillcolor=colour, opacity=0.18,
        legendgroup=key, showlegend=False, hoverinfo="skip",
        visible=True if key in _SHOWN_AT_FIRST else "legendonly",
    )  # fmt: skip


def _metric_line(key: str, middles: Sequence[datetime], windows: Sequence[Mapping[str, Any]]) -> go.Scatter:
    name, colour = METRICS[key]
    marker = {
        "size": 9,
        "color": [colour if _sure(each) else "#ffffff" for each in windows],
        "opacity": [0.35 + 0.65 * (each["coverage"] or 0.0) for each in windows],
        "line": {"color": colour, "width": 2},
    }
    return go.Scatter(
        x=middles, y=[each.get(key) for each in windows], name=name, legendgroup=key, mode="lines+markers",
        marker=marker,
        line={"color": colour, "width": 1, "dash": "dot"}, hovertemplate=name + " %{y:.4~g}<extra></extra>",
        visible=True if key in _SHOWN_AT_FIRST else "legendonly",
    )  # fmt: skip


def _unit(answer: Mapping[str, Any]) -> str:
    return "error (target's unit)" if {"mae", "rmse"} & set(metric_names(answer)) else "score"


def _sure(window: Mapping[str, Any]) -> bool:
    return (window["coverage"] or 0.0) >= SURE_COVERAGE


def _width(buckets: Sequence[Mapping[str, Any]]) -> str:
    return seconds(buckets[1]["time"] - buckets[0]["time"]) if len(buckets) > 1 else "bucket"


def _times(points: Sequence[Mapping[str, Any]]) -> list[datetime]:
    return _instants([each["time"] for each in points])


def _instants(moments: Sequence[float]) -> list[datetime]:
    return [datetime.fromtimestamp(each, UTC) for each in moments]

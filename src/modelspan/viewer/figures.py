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

from modelspan.viewer.views.text import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REFERENCE: Final = "#8a8f98"
CURRENT: Final = "#0072b2"
ALARM: Final = "#d55e00"
SKY: Final = "#56b4e9"
PURPLE: Final = "#b0568f"
GREEN: Final = "#009e73"
AMBER: Final = "#e69f00"
INK: Final = "#1f2933"
MUTED: Final = "#52606d"
GRID: Final = "#e4e7eb"
FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

SURE_COVERAGE: Final = 0.5
"""Below this share of known outcomes a window is drawn hollow: its metric says little about the rest."""
PSI_HABIT: Final = 0.2
"""The customary line for a large PSI; drawn for orientation, no alarm depends on it."""
LONG_LABEL: Final = 9
"""Bin labels longer than this are written beside horizontal bars: a phone has no room below vertical ones."""
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


def histograms(feature: Mapping[str, Any]) -> go.Figure:
    """Shares of rows per bin, reference beside current, so that samples of different size compare.

    Args:
        feature: One entry of `Queries.drift`'s `features`, or its `score`. An empty sample is all zeros.
    """
    labels, flat, share = [escape(label) for label in feature["bins"]], is_flat(feature), "share of rows"
    figure = go.Figure(layout=layout(x_title=share if flat else "bin", y_title="" if flat else share))
    for name, colour in (("reference", REFERENCE), ("current", CURRENT)):
        counts = feature[f"{name}_counts"]
        place, shares = ("%{y}", "%{x:.1%}") if flat else ("%{x}", "%{y:.1%}")
        figure.add_bar(
            **_bars(labels, _shares(counts), flat=flat), name=name, marker_color=colour, customdata=counts,
            hovertemplate=f"{place}<br>{name} {shares} (%{{customdata:,}} rows)<extra></extra>",
        )  # fmt: skip
    figure.update_layout(barmode="group", bargap=0.25, bargroupgap=0.05, legend_traceorder="normal")
    share_axis = {"tickformat": ".0%", "rangemode": "tozero"}
    bin_axis = {"type": "category", "tickmode": "linear", "showgrid": False, "tickangle": None}
    figure.update_xaxes(share_axis if flat else bin_axis)
    figure.update_yaxes({**bin_axis, "autorange": "reversed"} if flat else share_axis)
    return figure


def is_flat(feature: Mapping[str, Any]) -> bool:
    """Whether `histograms` draws horizontal bars, because labels are long."""
    return max((len(str(label)) for label in feature["bins"]), default=0) > LONG_LABEL


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
    labels never looks like one over all. A window without outcomes has no marker, only its bar.

    Args:
        answer: What `Queries.performance` gave.
    """
    windows = answer["windows"]
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.68, 0.32], vertical_spacing=0.06)
    figure.update_layout(layout(x_title=""), hovermode="x unified")
    middles = _instants([(each["start"] + each["end"]) / 2 for each in windows])
    for key in metric_names(answer):
        figure.add_trace(_metric_line(key, middles, windows), row=1, col=1)
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
        z=[_shares(row) for row in matrix], x=labels, y=labels, text=matrix, texttemplate="%{text:,}",
        colorscale=[[0, "#ffffff"], [1, SKY]], zmin=0, zmax=1, showscale=False,
        xgap=2, ygap=2, textfont={"color": INK, "size": 14},
        hovertemplate="true %{y}, predicted %{x}: %{text:,} (%{z:.1%} of the true class)<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(type="category", automargin=True, showgrid=False)
    figure.update_yaxes(type="category", autorange="reversed", automargin=True, showgrid=False)
    return figure


def escape(label: object) -> str:
    """A name from telemetry as plain text for Plotly, which otherwise reads tags and links in it."""
    return str(label).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _metric_line(key: str, middles: Sequence[datetime], windows: Sequence[Mapping[str, Any]]) -> go.Scatter:
    name, colour = METRICS[key]
    marker = {
        "size": 9,
        "color": [colour if _sure(each) else "#ffffff" for each in windows],
        "opacity": [0.35 + 0.65 * (each["coverage"] or 0.0) for each in windows],
        "line": {"color": colour, "width": 2},
    }
    return go.Scatter(
        x=middles, y=[each.get(key) for each in windows], name=name, mode="lines+markers", marker=marker,
        line={"color": colour, "width": 1, "dash": "dot"}, hovertemplate=name + " %{y:.4~g}<extra></extra>",
        visible=True if key in _SHOWN_AT_FIRST else "legendonly",
    )  # fmt: skip


def _unit(answer: Mapping[str, Any]) -> str:
    return "error (target's unit)" if {"mae", "rmse"} & set(metric_names(answer)) else "score"


def _sure(window: Mapping[str, Any]) -> bool:
    return (window["coverage"] or 0.0) >= SURE_COVERAGE


def _bars(labels: list[str], shares: list[float], *, flat: bool) -> dict[str, Any]:
    return {"x": shares, "y": labels, "orientation": "h"} if flat else {"x": labels, "y": shares}


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts)
    return [each / total if total else 0.0 for each in counts]


def _width(buckets: Sequence[Mapping[str, Any]]) -> str:
    return seconds(buckets[1]["time"] - buckets[0]["time"]) if len(buckets) > 1 else "bucket"


def _times(points: Sequence[Mapping[str, Any]]) -> list[datetime]:
    return _instants([each["time"] for each in points])


def _instants(moments: Sequence[float]) -> list[datetime]:
    return [datetime.fromtimestamp(each, UTC) for each in moments]


def layout(*, x_title: str = "time (UTC)", y_title: str = "") -> dict[str, Any]:
    """What all figures share."""
    axis = {"gridcolor": GRID, "linecolor": GRID, "zeroline": False, "fixedrange": True, "automargin": True}
    return {
        "font": {"family": FONT, "size": 12, "color": INK},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        "hoverlabel": {"font": {"family": FONT, "size": 12}},
        "xaxis": {**axis, "title": {"text": x_title}, "nticks": 4, "tickangle": 0},
        "yaxis": {**axis, "title": {"text": y_title}, "nticks": 6},
        "uirevision": "kept",
    }

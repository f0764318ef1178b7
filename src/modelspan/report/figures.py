"""Figures that page, reports and notebooks share: both histograms of a feature, colours and layout.

Colours are Okabe and Ito's (2008), which people of every colour vision tell apart; grey is always the
reference, blue the current window, vermilion an alarm or error. Names from data are escaped, because Plotly
reads a subset of HTML in any text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import plotly.graph_objects as go

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

LONG_LABEL: Final = 9
"""Bin labels longer than this are written beside horizontal bars: a phone has no room below vertical ones."""


def histograms(feature: Mapping[str, Any]) -> go.Figure:
    """Shares of rows per bin, reference beside current, so that samples of different size compare.

    Args:
        feature: `bins`, `reference_counts` and `current_counts`, as in `Queries.drift`; an empty sample
            is all zeros.
    """
    labels, flat, share = [escape(label) for label in feature["bins"]], is_flat(feature), "share of rows"
    figure = go.Figure(layout=layout(x_title=share if flat else "bin", y_title="" if flat else share))
    for name, colour in (("reference", REFERENCE), ("current", CURRENT)):
        counts = feature[f"{name}_counts"]
        place, shares = ("%{y}", "%{x:.1%}") if flat else ("%{x}", "%{y:.1%}")
        figure.add_bar(
            **_bars(labels, shares_of(counts), flat=flat), name=name, marker_color=colour, customdata=counts,
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


def escape(label: object) -> str:
    """A name from telemetry as plain text for Plotly, which otherwise reads tags and links in it."""
    return str(label).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _bars(labels: list[str], shares: list[float], *, flat: bool) -> dict[str, Any]:
    return {"x": shares, "y": labels, "orientation": "h"} if flat else {"x": labels, "y": shares}


def shares_of(counts: Sequence[float]) -> list[float]:
    """Each count over their sum, zeros when there is nothing."""
    total = sum(counts)
    return [each / total if total else 0.0 for each in counts]


def layout(*, x_title: str = "time (UTC)", y_title: str = "") -> dict[str, Any]:
    """The layout of every figure."""
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

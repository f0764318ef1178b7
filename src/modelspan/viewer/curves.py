"""Figures of performance: ROC, precision-recall, calibration, and estimated against realised."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import plotly.graph_objects as go

from modelspan.viewer.figures import AMBER, CURRENT, METRICS, REFERENCE, layout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.performance.sums import Sums

_POINTS: Final = 200
_FEW: Final = 5


def curves(sums: Sums) -> dict[str, Any] | None:
    """Points of the curves, thinned to 200; None unless scores of both classes are known."""
    scores = sums.scores
    hits, alarms = scores.curves()
    if not len(hits) or hits[-1] <= 0 or alarms[-1] <= 0:
        return None
    at = np.unique(np.linspace(0, len(hits) - 1, min(len(hits), _POINTS)).astype(int))
    weight, score, truth, _ = scores.bins.sums
    full = weight > 0
    return {
        "roc": {"x": [0.0, *(alarms[at] / alarms[-1]).tolist()], "y": [0.0, *(hits[at] / hits[-1]).tolist()]},
        "pr": {"x": (hits[at] / hits[-1]).tolist(), "y": (hits[at] / (hits[at] + alarms[at])).tolist()},
        "positive_share": float(hits[-1] / (hits[-1] + alarms[-1])),
        "calibration": {
            "x": (score[full] / weight[full]).tolist(),
            "y": (truth[full] / weight[full]).tolist(),
            "rows": weight[full].tolist(),
        },
    }


def roc(points: Mapping[str, Any]) -> go.Figure:
    """True against false positive rate; the dotted diagonal is guessing."""
    figure = _square("false positive rate", "true positive rate")
    _line(figure, points["roc"], "ROC %{x:.1%}, %{y:.1%}")
    return _guess(figure, [0, 1], [0, 1])


def precision_recall(points: Mapping[str, Any]) -> go.Figure:
    """Precision against recall; the dotted line is guessing: the share of positives."""
    figure = _square("recall", "precision")
    _line(figure, points["pr"], "recall %{x:.1%}, precision %{y:.1%}")
    return _guess(figure, [0, 1], [points["positive_share"]] * 2)


def calibration(points: Mapping[str, Any]) -> go.Figure:
    """Share of positives against mean score per bin; hollow below five rows; on the diagonal it is right."""
    figure = _square("mean score of the bin", "share that came true")
    found = points["calibration"]
    figure.add_scatter(
        x=found["x"], y=found["y"], mode="markers+lines", showlegend=False, customdata=found["rows"],
        line={"color": CURRENT, "width": 1, "dash": "dot"},
        marker={"size": 9, "color": [CURRENT if n >= _FEW else "#ffffff" for n in found["rows"]],
                "line": {"color": CURRENT, "width": 2}},
        hovertemplate="score %{x:.1%}, came true %{y:.1%} (%{customdata:,.0f} rows)<extra></extra>",
    )  # fmt: skip
    return _guess(figure, [0, 1], [0, 1])


def estimated(windows: Sequence[Mapping[str, Any]], metric: str) -> go.Figure:
    """A measure per window: estimated in amber with its interval as a band, realised in blue.

    A realised marker is as opaque as its window's coverage, so that the estimate visibly comes first, and has
    its own interval, so that one of few outcomes does not look like a change.
    """
    figure = go.Figure(
        layout=layout(x_title="prediction time (UTC)", y_title=METRICS.get(metric, (metric, ""))[0])
    )
    times = [datetime.fromtimestamp((each["start"] + each["end"]) / 2, UTC) for each in windows]
    expected = [each["estimated"].get(metric, {}) for each in windows]
    sure = [(time, each) for time, each in zip(times, expected, strict=True) if "lower" in each]
    for end, fill in (("lower", None), ("upper", "tonexty")):
        figure.add_scatter(
            x=[time for time, _ in sure], y=[each[end] for _, each in sure], mode="lines",
            line={"width": 0}, fill=fill, fillcolor="rgba(230,159,0,0.18)", showlegend=False,
            hoverinfo="skip",
        )  # fmt: skip
    figure.add_scatter(
        x=times, y=[each.get("value") for each in expected], name="estimated", mode="lines+markers",
        line={"color": AMBER, "width": 2}, marker={"size": 6, "symbol": "diamond"},
        hovertemplate="estimated %{y:.3f}<extra></extra>",
    )  # fmt: skip
    realised = [each["realised"].get(metric, {}) for each in windows]
    shares = [each["coverage"] or 0.0 for each in windows]
    figure.add_scatter(
        x=times, y=[each.get("value") for each in realised], name="realised", mode="lines+markers",
        line={"color": CURRENT, "width": 1, "dash": "dot"}, customdata=shares, error_y=_bars(realised),
        marker={"size": 9, "color": CURRENT, "opacity": [0.25 + 0.75 * share for share in shares]},
        hovertemplate="realised %{y:.3f} (coverage %{customdata:.0%})<extra></extra>",
    )  # fmt: skip
    figure.update_layout(hovermode="x unified")
    return figure


def _bars(measures: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Both ends of each interval; none where a value has none."""
    ends = {
        end: [abs(each[end] - each["value"]) if end in each else 0.0 for each in measures]
        for end in ("upper", "lower")
    }
    return {"type": "data", "symmetric": False, "array": ends["upper"], "arrayminus": ends["lower"],
            "color": "rgba(0,114,178,0.35)", "thickness": 1, "width": 3}  # fmt: skip


def sequence(history: Sequence[Mapping[str, Any]]) -> go.Figure:
    """A difference as it came about, with its interval as a band; the dotted line is no difference."""
    figure = go.Figure(layout=layout(y_title="difference of performance"))
    times = [datetime.fromtimestamp(each["time"], UTC) for each in history]
    for end, fill in (("lower", None), ("upper", "tonexty")):
        figure.add_scatter(
            x=times, y=[each.get(end) for each in history], mode="lines", line={"width": 0}, fill=fill,
            fillcolor="rgba(0,114,178,0.18)", showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    figure.add_scatter(
        x=times, y=[each["value"] for each in history], mode="lines+markers", showlegend=False,
        line={"color": CURRENT, "width": 2}, marker={"size": 4},
        customdata=[[each.get("lower"), each.get("upper")] for each in history],
        hovertemplate="%{y:+.3f} (%{customdata[0]:+.3f} to %{customdata[1]:+.3f})<extra></extra>",
    )  # fmt: skip
    figure.add_hline(y=0, line={"color": REFERENCE, "width": 1, "dash": "dot"})
    return figure


def _square(x_title: str, y_title: str) -> go.Figure:
    figure = go.Figure(layout=layout(x_title=x_title, y_title=y_title))
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%")
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%")
    return figure


def _line(figure: go.Figure, points: Mapping[str, Any], said: str) -> None:
    figure.add_scatter(
        x=points["x"], y=points["y"], mode="lines", showlegend=False, line={"color": CURRENT, "width": 2},
        hovertemplate=said + "<extra></extra>",
    )  # fmt: skip


def _guess(figure: go.Figure, x: list[float], y: list[float]) -> go.Figure:
    figure.add_scatter(
        x=x, y=y, mode="lines", showlegend=False, hoverinfo="skip",
        line={"color": REFERENCE, "width": 1, "dash": "dot"},
    )  # fmt: skip
    return figure

"""A drift report as one HTML page that needs nothing from outside."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from modelspan.drift.compare import FeatureDrift
    from modelspan.drift.report import DriftReport

MAX_CHARTS: Final = 30
"""Features with a chart: those that drifted and those with the largest PSI; the table has all."""
MAX_ROWS: Final = 2_000
"""Features in the table; JSON has all."""
_BIN_PX: Final = 30
_HEIGHT_PX: Final = 260
STYLE: Final = """
body{font:14px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;color:#1f2933;
background:#f5f7fa;margin:0;padding:24px}
main{max-width:1180px;margin:0 auto}
h1{font-size:22px;margin:0 0 4px}h2{font-size:15px;margin:0 0 2px}
p{margin:4px 0;color:#52606d}
.card{background:#fff;border:1px solid #e4e7eb;border-radius:8px;padding:14px 16px;margin:16px 0;
overflow-x:auto}
.badge{border-radius:10px;padding:1px 9px;font-size:12px;white-space:nowrap}
.alarm{background:#fbe6d9;color:#9a3f00}.good{background:#dff3ea;color:#00664a}
table{border-collapse:collapse;width:100%}
th{font-weight:600;color:#52606d;font-size:12px;text-align:right;padding:4px 10px;
border-bottom:1px solid #e4e7eb}
td{text-align:right;padding:5px 10px;border-bottom:1px solid #f0f2f5;font-variant-numeric:tabular-nums}
th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}
td:first-child{overflow-wrap:anywhere;min-width:96px}td:last-child{color:#52606d}
tr:last-child td{border-bottom:0}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,430px),1fr));gap:16px;
align-items:start}
.charts .card{margin:0;overflow:hidden;min-width:0}
"""
_HEADINGS: Final = ("feature", "", "PSI", "KS", "JS", "Hellinger", "Wasserstein", "p-value", "kind")


def page(report: DriftReport) -> str:
    """The whole page, Plotly's script in it; without Plotly it has the table alone and says so."""
    try:
        script, charts = _charts(report)
    except ImportError:
        script = ""
        charts = "<p>For histograms install Plotly: pip install 'modelspan[viewer]'</p>"
    title = html.escape(f"Drift of {report.name}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style>{script}</head><body><main>"
        f"<h1>{title} {_verdict(report)}</h1>{_facts(report)}{_quality(report)}{_table(report)}"
        f"{_together(report)}{charts}"
        "</main></body></html>\n"
    )


def notebook(report: DriftReport) -> str:
    """The page in a frame of its own, so that it and the notebook do not disturb each other."""
    content = html.escape(page(report))
    return (
        f'<iframe srcdoc="{content}" style="width:100%;height:720px;border:0" title="drift report"></iframe>'
    )


def _verdict(report: DriftReport) -> str:
    ranked = report.ranked()
    drifted = sum(each.drifted for each in ranked)
    return f'<span class="badge {"alarm" if drifted else "good"}">{drifted} of {len(ranked)} drifted</span>'


def _facts(report: DriftReport) -> str:
    lines = [f"{report.rows:,} current rows against a reference of {report.reference_rows:,} rows."]
    lines += report.notes()
    return "".join(f"<p>{html.escape(line)}</p>" for line in lines)


def _quality(report: DriftReport) -> str:
    """A card with the checks of data quality that are violated, if there are any."""
    rows = "".join(
        f"<tr><td>{html.escape(each.column)}</td><td>{each.check.replace('_', ' ')}</td>"
        f"<td>{each.rate:.1%}</td><td>{each.reference_rate:.1%}</td><td>{each.rows:,}</td></tr>"
        for each in report.violations()
    )
    head = "".join(f"<th>{each}</th>" for each in ("column", "check", "rate", "in the reference", "of"))
    return (
        f'<div class="card"><h2>Data quality</h2><table><tr>{head}</tr>{rows}</table></div>' if rows else ""
    )


def _together(report: DriftReport) -> str:
    """A card with what the rows show beyond single columns, where it was asked for."""
    found = report.multivariate
    if found is None:
        return ""
    state = "alarm" if found.drifted else "good"
    badge = f'<span class="badge {state}">{"drifted" if found.drifted else "no drift"}</span>'
    head = "".join(f"<th>{each}</th>" for each in ("view", "change", "p-value"))
    rows = "".join(
        f"<tr><td>{html.escape(what)}</td><td>{html.escape(change)}</td><td>{html.escape(short_p(p))}</td></tr>"
        for what, change, p in found.lines()
    )
    return f'<div class="card"><h2>Columns together {badge}</h2><table><tr>{head}</tr>{rows}</table></div>'


def _table(report: DriftReport) -> str:
    ranked = report.ranked()
    head = "".join(f"<th>{each}</th>" for each in _HEADINGS)
    rows = "".join(_row(each) for each in ranked[:MAX_ROWS])
    more = (
        f"<p>… and {len(ranked) - MAX_ROWS:,} more with a smaller PSI</p>" if len(ranked) > MAX_ROWS else ""
    )
    return f'<div class="card"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}</div>'


def _row(drift: FeatureDrift) -> str:
    state = '<span class="badge alarm">drifted</span>' if drift.drifted else ""
    numbers = (
        f"{drift.psi:.3f}", f"{drift.ks:.3f}", f"{drift.js:.3f}", f"{drift.hellinger:.3f}",
        f"{drift.wasserstein:.4g}", short_p(drift.p_value),
    )  # fmt: skip
    cells = [html.escape(drift.feature), state, *map(html.escape, numbers), drift.kind]
    return "<tr>" + "".join(f"<td>{each}</td>" for each in cells) + "</tr>"


def short_p(p_value: float) -> str:
    """A p-value as people read it."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _charts(report: DriftReport) -> tuple[str, str]:
    """Plotly's script, and a card with both histograms for each feature that gets one."""
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - optional, and a server never draws

    ranked = sorted(report.ranked(), key=lambda each: not each.drifted)[:MAX_CHARTS]
    cards = "".join(_chart(each) for each in ranked)
    return f"<script>{get_plotlyjs()}</script>", f'<div class="charts">{cards}</div>'


def _chart(drift: FeatureDrift) -> str:
    from plotly.io import to_html  # noqa: PLC0415 - see above

    from modelspan.report import figures  # noqa: PLC0415 - see above

    feature = {
        "bins": drift.labels,
        "reference_counts": drift.reference_counts.tolist(),
        "current_counts": drift.current_counts.tolist(),
    }
    figure = figures.histograms(feature)
    height = max(_HEIGHT_PX, 110 + _BIN_PX * len(drift.labels)) if figures.is_flat(feature) else _HEIGHT_PX
    figure.update_layout(height=height)
    drawn = to_html(
        figure, include_plotlyjs=False, full_html=False, config={"displayModeBar": False, "responsive": True}
    )
    state = ' <span class="badge alarm">drifted</span>' if drift.drifted else ""
    head = f"<h2>{html.escape(drift.feature)}{state}</h2>"
    said = html.escape(f"PSI {drift.psi:.3f}, p {short_p(drift.p_value)}")
    return f'<div class="card">{head}<p>{said}</p>{drawn}</div>'

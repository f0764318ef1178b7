"""A drift report as a table of the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from modelspan.report.page import short_p

if TYPE_CHECKING:
    from modelspan.drift.report import DriftReport

MAX_ROWS: Final = 40
"""Features that are printed unless all are asked for."""
_HEADINGS: Final = ("kind", "PSI", "KS", "JS", "Wasserstein", "p-value", "")


def table(report: DriftReport, *, everything: bool = False) -> Group:
    """The verdict, the features by falling PSI, and what the reader should know besides."""
    ranked = report.ranked()
    shown = ranked if everything else [e for at, e in enumerate(ranked) if e.drifted or at < MAX_ROWS]
    rows = Table(box=None, pad_edge=False, header_style="bold")
    rows.add_column("feature", overflow="fold")
    for heading in _HEADINGS:
        rows.add_column(heading, justify="left" if heading in ("kind", "") else "right", no_wrap=True)
    for each in shown:
        numbers = (f"{each.psi:.3f}", f"{each.ks:.3f}", f"{each.js:.3f}", f"{each.wasserstein:.4g}")
        state = "[red]drifted[/red]" if each.drifted else ""
        rows.add_row(escape(each.feature), each.kind, *numbers, short_p(each.p_value), state)
    drifted = sum(each.drifted for each in ranked)
    head = f"{report.name}: {drifted} of {len(ranked)} drifted; {report.rows:,} current rows, "
    verdict = Text(
        f"{head}reference of {report.reference_rows:,}", style="bold red" if drifted else "bold green"
    )
    left = len(ranked) - len(shown)
    notes = [*report.notes(), *([f"{left:,} more with a smaller PSI; --all prints them"] if left else [])]
    bad = [Text(f"data quality: {each.said}", style="red") for each in report.violations()]
    return Group(verdict, rows, *bad, *_together(report), *(Text(note, style="dim") for note in notes))


def _together(report: DriftReport) -> list[Text]:
    """What the rows show beyond single columns."""
    found = report.multivariate
    if found is None:
        return []
    style = "bold red" if found.drifted else "bold green"
    head = f"columns together: {'drifted' if found.drifted else 'no drift'}; {found.rows[1]:,} sampled rows"
    views = [f"  {what}: {change}, p-value {short_p(p_value)}" for what, change, p_value in found.lines()]
    return [Text(head, style=style), *map(Text, views)]

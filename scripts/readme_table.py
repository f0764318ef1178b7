"""Write the tables of docs/ from the code: what is emitted, the settings, the runbooks of the alerts.

Run:  python scripts/readme_table.py            writes docs/telemetry.md, settings.md and runbooks.md
      python scripts/readme_table.py --check    status 1 when one of them is out of date
"""

import ast
import dataclasses
import itertools
import sys
from pathlib import Path

from modelspan import config, semconv
from modelspan.dashboards.alerts import all_alerts
from modelspan.dashboards.plan import Plan

DOCS = Path(__file__).parents[1] / "docs"


def emitted() -> str:
    """What leaves the process, in Markdown."""
    rows = [
        ("span", "`{operation} {model}`", "", "One call: its duration, its status, and which model it was.")
    ]
    rows += [("log event", f"`{event.name}`", "", event.description) for event in semconv.EVENTS]
    rows += [(metric.kind, f"`{metric.name}`", metric.unit, metric.description) for metric in semconv.METRICS]
    attributes = ", ".join(f"`{name}`" for name in semconv.ATTRIBUTES)
    return f"{_table(('signal', 'name', 'unit', 'meaning'), rows)}\n\nAttributes: {attributes}."


def settings() -> str:
    """What `configure()` takes, in Markdown; the meaning is the docstring below each field."""
    meanings = _docstrings()
    variables = {setting: f"`{variable}`" for variable, setting in config.ENVIRONMENT.items()}
    rows = [
        (f"`{field.name}`", variables.get(field.name, ""), _default(field), meanings.get(field.name, ""))
        for field in dataclasses.fields(config.Config)
    ]
    return _table(("setting", "variable", "default", "meaning"), rows)


def runbooks() -> str:
    """A section per alert, in Markdown."""
    sections = (
        f"## {alert.name}\n\nSeverity: {alert.severity}. {alert.runbook()}" for alert in all_alerts(Plan())
    )
    return "\n".join(sections).strip()


def _docstrings() -> dict[str, str]:
    tree = ast.parse(Path(config.__file__).read_text())
    body = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Config").body
    return {
        field.target.id: " ".join(str(text.value.value).split())
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }


def _default(field: dataclasses.Field) -> str:
    if field.default in ("", (), None, dataclasses.MISSING):
        return ""
    return (
        str(field.default).lower()
        if isinstance(field.default, bool)
        else f"{field.default:,}".removesuffix(".0")
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def renewed(document: Path, name: str, source: str, made: str) -> str:
    """The document's text with the present table between its markers."""
    begin = f"<!-- {name}: made by scripts/readme_table.py from {source} -->"
    end = f"<!-- /{name} -->"
    before, _, rest = document.read_text().partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{document.name} lacks the lines {begin} and {end}")
    return f"{before}{begin}\n{made}\n{end}{after}"


def main() -> None:
    """Write, or only check."""
    for document, name, source, made in (
        (DOCS / "telemetry.md", "emitted", "semconv/", emitted()),
        (DOCS / "settings.md", "settings", "config.py", settings()),
        (DOCS / "runbooks.md", "runbooks", "dashboards/alerts.py", runbooks()),
    ):
        new = renewed(document, name, source, made)
        if "--check" in sys.argv[1:] and new != document.read_text():
            raise SystemExit(f"{document.name} is out of date; run python scripts/readme_table.py")
        document.write_text(new)


if __name__ == "__main__":
    main()

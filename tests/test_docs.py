"""The documents say what is true: tables are current, code runs, commands exist."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from modelspan.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "collector/README.md"]
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

USE = """
import sys
from modelspan.demo import scoring
halves = scoring.split(scoring.load(), seed=1)
pipeline = scoring.train(halves.train)
scoring.reference(pipeline, halves.held_out).save("credit.reference.json")
for block in sys.stdin.read().split("#####"):
    exec(block)
frame = halves.held_out.drop(columns="creditability").head(3)
assert (predict_proba(frame) == pipeline.predict_proba(frame)).all()
modelspan.feedback(modelspan.current_prediction().id, outcome="bad", row=2)
"""


def commands(group, prefix="modelspan"):
    """Full names of all commands, those of sub-groups too."""
    for name, command in typer.main.get_command(group).commands.items():
        nested = getattr(command, "commands", None)
        yield from [f"{prefix} {name} {each}" for each in nested] if nested else [f"{prefix} {name}"]


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("README.md", 150),
        ("ARCHITECTURE.md", 120),
        *((f"docs/decisions/{p.name}", 60) for p in sorted((ROOT / "docs/decisions").glob("*.md"))),
    ],
)
def test_a_document_keeps_to_its_length(name, limit):
    assert len((ROOT / name).read_text().splitlines()) <= limit


def test_the_tables_of_what_is_emitted_and_of_the_settings_are_current():
    command = [sys.executable, str(ROOT / "scripts" / "readme_table.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_the_python_of_the_readme_runs_on_a_real_model(tmp_path):
    assert len(BLOCKS) == 2
    silent = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "LOGS", "METRICS")}
    done = subprocess.run(
        [sys.executable, "-c", USE], input="#####".join(BLOCKS), cwd=tmp_path, env={**os.environ, **silent},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("command", sorted(commands(app)))
def test_every_command_is_in_the_readme_or_in_its_group(command):
    assert command in README or command.rpartition(" ")[0] in README


def test_every_command_that_the_readme_names_exists():
    known = {tuple(command.split()[1:]) for command in commands(app)}
    named = {tuple(m.split()) for m in re.findall(r"modelspan ((?:up|demo|doctor|reference \w+)\b)", README)}
    assert named
    assert named <= known


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(document):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())
    assert not [link for link in links if not (document.parent / link).exists()]

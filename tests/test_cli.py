"""The command as a whole; what each sub-command does is tested beside its subject."""

import pytest
import typer
from typer.testing import CliRunner

from modelspan import __version__
from modelspan.cli import app


def commands(group, *words):
    """Every sub-command that can be run, as the words to type."""
    for name, each in group.commands.items():
        yield from commands(each, *words, name) if hasattr(each, "commands") else [(*words, name)]


COMMANDS = [(), *commands(typer.main.get_command(app))]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_help_says_what_it_does_and_ends_with_examples(words):
    shown = CliRunner().invoke(app, [*words, "--help"])
    assert shown.exit_code == 0
    about, _, examples = shown.output.partition("Examples")
    assert len(about.split("Options")[0].split()) > 8
    assert f"modelspan {' '.join(words)}".strip() in examples


def test_the_version_is_said():
    said = CliRunner().invoke(app, ["--version"])
    assert (said.exit_code, said.output) == (0, f"modelspan {__version__}\n")

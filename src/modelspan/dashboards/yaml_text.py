"""YAML as people read it: keys in their order, expressions of several lines as blocks."""

from __future__ import annotations

from typing import Any

import yaml

HEADER = "# Made by `modelspan dashboards`; changes here are lost when it runs again.\n"


class _Dumper(yaml.SafeDumper):
    """Lists are indented below their key, and text of several lines is a block."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def to_yaml(document: dict[str, Any]) -> str:
    """The document with a line that says who made it."""
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return HEADER + str(body)

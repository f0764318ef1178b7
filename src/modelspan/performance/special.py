"""`scipy.special`, loaded at its first use: it costs as much as everything else that modelspan imports."""

import importlib
from typing import Any


def load() -> None:
    """Load it now, for a thread that will use it: why, says `delivery/loading.py`."""
    importlib.import_module("scipy.special")


def __getattr__(name: str) -> Any:
    return getattr(importlib.import_module("scipy.special"), name)

"""`scipy.special`, loaded at its first use: it costs as much as everything else that modelspan imports."""

from typing import Any


def __getattr__(name: str) -> Any:
    import scipy.special  # noqa: PLC0415 - see above

    return getattr(scipy.special, name)

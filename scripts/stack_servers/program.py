"""What every program of the stack can do: be installed into the cache."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from stack_servers import cache


class StackError(RuntimeError):
    """A program cannot be had, or does not run; the message says why and what to do."""


def say(text: str) -> None:
    """One progress line."""
    print(f"stack: {text}", file=sys.stderr, flush=True)


class Program(ABC):
    """One program, of one version."""

    name: ClassVar[str]
    version: ClassVar[str]

    @classmethod
    @abstractmethod
    def build(cls, into: Path) -> None:
        """Put the program into an empty folder. May take minutes, may raise `StackError`."""

    @classmethod
    def key(cls) -> str:
        """The name of its folder in the cache; changes whenever `build` would make something else."""
        return f"{cls.name}-{cls.version}"

    @classmethod
    def install(cls) -> Path:
        """The folder with the program, built first if the cache lacks it."""

        def build(into: Path) -> None:
            say(f"{cls.name} {cls.version}: installing")
            began = time.monotonic()
            cls.build(into)
            say(f"{cls.name} {cls.version}: installed in {time.monotonic() - began:.0f} s")

        return cache.kept(cls.key(), build)

"""Docker's compose command, built from its module: it checks docker-compose.yml without a Docker engine."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from stack_servers.program import Program
from stack_servers.tools import go_build_module

if TYPE_CHECKING:
    from pathlib import Path


class Compose(Program):
    """`docker-compose`, as a program of its own."""

    name = "compose"
    version = "5.6.0"

    @classmethod
    def build(cls, into: Path) -> None:
        """About 3 min on two cores."""
        go_build_module(f"github.com/docker/compose/v5@v{cls.version}", "./cmd", into / "docker-compose")

    @classmethod
    def command(cls) -> list[str]:
        """The machine's own `docker compose` if it has one, else the built program."""
        own = ["docker", "compose"]
        if shutil.which("docker"):
            asked = subprocess.run([*own, "version"], capture_output=True, timeout=60, check=False)
            if asked.returncode == 0:
                return own
        return [str(cls.install() / "docker-compose")]

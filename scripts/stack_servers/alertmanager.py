"""Alertmanager, from Debian's packages: built by `go install` it lacks its web files and does not start."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from stack_servers.server import Launch, Server, StackError, answers, free_port
from stack_servers.tools import unpack_debian

_TEMPLATES = Path("usr/share/prometheus/alertmanager")
_QUIET = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


class Alertmanager(Server):
    """One Alertmanager without a cluster."""

    name = "alertmanager"
    version = "debian"

    def __init__(self, config: Path | None = None) -> None:
        """Without `config` it notifies nobody."""
        self._config = config

    @classmethod
    def build(cls, into: Path) -> None:
        """Unpack the Debian package."""
        unpack_debian("prometheus-alertmanager", into)

    @classmethod
    def amtool(cls) -> Path:
        """The command-line tool that comes with it."""
        return cls.install() / "usr/bin/amtool"

    def launch(self, home: Path, state: Path) -> Launch:
        """One HTTP port."""
        _share_templates(home)
        config = self._config or state / "alertmanager.yml"
        if self._config is None:
            config.write_text(_QUIET)
        port = free_port()
        return Launch(
            command=[
                str(home / "usr/bin/prometheus-alertmanager"),
                f"--config.file={config}",
                f"--storage.path={state / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            ports={"http": port},
            ready=lambda: answers(f"http://127.0.0.1:{port}/-/ready"),
        )


def _share_templates(home: Path) -> None:
    """Debian's build opens its templates under /usr/share, wherever the program itself lies."""
    shared = "/" / _TEMPLATES
    if (shared / "email.tmpl").exists():
        return
    if os.geteuid() != 0:
        raise StackError(f"{shared} is missing; on Debian: apt-get install prometheus-alertmanager")
    shutil.copytree(home / _TEMPLATES, shared, dirs_exist_ok=True)

"""Bugsink, which takes what Sentry's SDKs send: from PyPI, in a folder of its own, with one project."""

from __future__ import annotations

import json
import shutil
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

from stack_servers.server import Launch, Server, answers, free_port
from stack_servers.tools import run

if TYPE_CHECKING:
    from pathlib import Path

_SETTINGS = """\
from bugsink.settings.default import *

SECRET_KEY = "of a server for tests that listens on this machine only"
DATABASES["default"]["NAME"] = {folder!r} + "/db.sqlite3"
DATABASES["snappea"]["NAME"] = {folder!r} + "/snappea.sqlite3"
SNAPPEA = {{"TASK_ALWAYS_EAGER": True}}  # an event is stored before its request is answered
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
ALLOWED_HOSTS = ["127.0.0.1"]
BUGSINK = {{
    "BASE_URL": "http://127.0.0.1:{port}", "SINGLE_USER": True, "SINGLE_TEAM": True, "PHONEHOME": False
}}
"""
_PROJECT = """\
import json
from bsmain.models import AuthToken
from projects.models import Project
from teams.models import Team

project = Project.objects.create(name="modelspan", team=Team.objects.create(name="modelspan"))
token = AuthToken.create_full_access().token
print(json.dumps({"project": project.id, "key": project.sentry_key.hex, "token": token}))
"""


class Bugsink(Server):
    """One Bugsink that stores each event at once."""

    name = "bugsink"
    version = "2.6.1"
    start_seconds = 120.0

    @classmethod
    def key(cls) -> str:
        """Some of its libraries are built for one Python."""
        return f"{super().key()}-py{sys.version_info[0]}.{sys.version_info[1]}"

    @classmethod
    def build(cls, into: Path) -> None:
        """About 1 min: the packages, the database and its project."""
        site = into / "site"
        # A pip of its own: Debian's Python has none, or one that installs nothing outside of an environment.
        # The environment does not stay, since it could not be moved to its place in the cache.
        run(sys.executable, "-m", "venv", into / "venv")
        pip = (into / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, "--target", site, f"bugsink=={cls.version}")
        shutil.rmtree(into / "venv")
        _configure(into, port=0)
        manage = (sys.executable, "-m", "bugsink.scripts.manage")
        env = {"PYTHONPATH": str(site)}
        run(*manage, "migrate", "--database=default", "-v0", cwd=into, env=env)
        run(*manage, "migrate", "snappea", "--database=snappea", "-v0", cwd=into, env=env)
        said = run(*manage, "shell", "-v0", "-c", _PROJECT, cwd=into, env=env)
        (into / "project.json").write_text(said.strip().splitlines()[-1])

    def launch(self, home: Path, state: Path) -> Launch:
        """One HTTP port: ingestion, pages, and the API at /api/canonical/0."""
        port = free_port()
        for name in ("db.sqlite3", "snappea.sqlite3"):
            shutil.copy(home / name, state)
        _configure(state, port)
        bind = ("--bind", f"127.0.0.1:{port}", "--no-control-socket", "--workers", "1", "--threads", "4")
        return Launch(
            command=[sys.executable, "-m", "gunicorn", *bind, "bugsink.wsgi"],
            ports={"http": port},
            ready=lambda: answers(f"http://127.0.0.1:{port}/health/ready"),
            env={"PYTHONPATH": str(home / "site"), "DJANGO_SETTINGS_MODULE": "bugsink_conf"},
            cwd=state,
        )


class Project:
    """The project of a running Bugsink, as its API and an SDK see it."""

    def __init__(self, url: str) -> None:
        """`url` is the server's address."""
        facts = json.loads((Bugsink.install() / "project.json").read_text())
        self._url, self._token, self._id = url, facts["token"], facts["project"]
        self.dsn = f"{url.replace('//', '//' + facts['key'] + '@')}/{self._id}"

    def issues(self) -> list[dict[str, Any]]:
        """Its issues."""
        return list(self._get(f"issues/?project={self._id}")["results"])

    def events(self, issue: str) -> list[dict[str, Any]]:
        """Events of an issue, each as it was sent."""
        listed = self._get(f"events/?issue={issue}")["results"]
        return [self._get(f"events/{each['id']}/")["data"] for each in listed]

    def _get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(f"{self._url}/api/canonical/0/{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


def _configure(folder: Path, port: int) -> None:
    (folder / "bugsink_conf.py").write_text(_SETTINGS.format(folder=str(folder), port=port))

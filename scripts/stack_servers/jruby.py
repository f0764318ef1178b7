"""JRuby, in which Logstash runs its filters: Logstash itself is in no registry, its language is."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from stack_servers import cache
from stack_servers.tools import need, run

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "9.4.14.0"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"


def command() -> list[str]:
    """How to start it; a script's path follows."""
    jar = install() / f"jruby-complete-{VERSION}.jar"
    return [need("java", "openjdk-17-jre-headless"), "-XX:TieredStopAtLevel=1", "-jar", str(jar)]


def install() -> Path:
    """The folder with its jar, downloaded by Maven the first time."""
    return cache.kept(f"jruby-{VERSION}", _build)


def _build(into: Path) -> None:
    artifact = f"-Dartifact=org.jruby:jruby-complete:{VERSION}"
    run(need("mvn", "maven"), "-q", "-B", _COPY, artifact, f"-DoutputDirectory={into / 'jars'}", cwd=into)
    for jar in (into / "jars").iterdir():
        shutil.move(jar, into)

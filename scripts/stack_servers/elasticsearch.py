"""Elasticsearch with ES|QL, put together from published jars: for tests, not for users.

It is the distribution that Elastic's own integration tests run, without painless, index lifecycle management,
the built-in templates and some field types; tests/stack/builtin_templates.py makes up for that.
"""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from pathlib import Path

from stack_servers.server import Launch, Server, answers, free_port
from stack_servers.tools import need, run

_PLUGINS = ("x-pack-esql-core", "x-pack-esql")
_ANOTHER_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "setpriv", "--pdeathsig", "KILL")
# What lib/ or x-pack-core bring already: Elasticsearch refuses to start when a class is there twice.
_THERE = ("lucene-core", "commons-codec", "slf4j-", "hppc", "x-pack-mapper-version", "jcodings", "joni",
          "elasticsearch-grok", *_PLUGINS)  # fmt: skip
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>modelspan</groupId><artifactId>elasticsearch</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencyManagement><dependencies>{pinned}</dependencies></dependencyManagement>
  <dependencies>{wanted}</dependencies>
</project>
"""
_SETTINGS = """\
cluster.name: modelspan
path.data: {state}/data
path.logs: {state}/logs
network.host: 127.0.0.1
http.port: {port}
transport.port: 0
discovery.type: single-node
xpack.security.enabled: false
cluster.routing.allocation.disk.threshold_enabled: false
action.destructive_requires_name: false
"""


class Elasticsearch(Server):
    """One node without security."""

    name = "elasticsearch"
    version = "8.19.21"
    start_seconds = 240.0

    @classmethod
    def build(cls, into: Path) -> None:
        """About 1 min for 110 MB from Maven's central repository."""
        work = into / "maven"
        work.mkdir()
        (work / "pom.xml").write_text(_pom(cls.version))
        run(need("mvn", "maven"), "-q", "-B", _COPY, f"-DoutputDirectory={work / 'jars'}", cwd=work)
        with zipfile.ZipFile(work / "jars" / f"elasticsearch-{cls.version}.zip") as archive:
            archive.extractall(into)
        (into / f"elasticsearch-{cls.version}").rename(into / "home")
        for script in (into / "home/bin").iterdir():
            script.chmod(0o755)
        for plugin in _PLUGINS:
            _add_plugin(into / "home/modules" / plugin, plugin, cls.version, work / "jars")
        shutil.rmtree(work)

    @classmethod
    def resources(cls) -> Path:
        """The jar with those of the built-in templates that are in this distribution."""
        return cls.install() / f"home/modules/x-pack-core/x-pack-template-resources-{cls.version}.jar"

    def launch(self, home: Path, state: Path) -> Launch:
        """One HTTP port."""
        port = free_port()
        config = state / "config"
        shutil.copytree(home / "home/config", config, dirs_exist_ok=True)
        (state / "tmp").mkdir(exist_ok=True)
        (config / "elasticsearch.yml").write_text(_SETTINGS.format(state=state, port=port))
        command = [str(home / "home/bin/elasticsearch")]
        if os.geteuid() == 0:
            # It refuses to run as root. In a user name space of its own it is somebody else who owns what is
            # root's, so neither cache nor state must be open to others.
            command = [*_ANOTHER_USER, *command]
        return Launch(
            command=command,
            ports={"http": port},
            ready=lambda: answers(f"http://127.0.0.1:{port}/_cluster/health?wait_for_status=yellow"),
            env={
                "ES_JAVA_HOME": str(Path(need("java", "openjdk-17-jre-headless")).resolve().parents[1]),
                "ES_PATH_CONF": str(config),
                "ES_TMPDIR": str(state / "tmp"),
                "ES_JAVA_OPTS": "-Xms512m -Xmx512m -XX:TieredStopAtLevel=1",
            },
        )


def _pom(version: str) -> str:
    plugin = "org.elasticsearch.plugin"
    wanted = [(plugin, each, version, "jar") for each in _PLUGINS]
    wanted.append((plugin, "elasticsearch-scripting-painless-spi", version, "jar"))
    wanted.append(("org.elasticsearch.distribution.integ-test-zip", "elasticsearch", version, "zip"))
    # not published at every version
    pinned = [("org.elasticsearch", "elasticsearch-h3", "8.19.4", "jar")]
    return _POM.format(pinned=_dependencies(pinned), wanted=_dependencies(wanted))


def _dependencies(artifacts: list[tuple[str, str, str, str]]) -> str:
    tags = ("groupId", "artifactId", "version", "type")
    each = ("".join(f"<{t}>{v}</{t}>" for t, v in zip(tags, a, strict=True)) for a in artifacts)
    return "".join(f"\n    <dependency>{inner}</dependency>" for inner in each)


def _add_plugin(module: Path, plugin: str, version: str, jars: Path) -> None:
    """One plugin as a module: its own jar holds the descriptor; ES|QL takes the libraries too."""
    module.mkdir()
    own = jars / f"{plugin}-{version}.jar"
    shutil.copy(own, module)
    with zipfile.ZipFile(own) as jar:
        descriptor = jar.read(f"META-INF/es-plugins/{plugin}/plugin-descriptor.properties").decode()
    # painless and machine learning are not published; ES|QL runs without them
    descriptor = re.sub(r"(?m)^(extended\.plugins=x-pack-esql-core),.*", r"\1", descriptor)
    (module / "plugin-descriptor.properties").write_text(descriptor)
    if plugin == "x-pack-esql":
        for jar_file in jars.glob("*.jar"):
            if not jar_file.name.startswith(_THERE) or "-compute" in jar_file.name:
                shutil.copy(jar_file, module)

"""Prometheus and promtool, built from their modules; the web page has no assets, the HTTP API is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from stack_servers.server import HasUrl, Launch, Server, answers, free_port
from stack_servers.tools import go_install

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_MODULE = "github.com/prometheus/prometheus/cmd"
_CONFIG = """\
global:
  scrape_interval: {interval}
  evaluation_interval: {interval}
otlp:
  keep_identifying_resource_attributes: true
storage:
  tsdb:
    out_of_order_time_window: 30m
"""


class Prometheus(Server):
    """One Prometheus with its native OTLP receiver and exemplars, as collector/prometheus.yml sets it up."""

    name = "prometheus"
    version = "3.16.0"

    def __init__(
        self,
        config: Path | None = None,
        *,
        rules: Sequence[Path] = (),
        alertmanager: str = "",
        interval: str = "1s",
    ) -> None:
        """`config` replaces the configuration that is otherwise made from the other arguments.

        Rules are files; `alertmanager` is an address; `interval` is the one of evaluation.
        """
        self._config, self._rules = config, rules
        self._alertmanager, self._interval = alertmanager, interval

    @classmethod
    def build(cls, into: Path) -> None:
        """About 8 min on two cores: promtool first, which the checks of rules need alone."""
        go_install(into / "bin", f"{_MODULE}/promtool@v0.316.0")
        go_install(into / "bin", f"{_MODULE}/prometheus@v0.316.0", tags="remove_all_sd")

    @classmethod
    def beside(cls, running: Mapping[str, HasUrl]) -> Self:
        """Alerts go to the Alertmanager that runs."""
        return cls(alertmanager=running["alertmanager"].url if "alertmanager" in running else "")

    @classmethod
    def promtool(cls) -> Path:
        """The command-line tool that checks and tests rules."""
        return cls.install() / "bin/promtool"

    def launch(self, home: Path, state: Path) -> Launch:
        """One HTTP port: API, OTLP receiver at /api/v1/otlp."""
        config = self._config or state / "prometheus.yml"
        if self._config is None:
            config.write_text(self._text())
        port = free_port()
        return Launch(
            command=[
                str(home / "bin/prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={state / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-otlp-receiver",
                "--enable-feature=exemplar-storage",
            ],
            ports={"http": port},
            ready=lambda: answers(f"http://127.0.0.1:{port}/-/ready"),
        )

    def _text(self) -> str:
        text = _CONFIG.format(interval=self._interval)
        if self._rules:
            text += "rule_files:\n" + "".join(f"  - {path}\n" for path in self._rules)
        if self._alertmanager:
            target = self._alertmanager.removeprefix("http://")
            text += f"alerting:\n  alertmanagers:\n    - static_configs: [{{targets: ['{target}']}}]\n"
        return text

"""Real servers for tests and trials, one module each behind `server.Server`.

To add one: write its module, enter its class in `SERVERS`.
"""

from stack_servers.alertmanager import Alertmanager
from stack_servers.bugsink import Bugsink
from stack_servers.collector import Collector
from stack_servers.compose import Compose
from stack_servers.elasticsearch import Elasticsearch
from stack_servers.program import Program, StackError
from stack_servers.prometheus import Prometheus
from stack_servers.server import Running, Server
from stack_servers.sink import OtlpSink, Sink

SERVERS: dict[str, type[Server]] = {
    # In this order they are started, so that each finds those it sends to (`Server.beside`).
    each.name: each
    for each in (Sink, Alertmanager, Prometheus, Elasticsearch, Bugsink, Collector)
}

PROGRAMS: dict[str, type[Program]] = {**SERVERS, Compose.name: Compose}
"""All that is installed."""

__all__ = [
    "PROGRAMS",
    "SERVERS",
    "Alertmanager",
    "Bugsink",
    "Collector",
    "Compose",
    "Elasticsearch",
    "OtlpSink",
    "Prometheus",
    "Running",
    "Server",
    "Sink",
    "StackError",
]

"""Find out why nothing arrives: every check says what it saw and, when it fails, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelspan.doctor import checks
from modelspan.doctor.checks import Check
from modelspan.doctor.probe import clock_skew, send_one
from modelspan.doctor.sender import check_sender

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Check", "examine"]


def examine(env: Mapping[str, str], *, endpoint: str = "") -> Iterator[Check]:
    """Every check in order; `endpoint` goes before the environment, as in `configure()`."""
    yield from checks.check_versions()
    config, settings = checks.check_settings(env, endpoint)
    yield settings
    yield from checks.check_switches(env)
    if config is not None:
        found = checks.targets(config, env, argument=bool(endpoint))
        yield from checks.check_targets(found)
        yield checks.check_credentials(found, env, config)
        seen = [send_one(signal, config, env) for signal in checks.SIGNALS]
        yield from (check for check, _ in seen)
        yield check_sender(config, env)
        yield clock_skew([date for _, dates in seen for date in dates])
        yield checks.check_sentry(config)
    yield checks.check_agents(env)
    yield checks.check_processes()

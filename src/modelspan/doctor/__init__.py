"""Find out why nothing arrives: every check says what it saw and, when it fails, what to do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from modelspan.doctor import checks
from modelspan.doctor.checks import Check
from modelspan.doctor.listening import listening
from modelspan.doctor.probe import clock_skew, send_one
from modelspan.doctor.sender import check_sender

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from modelspan.config import Config

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
        yield from _deliveries(config, env)
        yield checks.check_sentry(config)
    yield checks.check_agents(env)
    yield checks.check_processes()


def _deliveries(config: Config, env: Mapping[str, str]) -> list[Check]:
    """One record by each way, all at once: an endpoint that does not answer is waited for once."""
    with listening(), ThreadPoolExecutor() as pool:
        sender = pool.submit(check_sender, config, env)
        seen = list(pool.map(partial(send_one, config=config, env=env), checks.SIGNALS))
        skews = [skew for _, found in seen for skew in found]
        return [*(check for check, _ in seen), sender.result(), clock_skew(skews)]

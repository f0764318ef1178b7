"""`scripts/stack`: the command line."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from stack_servers import PROGRAMS, SERVERS, cache
from stack_servers.program import StackError, say
from stack_servers.record import STATE, Record, records

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_EXAMPLES = """\
examples:
  scripts/stack install                        all of them, into ~/.cache/modelspan-stack
  scripts/stack install prometheus collector   two of them
  scripts/stack start                          all of them, on free loopback ports
  scripts/stack status                         where they listen, and their logs
  scripts/stack stop                           end them
  scripts/stack path prometheus                the folder it is installed in

MODELSPAN_STACK_CACHE names another folder for the programs, MODELSPAN_STACK_STATE for
logs and data. A first install takes about 10 minutes.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; the exit status is 1 when a server cannot be had."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options.programs or list(options.known)))
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/stack",
        description="Install, start and stop the real servers that modelspan is tested against.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, known, text in (
        ("install", _install, PROGRAMS, "build or download what the cache lacks"),
        ("start", _start, SERVERS, "start, on free loopback ports, after installing what is missing"),
        ("status", _status, SERVERS, "say what runs and where"),
        ("stop", _stop, SERVERS, "end what was started"),
        ("path", _path, PROGRAMS, "print the folder of an installed program"),
    ):
        command = commands.add_parser(
            name, help=text, description=text.capitalize() + ".", epilog=_EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        named = partial(_named, known)
        command.add_argument(
            "programs", nargs="*", type=named, metavar="NAME", help=f"{', '.join(known)}; none: all"
        )
        command.set_defaults(run=run, known=known)
    return parser


def _named(known: Collection[str], name: str) -> str:
    if name not in known:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
    return name


def _install(names: Sequence[str]) -> int:
    # Two at a time: builds have idle moments (downloads), and the machine may have two cores.
    with ThreadPoolExecutor(2) as pool:
        outcomes = [pool.submit(PROGRAMS[name].install) for name in names]
    failures = [f"{n}: {o.exception()}" for n, o in zip(names, outcomes, strict=True) if o.exception()]
    for failure in failures:
        say(failure)
    say(f"{len(names) - len(failures)} of {len(names)} installed in {cache.root()}")
    return int(bool(failures))


def _start(names: Sequence[str]) -> int:
    if _install(names):
        return 1
    running = records()
    for name, server in SERVERS.items():
        if name not in names or name in running:
            continue
        say(f"{name} {server.version}: starting")
        started = server.beside(running).start(STATE / name, tied=False)
        record = Record.of(started)
        record.save()
        running[name] = record
        say(f"{name} {server.version}: ready at {record.url}")
    return _status(names)


def _status(names: Sequence[str]) -> int:
    running = records()
    for name in names:
        if record := running.get(name):
            ports = ", ".join(f"{purpose} {port}" for purpose, port in record.ports.items())
            print(f"{name:<14} {record.url:<24} pid {record.pid:<8} ports: {ports}\n{'':<15}log {record.log}")
        else:
            print(f"{name:<14} does not run")
    return 0


def _stop(names: Sequence[str]) -> int:
    for name, record in reversed(records().items()):
        if name in names:
            record.stop()
            say(f"{name}: stopped")
    return 0


def _path(names: Sequence[str]) -> int:
    for name in names:
        print(PROGRAMS[name].install())
    return 0

"""Ends and forks of the process: exit, SIGTERM, a web server's shutdown, a child process."""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from modelspan.guard import fault, guard

Hook = Callable[[], Any]
_exit_watched: set[int] = set()
_servers_watched: set[str] = set()


def watch_exit(at_exit: Hook) -> None:
    """Run `at_exit` when this process ends: the interpreter, a `multiprocessing` child, a Celery worker."""
    if not _exit_watched:
        atexit.register(at_exit)
    multiprocessing = sys.modules.get("multiprocessing.util")
    if multiprocessing is not None and os.getpid() not in _exit_watched:
        # such a child ends by os._exit and runs its own finalizers instead of atexit
        multiprocessing.Finalize(None, at_exit, exitpriority=10)
    celery = sys.modules.get("celery.signals")
    if celery is not None and os.getpid() not in _exit_watched:
        # Celery's workers end by os._exit too, after this signal
        celery.worker_process_shutdown.connect(lambda **_: at_exit(), weak=False)
    _exit_watched.add(os.getpid())


def watch_fork(*, before: Hook, parent: Hook, child: Hook) -> None:
    """Run hooks around a fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=before, after_in_parent=parent, after_in_child=child)


def watch_signals(at_exit: Hook) -> None:
    """Flush on SIGTERM where nobody handles it: the default action ends a process without `atexit`.

    A handler of the application's or a server's is never replaced.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return

    def terminate(number: int, _frame: Any) -> None:
        _run_aside(at_exit)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    with guard("watching SIGTERM"):
        signal.signal(signal.SIGTERM, terminate)


def _run_aside(hook: Hook) -> None:
    """Run `hook` on a thread and wait for it: the interrupted one may hold a lock that the hook needs."""
    done = _thread.allocate_lock()
    done.acquire()

    def run() -> None:
        try:
            hook()
        except Exception:
            fault("flushing at SIGTERM")
        finally:
            done.release()

    _thread.start_new_thread(run, ())
    done.acquire(timeout=60)


def watch_servers(at_exit: Hook) -> None:
    """Flush when uvicorn has shut down: it then ends its process by a raised SIGTERM, past `atexit`.

    Its signal handlers stay as they are; the flush runs after the last request and the lifespan's end.
    """
    uvicorn = sys.modules.get("uvicorn.server")
    server = getattr(uvicorn, "Server", None)
    if server is None or "uvicorn" in _servers_watched:
        return
    _servers_watched.add("uvicorn")
    import asyncio  # noqa: PLC0415 - uvicorn has loaded it; others need not

    original = server.shutdown

    async def shutdown(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await original(self, *args, **kwargs)
        finally:
            with guard("flushing at the end of uvicorn"):
                await asyncio.to_thread(at_exit)

    server.shutdown = shutdown


def seconds_left(deadline: float) -> float:
    """Seconds until `deadline` (monotonic), not below 0."""
    return max(0.0, deadline - time.monotonic())


def run_together(jobs: Sequence[Callable[[], Any]], deadline: float) -> bool:
    """Run jobs side by side; True if all were true before `deadline`. None of them can hold up the caller."""
    results: list[bool] = []
    threads = []
    for job in jobs:

        def run(job: Callable[[], Any] = job) -> None:
            with guard("flushing"):
                results.append(job() is not False)

        thread = threading.Thread(target=run, name="modelspan-flush", daemon=True)
        with guard("starting a thread for a flush"):  # a process at its limits has none left
            thread.start()
            threads.append(thread)
    for thread in threads:
        thread.join(seconds_left(deadline) + 0.1)
    return len(results) == len(jobs) and all(results)

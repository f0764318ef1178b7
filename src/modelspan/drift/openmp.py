"""OpenMP on one thread, for scikit-learn beside a user's service.

The threads of OpenMP do not survive a fork, so that a child that needs them waits for ever, and they wait for
each other by spinning: where other work has the cores, two of them took 16 to 35 s for what one does in 1 s.
"""

from __future__ import annotations

from typing import Any


def pools() -> Any:
    """Hold on the thread pools of the libraries that are loaded: call it when scikit-learn is."""
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - comes with scikit-learn, an extra

    return ThreadpoolController()


def one_thread(found: Any) -> Any:
    """A context in which what this thread computes starts no thread of OpenMP; others are as before."""
    return found.limit(limits=1, user_api="openmp")

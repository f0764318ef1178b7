"""A folder per program outside the repository: whole or absent, also when two installs run at once."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VARIABLE = "MODELSPAN_STACK_CACHE"


def root() -> Path:
    """The cache's folder: `MODELSPAN_STACK_CACHE`, else one in the user's cache."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "modelspan-stack"


def kept(key: str, build: Callable[[Path], None]) -> Path:
    """The folder `key`, made by `build` in a place of its own and renamed when it is complete."""
    home = root() / key
    if home.exists():
        return home
    with locked(key):
        if home.exists():
            return home
        made = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=root()))
        made.chmod(0o755)  # servers that refuse to run as root are run as another user
        try:
            build(made)
            made.rename(home)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    return home


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock `name` among all processes that use this cache."""
    root().mkdir(parents=True, exist_ok=True)
    with (root() / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # closing the file lets it go, and so does the end of the process
        yield

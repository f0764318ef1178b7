"""What builds need from the machine: found, installed where that is allowed, or asked for in words."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from stack_servers.cache import locked
from stack_servers.program import StackError

if TYPE_CHECKING:
    from collections.abc import Mapping

_GO = (1, 26)
_TAIL = 30


def run(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run at low priority and give what it printed; a failure is a `StackError` with its last lines."""
    words = ["nice", "-n", "10", *map(str, command)]
    done = subprocess.run(
        words, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-_TAIL:])
        raise StackError(f"`{' '.join(words[3:])}` ended with status {done.returncode}:\n{said}")
    return done.stdout


def apt_install(*packages: str) -> None:
    """Install Debian packages, where this is Debian and we are root.

    Raises:
        StackError: If not; it names the packages.
    """
    wanted = f"on Debian: apt-get install {' '.join(packages)}"
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise StackError(f"missing: {', '.join(packages)}; {wanted}")
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    install = ("apt-get", "install", "-y", "--no-install-recommends", *packages)
    with locked("apt"):
        try:
            run(*install, env=env)
        except StackError:
            run("apt-get", "update")
            run(*install, env=env)


def need(program: str, package: str) -> str:
    """The path of a program, from the Debian package when it is not there."""
    if not shutil.which(program):
        apt_install(package)
    return shutil.which(program) or program


def unpack_debian(package: str, into: Path) -> None:
    """Unpack a Debian package into a folder: nothing is installed, no service started, no root needed."""
    for program in ("apt-get", "dpkg-deb"):
        if not shutil.which(program):
            raise StackError(f"{program} is not there, and {package} comes from Debian's packages")
    try:
        run("apt-get", "download", package, cwd=into)
    except StackError:
        if os.geteuid() != 0:
            raise
        with locked("apt"):
            run("apt-get", "update")
        run("apt-get", "download", package, cwd=into)
    (archive,) = into.glob("*.deb")
    run("dpkg-deb", "--extract", archive, into)
    archive.unlink()


def go_install(into: Path, *packages: str, tags: str = "") -> None:
    """`go install` into `into`; every package with its version."""
    go = _go()
    for package in packages:
        # GOFLAGS: the version control of the folder we happen to stand in is not the program's.
        run(go, "install", *(["-tags", tags] if tags else []), package,
            env={"GOBIN": str(into), "GOFLAGS": "-buildvcs=false"})  # fmt: skip


def go_build_module(module: str, package: str, into: Path) -> None:
    """Build one package of a module as its own go.mod says, which `go install` refuses when that excludes."""
    go = _go()
    fetched = json.loads(run(go, "mod", "download", "-json", module, cwd=into.parent))
    with tempfile.TemporaryDirectory() as folder:
        source = shutil.copytree(fetched["Dir"], Path(folder) / "source", copy_function=shutil.copyfile)
        for path in [source, *source.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)  # modules in Go's cache can't be written to
        run(go, "build", "-trimpath", "-o", into, package, cwd=source, env={"GOFLAGS": "-buildvcs=false"})


def _go() -> str:
    go = shutil.which("go")
    wanted = f"Go {'.'.join(map(str, _GO))} or newer (https://go.dev/doc/install; Debian's golang is older)"
    if not go:
        raise StackError(f"no `go` on the PATH, and this server is built with it: install {wanted}")
    found = re.search(r"go(\d+)\.(\d+)", run(go, "version"))
    if found and (int(found[1]), int(found[2])) < _GO:
        raise StackError(f"{found[0]} is too old: install {wanted}")
    return go

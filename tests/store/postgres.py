"""A PostgreSQL server of the tests: a cluster of its own, behind a Unix socket in a temporary folder."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path


def programs():
    """Folder of Debian's newest PostgreSQL programs, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@contextlib.contextmanager
def server():
    """Run a server; gives the address of its database. It refuses to run as root, so then as its own user."""
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    user = None
    if os.geteuid() == 0:
        user = "postgres"
        shutil.chown(folder, user)
    folder.chmod(0o700 if user is None else 0o711)
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}

    def run(*command):
        subprocess.run(
            [programs() / command[0], *command[1:]], check=True, user=user, env=environment, cwd=folder,
            capture_output=True, timeout=60,
        )  # fmt: skip

    try:
        run("initdb", "-D", folder / "data", "-A", "trust", "-U", "modelspan", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder}"
        run("pg_ctl", "-D", folder / "data", "-o", options, "-l", folder / "log", "-w", "start")
        try:
            yield f"postgresql://modelspan@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def user_exists():
    """Whether the server could run as its own user."""
    try:
        return os.geteuid() != 0 or pwd.getpwnam("postgres") is not None
    except KeyError:
        return False

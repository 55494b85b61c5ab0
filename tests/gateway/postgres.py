"""A PostgreSQL server of one's own, from Debian's package, installed where it is missing.

`python -m tests.gateway_postgres` installs it; the tests do the same where they need it. A machine
on which that cannot be done skips them, except where CI=true says that nothing may be skipped.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pytest

from tests.stage import free_port

_HOMES = Path("/usr/lib/postgresql")
_OPTIONS = "-c fsync=off -c listen_addresses=127.0.0.1 -c max_connections=60"
"""fsync=off: the data are thrown away in any case."""


@lru_cache
def binaries() -> Path:
    """The folder with `initdb` and `pg_ctl`; skips or fails the test where there is none to be had."""
    if (found := _find()) is None:
        _install()
        found = _find()
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is missing and could not be installed")
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    return found


@contextmanager
def postgres() -> Iterator[str]:
    """Runs a server with an empty database until the block ends; gives the database's URL.

    Its data lie in a folder of its own: initdb refuses to run as root, and the user that it runs as
    may not enter pytest's folders.
    """
    home = binaries()
    user = _user()
    data = Path(tempfile.mkdtemp(prefix="areplicate-postgres-"))
    if user is not None:
        shutil.chown(data, user.pw_uid, user.pw_gid)
    port = free_port()
    try:
        _run(
            [
                home / "initdb",
                "-D",
                data / "d",
                "-U",
                "tester",
                "-A",
                "trust",
                "-N",
                "--no-locale",
                "-E",
                "UTF8",
            ]
        )
        options = f"{_OPTIONS} -p {port} -k {data}"
        _run([home / "pg_ctl", "-D", data / "d", "-o", options, "-l", data / "log", "-w", "start"])
        try:
            yield f"postgresql://tester@127.0.0.1:{port}/postgres"
        finally:
            _run([home / "pg_ctl", "-D", data / "d", "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _find() -> Path | None:
    homes = sorted(_HOMES.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return homes[-1].parent if homes else None


def _install() -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    lock = Path(tempfile.gettempdir()) / "areplicate-postgres-install"
    for _ in range(300):  # several test processes may find it missing at the same time
        try:
            lock.mkdir()
            break
        except FileExistsError:
            time.sleep(1)
            if _find() is not None:
                return
    else:
        return
    try:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", "postgresql"]):
            subprocess.run(["apt-get", "-qq", *command], env=environment, check=False, timeout=600)
    finally:
        lock.rmdir()


def _user() -> pwd.struct_passwd | None:
    """Whom the server runs as: root may not."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _run(command: Sequence[str | Path]) -> None:
    user = _user()
    done = subprocess.run(
        [str(part) for part in command],
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
        cwd="/",
        env={**os.environ, "LC_ALL": "C"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout.decode()}")


if __name__ == "__main__":
    if _find() is None:
        _install()
    raise SystemExit(0 if _find() else "PostgreSQL could not be installed: apt-get install postgresql")

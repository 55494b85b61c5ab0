"""A PostgreSQL server of one's own and a PgBouncer before it, from Debian's packages, installed where missing.

`python -m tests.gateway.postgres` installs them; the tests do the same where they need them. A machine
on which that cannot be done skips them, except where CI=true says that nothing may be skipped.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.stage import free_port

_HOMES = Path("/usr/lib/postgresql")
_OPTIONS = "-c fsync=off -c listen_addresses=127.0.0.1 -c max_connections=200"
"""fsync=off: the data are thrown away in any case."""
_SHARED = "TESTS_POSTGRES"
"""The environment variable with the folder of what the processes that run tests share: a cluster, which servers copy,
and a server, whose folder and port are in the file `server`."""


@lru_cache
def binaries() -> Path:
    """The folder with `initdb` and `pg_ctl`; skips or fails the test where there is none to be had."""
    if (found := _find()) is None or _pgbouncer() is None:
        _install()
        found = _find()
    if found is None or _pgbouncer() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL and PgBouncer are missing and could not be installed")
        pytest.skip("needs PostgreSQL and PgBouncer: apt-get install postgresql pgbouncer")
    return found


def share() -> None:
    """Lets the processes that this one starts share what one of them makes: it takes each a second to make its own."""
    shared = _folder()
    os.environ[_SHARED] = str(shared)

    @atexit.register
    def end() -> None:
        if (address := shared / "server").exists():
            _end(Postgres(*json.loads(address.read_text())))
        shutil.rmtree(shared, ignore_errors=True)


class Postgres:
    """A server with an empty database.

    Its data lie in a folder of its own: initdb refuses to run as root, and the user that it runs as
    may not enter pytest's folders.
    """

    def __init__(self, folder: str | Path, port: int) -> None:
        self._home = binaries()
        self.folder = Path(folder)
        self.port = port
        self.url = f"postgresql://tester@127.0.0.1:{port}/postgres"

    def make(self) -> None:
        data = self.folder / "d"
        made = Path(os.environ.get(_SHARED, self.folder)) / "d"
        with _alone(made.parent / "lock"):
            if not made.exists():
                how = ("-U", "tester", "-A", "trust", "-N", "--no-locale", "-E", "UTF8", "--wal-segsize=1")
                _run([self._home / "initdb", "-D", made, *how])
        if made != data:
            _run(["cp", "-a", made, data])

    def start(self) -> None:
        options = f"{_OPTIONS} -p {self.port} -k {self.folder}"
        self._pg_ctl("-o", options, "-l", self.folder / "log", "-w", "start")

    def stop(self) -> None:
        self._pg_ctl("-m", "immediate", "stop")

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Within it the server takes connections and answers nothing."""
        pids = self.pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, autocommit=True)

    def new_database(self) -> str:
        """The URL of another database, which is empty: it takes a tenth of the time of another server."""
        name = f"database_{uuid4().hex}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url.rpartition("/")[0] + f"/{name}"

    def rows(self, query: str) -> list[Any]:
        with self.connect() as connection:
            return connection.execute(query.encode()).fetchall()

    def limit_files(self, size: int | None) -> None:
        """Refuses it files larger than this, as the system would on a disk that is full."""
        limit = f"--fsize={size or 'unlimited'}:unlimited"
        for pid in self.pids():
            with contextlib.suppress(RuntimeError):  # it has ended meanwhile
                _run(["prlimit", limit, "--pid", str(pid)])

    def pids(self) -> list[int]:
        server = int((self.folder / "d" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        return [server, *map(int, children)]

    def _pg_ctl(self, *arguments: str | Path) -> None:
        _run([self._home / "pg_ctl", "-D", self.folder / "d", *arguments])


@contextmanager
def server() -> Iterator[Postgres]:
    """Runs a server until the block ends."""
    running = Postgres(_folder(), free_port())
    try:
        running.make()
        running.start()
        yield running
    finally:
        _end(running)


@contextmanager
def shared_server() -> Iterator[Postgres]:
    """A server on which this process has a database of its own."""
    with contextlib.ExitStack() as own:
        if shared := os.environ.get(_SHARED):
            running = _running(Path(shared))
        else:
            running = own.enter_context(server())
        running.url = running.new_database()
        yield running


def _running(shared: Path) -> Postgres:
    """The server that all share, which the first to ask starts."""
    address = shared / "server"
    with _alone(shared / "server.lock"):
        if address.exists():
            return Postgres(*json.loads(address.read_text()))
        running = Postgres(_folder(), free_port())
        address.write_text(json.dumps([str(running.folder), running.port]))
        running.make()
        running.start()
        return running


def _end(running: Postgres) -> None:
    with contextlib.suppress(RuntimeError):
        running.stop()
    shutil.rmtree(running.folder, ignore_errors=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """No other process is in a block with this file at the same time."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def postgres() -> Iterator[str]:
    """The same; gives the database's URL."""
    with server() as running:
        yield running.url


@contextmanager
def pgbouncer(behind: Postgres) -> Iterator[str]:
    """Runs a PgBouncer in transaction mode before a server, with two connections to it; gives its URL."""
    binary, user = _pgbouncer(), _user()
    assert binary is not None, "binaries() has seen to that"
    port, file = free_port(), behind.folder / "pgbouncer.ini"
    file.write_text(
        f"""[databases]
postgres = host=127.0.0.1 port={behind.port} user=tester
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
"""
    )
    process = subprocess.Popen(
        [str(binary), str(file)],
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield f"postgresql://tester@127.0.0.1:{port}/postgres"
    finally:
        process.kill()
        process.wait()


def _pgbouncer() -> str | None:
    return shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")


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
            if _find() is not None and _pgbouncer() is not None:
                return
    else:
        return
    try:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", "postgresql", "pgbouncer"]):
            subprocess.run(["apt-get", "-qq", *command], env=environment, check=False, timeout=600)
    finally:
        lock.rmdir()


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="areplicate-postgres-"))
    if (user := _user()) is not None:
        shutil.chown(folder, user.pw_uid, user.pw_gid)
    return folder


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
    if _find() is None or _pgbouncer() is None:
        _install()
    found = _find() and _pgbouncer()
    raise SystemExit(0 if found else "not installed: apt-get install postgresql pgbouncer")

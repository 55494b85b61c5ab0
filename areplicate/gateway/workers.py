"""Several gateway processes on one port, and their parent process.

The parent binds the port and hands the listening socket to each worker, so that a worker that dies takes no
waiting connection with it. The parent serves nothing: it starts workers, starts a new one if one dies, and
passes signals on. It reads the configuration first, and workers read the copy that it keeps of the last good
one: a file that is wrong on the disk stops no worker from being replaced.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import FrameType

import msgspec

from .config.config import Config, read_config
from .config.yaml_file import ConfigError
from .early_signals import take_over
from .logs import logger

_QUICK_DEATH = 5.0
_SLOWEST_RESTART = 30.0
_ANOTHER_TRY = 1.0
"""Seconds after which a worker that could not be started is tried again."""
_KILL_AFTER = 30.0
"""Seconds beyond the drain that a worker may take before it is killed."""
_TICK = 0.1
_MEMORY = "/dev/shm"
"""Where Linux keeps files in memory, so that no full disk is in the way."""


def _folder() -> Path:
    in_memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="areplicate-", dir=in_memory))


class Supervisor(msgspec.Struct):
    """Keeps `count` workers running."""

    arguments: list[str]
    """Of the command that runs one worker, which gets `--listener FD`, `--parent PID` and `--source FILE` besides."""
    path: Path
    """The configuration file."""
    config: Config
    """What was read from it, which may be a pipe that can be read once."""
    listener: socket.socket
    count: int
    _workers: dict[int, tuple[subprocess.Popen[bytes], float]] = {}
    _stopping_since: float | None = None
    _pause: float = 0.0
    _next_start: float = 0.0
    _reload_wanted: bool = False
    _home: Path = msgspec.field(default_factory=_folder)

    @property
    def _source(self) -> Path:
        return self._home / "config.yaml"

    def run(self) -> int:
        """Returns when all workers have ended after SIGTERM or SIGINT."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._stop)
        signal.signal(signal.SIGHUP, self._ask_to_reload)
        self._reload_wanted = take_over()
        try:
            while self._stopping_since is None or self._workers:
                if self._stopping_since is None:
                    self._start_missing()
                if self._reload_wanted:
                    self._reload()
                self._reap()
                time.sleep(_TICK)
            return 0
        finally:
            for process, _ in self._workers.values():
                process.kill()
            shutil.rmtree(self._home, ignore_errors=True)

    def _start_missing(self) -> None:
        while len(self._workers) < self.count and time.monotonic() >= self._next_start:
            try:
                process = self._start()
            except (OSError, ValueError) as error:
                # A ValueError, if the end has come and closed the listener.
                logger.error("a worker cannot be started: %s", error)
                self._next_start = time.monotonic() + _ANOTHER_TRY
                return
            if self._stopping_since is not None:  # the end came while it was started, and did not reach it
                process.terminate()
                return

    def _start(self) -> subprocess.Popen[bytes]:
        self._keep(self.config)
        fd = self.listener.fileno()
        # What is blocked here is blocked there, until the worker knows what to do with it.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        try:
            process = subprocess.Popen(
                [
                    *self.arguments,
                    *("--listener", str(fd), "--parent", str(os.getpid()), "--source", str(self._source)),
                ],
                pass_fds=(fd,),
                start_new_session=True,  # Ctrl-C on a terminal reaches it through us alone
                env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(self._home)},
            )
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
        self._workers[process.pid] = process, time.monotonic()
        logger.info("worker started", extra={"pid": process.pid})
        return process

    def _reap(self) -> None:
        for pid, (process, started) in list(self._workers.items()):
            if process.poll() is None:
                continue
            del self._workers[pid]
            self._forget_figures(pid)
            if self._stopping_since is None:
                quick = time.monotonic() - started < _QUICK_DEATH
                self._pause = min(max(0.5, self._pause * 2), _SLOWEST_RESTART) if quick else 0.0
                self._next_start = time.monotonic() + self._pause
                logger.error("worker died", extra={"pid": pid, "status": process.returncode})
        since = self._stopping_since
        drain = self.config.general.drain_seconds
        if since is not None and time.monotonic() - since > drain + _KILL_AFTER:
            for process, _ in self._workers.values():
                process.kill()

    def _reload(self) -> None:
        """Lets the workers read the certificate again, and the configuration, or the last one that was right."""
        self._reload_wanted = False
        try:
            config = read_config(self.path, again=True)
            self._keep(config)
        except (ConfigError, OSError) as error:
            logger.error("the configuration was not reloaded, the last one stays: %s", error)
        else:
            for warning in config.warnings:
                logger.warning("%s", warning)
            self.config = config
        self._pass_on(signal.SIGHUP)

    def _keep(self, config: Config) -> None:
        """Replaces the copy in one step: a worker may be reading it. Who tidies up may have deleted its folder."""
        self._home.mkdir(mode=0o700, exist_ok=True)
        if self._home.lstat().st_uid != os.geteuid():  # who would read the keys in it
            raise PermissionError(f"{self._home} has been replaced by another user: restart the gateway")
        new = self._source.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(config.text, encoding="utf-8")
        new.replace(self._source)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
        self._pass_on(number)
        self.listener.close()  # while it was open here, clients could connect to nobody

    def _ask_to_reload(self, number: int, frame: FrameType | None) -> None:
        self._reload_wanted = True

    def _pass_on(self, number: int) -> None:
        for process, _ in self._workers.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    def _forget_figures(self, pid: int) -> None:
        """Drops a dead worker's gauges; its counters still count."""
        for file in self._home.glob(f"gauge_live*_{pid}.db"):
            file.unlink(missing_ok=True)

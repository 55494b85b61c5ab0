"""Several gateway processes on one port, and their parent process.

The parent binds the port and hands the listening socket to each worker, so that a worker that dies takes no
waiting connection with it. The parent serves nothing: it starts workers, starts a new one if one dies, and
passes signals on. On Linux a worker is a fork of it: it begins at once, and shares the memory of what the parent has
imported. It reads the configuration first, and workers read the copy that it keeps of the last good one: a file that
is wrong on the disk stops no worker from being replaced.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

import msgspec

from . import logs, metrics
from .config.config import Config, read_config
from .config.yaml_file import ConfigError
from .early_signals import remember, take_over
from .logs import fields, logger
from .server import HURRY, Serving, run

_MULTIPROCESSING = get_context("fork") if sys.platform == "linux" else get_context("spawn")
"""On macOS the system's own libraries may crash in a fork."""
_QUICK_DEATH = 5.0
_SLOWEST_RESTART = 30.0
_ANOTHER_TRY = 1.0
"""Seconds after which a worker that could not be started is tried again."""
_KILL_AFTER = 30.0
"""Seconds beyond the drain that a worker may take before it is killed."""
_TICK = 0.1
_MEMORY = "/dev/shm"
"""Where Linux keeps files in memory, so that no full disk is in the way."""
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _folder() -> Path:
    in_memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix=f"areplicate-{os.getpid()}-", dir=in_memory))


class Supervisor(msgspec.Struct):
    """Keeps workers running."""

    serving: Serving
    """How each of them serves, but for what it gets from here: `source` and `parent`."""
    config: Config
    """What was read from the configuration file, which may be a pipe that can be read once."""
    listener: socket.socket
    debug: bool = False
    _workers: dict[BaseProcess, float] = {}
    """When each was started."""
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
        # Workers share what has been loaded until somebody writes to it, as a search for garbage would.
        gc.collect()
        gc.freeze()
        try:
            while self._stopping_since is None or self._workers:
                self._start_missing()
                if self._reload_wanted:
                    self._reload()
                self._reap()
                time.sleep(_TICK)
            return 0
        finally:
            for process in self._workers:
                process.kill()
            shutil.rmtree(self._home, ignore_errors=True)

    def _start_missing(self) -> None:
        while len(self._workers) < self.serving.workers and time.monotonic() >= self._next_start:
            with _undisturbed():
                if self._stopping_since is not None:
                    return
                try:
                    self._start()
                except OSError as error:
                    logger.error("a worker cannot be started: %s", error)
                    self._next_start = time.monotonic() + _ANOTHER_TRY

    def _start(self) -> None:
        self._keep(self.config)
        serving = msgspec.structs.replace(self.serving, source=self._source, parent=os.getpid(), alone=False)
        process = _MULTIPROCESSING.Process(target=_work, args=(serving, self.listener, self.debug))
        process.start()
        self._workers[process] = time.monotonic()
        logger.info("worker started", extra=fields(pid=process.pid))

    def _reap(self) -> None:
        for process, started in list(self._workers.items()):
            if process.exitcode is None:
                continue
            del self._workers[process]
            self._forget_figures(process.pid)
            if self._stopping_since is None:
                quick = time.monotonic() - started < _QUICK_DEATH
                self._pause = min(max(0.5, self._pause * 2), _SLOWEST_RESTART) if quick else 0.0
                self._next_start = time.monotonic() + self._pause
                logger.error("worker died", extra=fields(pid=process.pid, status=process.exitcode))
        since = self._stopping_since
        drain = self.config.general.drain_seconds
        if since is not None and time.monotonic() - since > drain + _KILL_AFTER:
            for process in self._workers:
                process.kill()

    def _reload(self) -> None:
        """Lets the workers read the certificate again, and the configuration, or the last one that was right."""
        self._reload_wanted = False
        try:
            config = read_config(self.serving.path, again=True)
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
        self._pass_on(number if self._stopping_since is None else HURRY)
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
        self.listener.close()  # while it was open here, clients could connect to nobody

    def _ask_to_reload(self, number: int, frame: FrameType | None) -> None:
        self._reload_wanted = True

    def _pass_on(self, number: int) -> None:
        for process in self._workers:
            if process.exitcode is None and process.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, number)

    def _forget_figures(self, pid: int | None) -> None:
        """Drops a dead worker's gauges; its counters still count."""
        with contextlib.suppress(OSError):  # there may be no descriptor left to look with
            for file in self._home.glob(f"gauge_live*_{pid}.db"):
                file.unlink(missing_ok=True)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals wait: neither is a worker missed by one, nor does its parent's handler run in a fork."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(serving: Serving, listener: socket.socket, debug: bool) -> None:
    """What a worker does, in its own process."""
    os.setsid()  # Ctrl-C on a terminal reaches it through its parent alone
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_DFL)
    remember()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    logs.set_up(debug)
    assert serving.source is not None
    os.environ[metrics.FOLDER] = str(serving.source.parent)
    try:
        tls = None if serving.certificate is None else serving.certificate.context()
        config = serving.read()
    except (ConfigError, ValueError) as error:
        logger.error("%s", error)
        sys.exit(1)
    run(config, listener, serving, tls)
    logging.shutdown()

"""Several gateway processes on one port, and the one that watches over them.

The parent binds the port and hands the listening socket to each worker, so that a worker that dies
takes no waiting connection with it. The parent serves nothing: it starts workers, starts a new one
where one dies, and passes signals on.
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

from .logs import logger

_QUICK_DEATH = 5.0
_SLOWEST_RESTART = 30.0
_KILL_AFTER = 30.0
"""Seconds beyond the drain that a worker may take before it is killed."""


class Supervisor:
    """Keeps `count` workers running.

    Args:
        arguments: of the command that runs one worker, which gets `--listener FD` besides.
        drain_seconds: how long workers may finish requests at the end.
    """

    def __init__(
        self, arguments: list[str], listener: socket.socket, count: int, drain_seconds: float
    ) -> None:
        self._arguments = arguments
        self._listener = listener
        self._count = count
        self._drain_seconds = drain_seconds
        self._workers: dict[int, tuple[subprocess.Popen[bytes], float]] = {}
        self._stopping = 0
        self._pause = 0.0
        self._figures = Path(tempfile.mkdtemp(prefix="areplicate-metrics-"))

    def run(self) -> int:
        """Returns when all workers have ended after SIGTERM or SIGINT."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._stop)
        signal.signal(signal.SIGHUP, self._pass_on)
        try:
            while True:
                while not self._stopping and len(self._workers) < self._count:
                    time.sleep(self._pause)
                    self._start()
                if not self._workers:
                    return 0
                self._reap()
        finally:
            for process, _ in self._workers.values():
                process.kill()
            shutil.rmtree(self._figures, ignore_errors=True)

    def _start(self) -> None:
        fd = self._listener.fileno()
        process = subprocess.Popen(
            [*self._arguments, "--listener", str(fd)],
            pass_fds=(fd,),
            start_new_session=True,  # Ctrl-C on a terminal reaches it through us alone
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(self._figures)},
        )
        self._workers[process.pid] = process, time.monotonic()
        logger.info("worker started", extra={"pid": process.pid})

    def _reap(self) -> None:
        """Waits for a while, or until a worker has ended."""
        for pid, (process, started) in list(self._workers.items()):
            if process.poll() is None:
                continue
            del self._workers[pid]
            self._forget_figures(pid)
            if not self._stopping:
                quick = time.monotonic() - started < _QUICK_DEATH
                self._pause = min(max(0.5, self._pause * 2), _SLOWEST_RESTART) if quick else 0.0
                logger.error("worker died", extra={"pid": pid, "status": process.returncode})
        if self._stopping and time.monotonic() - self._stopping > self._drain_seconds + _KILL_AFTER:
            for process, _ in self._workers.values():
                process.kill()
        time.sleep(0.1)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = self._stopping or int(time.monotonic()) or 1
        self._pause = 0.0
        for process, _ in self._workers.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        for process, _ in self._workers.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    def _forget_figures(self, pid: int) -> None:
        """Drops a dead worker's gauges; its counters go on to count."""
        for file in self._figures.glob(f"gauge_live*_{pid}.db"):
            file.unlink(missing_ok=True)

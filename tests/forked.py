"""`python -m areplicate ...` in a tenth of the time: forked from an interpreter that has imported the package.

A process that is started here is one like any other, with its arguments, environment, folder, input and output;
only the second that its imports take is spent once for all of them. What a test is about the start itself, or sets
up in the new process before Python runs, starts Python in the usual way.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]


class Process:
    """A Python process: what `subprocess.Popen` is to one that is started in the usual way.

    Args:
        module: what `python -m` would run.
        arguments: its arguments.
        env: its environment.
        cwd: its folder.
        piped: what it reads from its standard input.
        stderr: where its standard error goes; by default, `communicate` gives it.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        env: Mapping[str, str] = os.environ,
        cwd: Path | None = None,
        piped: bytes = b"",
        stderr: IO[bytes] | None = None,
    ) -> None:
        self.args = ("python", "-m", module, *arguments)
        self.returncode: int | None = None
        self._output: list[IO[bytes]] = [tempfile.TemporaryFile()]  # noqa: SIM115 - closed at its end
        if stderr is None:
            self._output.append(tempfile.TemporaryFile())  # noqa: SIM115 - the same
        self._said: list[str] = []
        self._keeper, theirs = socket.socketpair()
        stdin, source = os.pipe()
        output = [file.fileno() for file in (self._output[0], stderr or self._output[1])]
        with theirs:
            socket.send_fds(_nursery(), [b"."], [stdin, *output, theirs.fileno()])
        os.close(stdin)
        told = {"argv": [module, *arguments], "env": dict(env), "cwd": str(cwd or Path.cwd())}
        self._keeper.sendall(json.dumps(told).encode() + b"\n")
        with os.fdopen(source, "wb") as pipe:
            pipe.write(piped)
        self.pid = self._told()

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._keeper.settimeout(timeout)
            try:
                self.returncode = self._told()
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._keeper.close()
            self._said = [_text(file) for file in self._output]
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Waits for its end; gives what it has written to standard output and, where no file was given, to
        standard error."""
        self.wait(timeout)
        stdout, *stderr = self._said
        return stdout, "".join(stderr)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _told(self) -> int:
        """The next number from its keeper: at first its id, in the end its status."""
        number = self._keeper.recv(4)
        assert number, "what forks and waits for it has been killed"
        return int.from_bytes(number, "big", signed=True)


def run(
    module: str, *arguments: str, timeout: float = 60, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Runs a process to its end, as `subprocess.run` does."""
    process = Process(module, *arguments, **options)
    try:
        stdout, stderr = process.communicate(timeout)
    except BaseException:
        process.kill()
        raise
    assert process.returncode is not None
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    with file:
        return file.read().decode()


@lru_cache(maxsize=1)
def _nursery() -> socket.socket:
    """The interpreter that forks, started at the first use; it ends with this process."""
    ours, theirs = socket.socketpair()
    with theirs:
        fd = theirs.fileno()
        command = [sys.executable, "-m", "tests.nursery", str(fd)]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(command, pass_fds=[fd], cwd=ROOT, stdin=quiet, stdout=quiet)

    @atexit.register
    def end() -> None:
        ours.close()
        process.wait()

    return ours

"""`python -m areplicate ...` in a tenth of the time: forked from an interpreter that has imported the package.

A process that is started here is one like any other, with its arguments, environment, folder, input and output;
only the second that its imports take is spent once for all of them. What a test is about the start itself, or sets
up in the new process before Python runs, starts Python in the usual way.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from tests.fork_server import ForkRequest, number

ROOT = Path(__file__).parents[1]


class Process:
    """A Python process: what `subprocess.Popen` is to one that is started in the usual way.

    Args:
        module: what `python -m` would run, or a program's path.
        arguments: its arguments.
        env: its environment.
        cwd: its folder.
        piped: what it reads from its standard input.
        stderr: where its standard error goes; by default, `communicate` gives it.
        open_files: how many it may have: the soft limit and the hard one.
        imports: which of `fork_server.IMPORTED` it finds imported.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        env: Mapping[str, str] = os.environ,
        cwd: Path | None = None,
        piped: bytes = b"",
        stderr: IO[bytes] | None = None,
        open_files: tuple[int, int] | None = None,
        imports: str = "package",
    ) -> None:
        self.args = ("python", "-m", module, *arguments)
        self.returncode: int | None = None
        self._output: list[IO[bytes]] = [tempfile.TemporaryFile()]  # noqa: SIM115 - closed at its end
        if stderr is None:
            self._output.append(tempfile.TemporaryFile())  # noqa: SIM115 - the same
        self._said: list[str] = []
        stdin, source = os.pipe()
        output = [file.fileno() for file in (self._output[0], stderr or self._output[1])]
        request = ForkRequest([module, *arguments], dict(env), str(cwd or Path.cwd()), open_files)
        self._connection = request.send(fork_server(imports), [stdin, *output])
        os.close(stdin)
        with os.fdopen(source, "wb") as pipe:
            pipe.write(piped)
        self.pid = number(self._connection)

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = number(self._connection)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._connection.close()
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


def fork_server(imports: str = "package") -> str:
    """The address of an interpreter that forks, and has imported what `fork_server.IMPORTED` has under that name.

    It is started at the first use. The processes that this one starts share it, and it ends with this one.
    """
    variable = f"TESTS_FORK_SERVER_{imports}"
    if variable not in os.environ:
        os.environ[variable] = _started(imports)
    return os.environ[variable]


_NURSERIES: list[subprocess.Popen[bytes]] = []
"""Those that this process has started. A fork of it that forgets what is to be done at its end still has them."""


def _started(imports: str) -> str:
    folder = Path(tempfile.mkdtemp(prefix="areplicate-fork-server-"))
    address = str(folder / "socket")
    # LiteLLM would look for its prices on GitHub.
    env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        fd = listener.fileno()
        command = [sys.executable, "-m", "tests.fork_server", str(fd), imports]
        process = subprocess.Popen(
            command, pass_fds=[fd], cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
    _NURSERIES.append(process)

    @atexit.register
    def end() -> None:
        process.communicate()
        shutil.rmtree(folder)

    return address

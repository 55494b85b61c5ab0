"""The servers that fork the processes of tests/forked.py: each is an interpreter that has imported what many need, and
whose forks become what is asked for.

    python -m tests.fork_server FD IMPORTS

FD is a Unix socket that listens. Whoever connects sends three files and what to run, and gets the id of the process
and, when it has ended, its status. The interpreter ends when its standard input does.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import resource
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

IMPORTED = {
    "package": (
        "anyio._backends._asyncio",  # which anyio imports in `run`
        "areplicate.bulk.journaled",
        "areplicate.cli.batch",
        "areplicate.cli.chat",
        "areplicate.cli.keys",
        "areplicate.completion",
        "areplicate.gateway.accounts.store",
        "areplicate.gateway.batches.work",
        "areplicate.gateway.command",
        "areplicate.gateway.server",
        "areplicate.gateway.workers",
        "areplicate.local",
        "encodings.idna",
        "openai.resources",
        "pkgutil",
        "proxy",
        "psycopg",
        "uvloop",
    ),
    "integrations": (
        "langchain_core.language_models.chat_models",
        "litellm",
        "llama_index.core",
        "llm.cli",
    ),
}
"""What most of the processes import; the rest each imports itself."""


class ForkRequest(NamedTuple):
    """What to run: a module, as `python -m` takes it, or the path of a program, with its arguments."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    open_files: tuple[int, int] | None = None

    def send(self, fork_server: str, files: list[int]) -> socket.socket:
        """Sends it to a fork server; the socket gives the process's id and, when it has ended, its status (`number`)."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(fork_server)
        socket.send_fds(connection, [b"."], files)
        connection.sendall(json.dumps(self).encode() + b"\n")
        return connection

    def run(self) -> None:
        """Makes this process the one that is wanted."""
        os.environ.clear()
        os.environ.update(self.env)
        os.chdir(self.cwd)
        if self.open_files:
            resource.setrlimit(resource.RLIMIT_NOFILE, self.open_files)
        sys.path[:1] = [self.cwd, *filter(None, self.env.get("PYTHONPATH", "").split(os.pathsep))]
        sys.argv = self.argv
        if os.sep in self.argv[0]:
            sys.path[0] = os.path.dirname(self.argv[0])
            runpy.run_path(self.argv[0], run_name="__main__")
        else:
            runpy.run_module(self.argv[0], run_name="__main__", alter_sys=True)


def number(connection: socket.socket) -> int:
    """The next number that the fork server tells of a process."""
    said = connection.recv(4)
    assert said, "the fork server has been killed"
    return int.from_bytes(said, "big", signed=True)


def wait_for_a_request(listener: socket.socket) -> ForkRequest:
    """Returns in a fork, with its standard files and what to run; the interpreter that forks goes on with the next
    request, and tells each one's sender when its process has ended."""
    ended, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    senders: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([listener, ended, sys.stdin], [], [])
        if sys.stdin in ready:
            sys.exit()
        if ended in ready:
            ended.recv(4096)
            _tell_of_the_ended(senders)
        if listener in ready:
            sender, _ = listener.accept()
            request, files = _read_request(sender)
            if (pid := os.fork()) == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (listener, ended, wake, sender, *senders.values()):
                    each.close()
                for file, standard in zip(files, range(3), strict=True):
                    os.dup2(file, standard)
                    os.close(file)
                return request
            for file in files:
                os.close(file)
            senders[pid] = sender
            _say(sender, pid)


def _read_request(sender: socket.socket) -> tuple[ForkRequest, list[int]]:
    """What to run, and its standard files."""
    with sender.makefile("r") as lines:
        _, files, _, _ = socket.recv_fds(sender, 1, 3)
        return ForkRequest(*json.loads(lines.readline())), files


def _tell_of_the_ended(senders: dict[int, socket.socket]) -> None:
    with suppress(ChildProcessError):
        while (end := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            pid, status = end
            with senders.pop(pid) as sender:
                _say(sender, os.waitstatus_to_exitcode(status))


def _say(sender: socket.socket, number: int) -> None:
    with suppress(BrokenPipeError):
        sender.sendall(number.to_bytes(4, "big", signed=True))


def run_to_the_end(request: ForkRequest) -> None:
    """Runs it, and ends as an interpreter does, but takes nothing apart: what has been imported is in memory that all
    share until somebody writes to it, and to take it apart would copy most of it.
    """
    status = 0
    try:
        request.run()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()  # which tells of what was left open
    for file in (sys.stdout, sys.stderr):
        try:
            if file is not None and not file.closed:
                file.flush()
        except OSError:
            status = 120  # Python's own
    os._exit(status)


def read_a_configuration() -> None:
    """The first one compiles the patterns that tell models apart, and what reads its fields."""
    from areplicate.gateway.config.config import read_config

    entry = {"model_name": "chat", "litellm_params": {"model": "replicate/acme/chat", "api_key": "r8_"}}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump({"model_list": [entry]}, file)
        file.flush()
        read_config(Path(file.name))


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        gc.disable()  # all that is imported stays
        for name in IMPORTED[sys.argv[2]]:
            importlib.import_module(name)
        if sys.argv[2] == "package":
            read_a_configuration()
        gc.collect()  # else each fork would, of what is no longer needed here
        gc.freeze()
        gc.enable()
        request = wait_for_a_request(listener)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run_to_the_end(request)


if __name__ == "__main__":
    main()

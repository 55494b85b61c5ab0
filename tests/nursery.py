"""The interpreter that tests/forked.py forks: it has imported the package, and becomes what it is asked for.

    python -m tests.nursery FD

FD is a socket. Each demand on it brings a process's standard files and a socket of its own, on which its keeper,
a fork that waits for it, reads what to run and tells its id and its status.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

IMPORTED = (
    "areplicate.cli.batch",
    "areplicate.cli.chat",
    "areplicate.gateway.server",
    "areplicate.local",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite",
)
"""What most of the processes import; the rest each imports itself."""


def wait_for_a_demand(demands: socket.socket) -> list[int]:
    """Returns in a fork, with the files of the process that it is to start; ends when nobody demands any more."""
    while True:
        _, files, _, _ = socket.recv_fds(demands, 1, 4)
        if not files:
            sys.exit()
        if os.fork() == 0:
            demands.close()
            return files
        for file in files:
            os.close(file)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass


def start(keeper: socket.socket) -> dict[str, Any]:
    """Returns in a second fork, with what to run; this one waits for it."""
    with keeper, keeper.makefile("r") as lines:
        demand: dict[str, Any] = json.loads(lines.readline())
        if (pid := os.fork()) == 0:
            return demand
        keeper.sendall(pid.to_bytes(4, "big"))
        for file in range(3):
            os.close(file)
        _, status = os.waitpid(pid, 0)
        keeper.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
    os._exit(0)


def main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as demands:
        for name in IMPORTED:
            importlib.import_module(name)
        gc.freeze()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        *standard, keeper = wait_for_a_demand(demands)
    for number, file in enumerate(standard):
        os.dup2(file, number)
        os.close(file)
    demand = start(socket.socket(fileno=keeper))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(demand["env"])
    os.chdir(demand["cwd"])
    sys.path[0] = demand["cwd"]
    sys.argv = demand["argv"]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

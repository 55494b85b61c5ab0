"""A command as the pages' shells find it: itself, but forked (tests/forked.py).

python -m tests.docs.command FORK_SERVER PROGRAM ARGUMENT...
"""

from __future__ import annotations

import os
import signal
import sys

from tests.fork_server import ForkRequest, number


def main() -> None:
    fork_server, *command = sys.argv[1:]
    request = ForkRequest(command, dict(os.environ), os.getcwd())
    with request.send(fork_server, [0, 1, 2]) as connection:
        pid = number(connection)
        signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
        status = number(connection)
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()

"""A command as the pages' shells find it: itself, but forked (tests/forked.py).

python -m tests.docs.command NURSERY PROGRAM ARGUMENT...
"""

from __future__ import annotations

import os
import signal
import sys

from tests.nursery import Demand, number


def main() -> None:
    nursery, *command = sys.argv[1:]
    demand = Demand(command, dict(os.environ), os.getcwd())
    with demand.send(nursery, [0, 1, 2]) as keeper:
        pid = number(keeper)
        signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
        status = number(keeper)
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()

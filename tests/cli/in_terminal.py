"""`areplicate ARGUMENT...` in a session of its own, whose terminal is its standard input.

python -m tests.cli.in_terminal ARGUMENT...
"""

from __future__ import annotations

import fcntl
import os
import runpy
import sys
import termios

if __name__ == "__main__":
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # They look whether there is a terminal when they are imported.
    for name in [name for name in sys.modules if name.startswith("areplicate.cli")]:
        del sys.modules[name]
    runpy.run_module("areplicate", run_name="__main__", alter_sys=True)

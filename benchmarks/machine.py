"""The machine that the benchmarks run on, and what another process has used, as Linux tells it."""

from __future__ import annotations

import contextlib
import os
import platform
import random
import socket
import time
from pathlib import Path


def machine() -> dict[str, str | int | float]:
    """Its parts, and how busy it was: the load average of the last minute, to be taken before a run."""
    cpus = Path("/proc/cpuinfo")
    models = [
        line.partition(":")[2].strip()
        for line in (cpus.read_text(encoding="utf-8").splitlines() if cpus.exists() else ())
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count() or 0,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        "taken": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def free_port() -> int:
    """A port below those that outgoing connections are given, so that none of them takes it meanwhile."""
    while True:
        port = random.randrange(20000, 32000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def cpu_seconds(pid: int) -> float:
    """CPU, user and system, of the threads that it has now."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    # In nanoseconds, where /proc/PID/stat counts in hundredths of a second.
    return sum(int((thread / "schedstat").read_text(encoding="utf-8").split()[0]) for thread in threads) / 1e9


def resident_mb(pid: int) -> float:
    """Resident memory in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

"""What the benchmarks ran on."""

from __future__ import annotations

import os
import platform
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

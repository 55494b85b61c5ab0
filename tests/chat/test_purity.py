"""The chat room does no I/O, and does not even import what could."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_imports_nothing_that_opens_sockets_or_runs_loops() -> None:
    files = (ROOT / "areplicate" / "chat").rglob("*.py")
    modules = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    code = (
        f"import sys, {', '.join(modules)}\n"
        "print(sorted({'asyncio', 'anyio', 'aiohttp', 'httpx', 'socket', 'jinja2'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert ran.stdout.strip() == "[]", ran.stderr

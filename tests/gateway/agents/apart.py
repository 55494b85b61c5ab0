"""Clients that are installed apart: from npm, or with dependencies that the tests' own do not go with.

They lie in a folder of their own, `AREPLICATE_CLIENTS` or one in the user's cache. Where they are not there, a test
skips and says what to run; with `CI=true` or `AREPLICATE_CLIENTS_INSTALL=1` they are installed, and a client
that its registry does not have is the only reason to skip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(os.environ.get("AREPLICATE_CLIENTS") or Path.home() / ".cache" / "areplicate-clients")
_INSTALL = os.environ.get("CI") == "true" or os.environ.get("AREPLICATE_CLIENTS_INSTALL") == "1"
_MINUTES = 15


def npm(*packages: str) -> Path:
    """A folder whose `node_modules` has these packages."""
    folder = HOME / "npm"
    modules = folder / "node_modules"
    if all((modules / package / "package.json").is_file() for package in packages):
        return folder
    _may_install("npm", *packages)
    if shutil.which("npm") is None:
        pytest.fail("npm is missing") if os.environ.get("CI") == "true" else pytest.skip("npm is missing")
    folder.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *packages]
    _run(command, "404 Not Found", packages)
    return folder


def python(*packages: str) -> Path:
    """The interpreter of an environment that has these packages."""
    folder = HOME / "-".join(packages)
    interpreter = folder / "bin" / "python"
    if (folder / "ready").is_file():
        return interpreter
    _may_install("pip", *packages)
    _run([sys.executable, "-m", "venv", "--clear", str(folder)], "", packages)
    _run([str(interpreter), "-m", "pip", "-q", "install", *packages], "No matching distribution", packages)
    (folder / "ready").touch()
    return interpreter


def _may_install(how: str, *packages: str) -> None:
    if not _INSTALL:
        pytest.skip(f"{how} install {' '.join(packages)}: AREPLICATE_CLIENTS_INSTALL=1 does it")


def _run(command: list[str], missing: str, packages: tuple[str, ...]) -> None:
    # From a registry, whose certificates are checked: tests/conftest.py leaves out all authorities.
    env = {name: value for name, value in os.environ.items() if not name.startswith("SSL_CERT_")}
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=60 * _MINUTES, check=False
    )
    if done.returncode and missing and missing in done.stdout + done.stderr:
        pytest.skip(f"the registry does not have {' '.join(packages)}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

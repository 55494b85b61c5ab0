"""A virtual environment for each client, so that their pins do not meet."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from .workers import ROOT

FOLDER = Path(__file__).parent / ".environments"
TIMEOUT = 900.0
"""Seconds that one installation may take."""


class Installation(NamedTuple):
    """A client's requirement, whose installed size counts, and what is installed for the benchmarks on top."""

    package: str
    requirement: str
    module: str
    """What is imported to use it."""
    further: tuple[str, ...] = ()


INSTALLATIONS = {
    "aiohttp": Installation("aiohttp", "aiohttp>=3.11,<4", "aiohttp", ("uvloop",)),
    "areplicate": Installation(
        "areplicate",
        str(ROOT),
        "areplicate.completion, areplicate.replicate.transports.aiohttp",
        (f"{ROOT}[gateway,cli,speed]",),
    ),
    "litellm": Installation("litellm", "litellm==1.106.2", "litellm", ("litellm[proxy]==1.106.2", "uvloop")),
    "replicate1": Installation("replicate", "replicate==1.0.7", "replicate", ("uvloop",)),
    "replicate2": Installation(
        "replicate", "replicate==2.0.0b4", "replicate", ("replicate[aiohttp]==2.0.0b4", "uvloop")
    ),
}


class Environment(NamedTuple):
    """Where a client is installed: its interpreter, its version, and its size with dependencies, in MB."""

    python: str
    version: str
    size: float | None
    size_further: float | None

    def sizes(self) -> dict[str, Any]:
        """What the results tell of it: all but where it is on this machine."""
        return {"version": self.version, "size": self.size, "size_further": self.size_further}


def make_all(clients: list[str]) -> dict[str, Environment]:
    """Every client's environment; one that is there already is used again."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(clients, pool.map(_make, clients), strict=True))


def found(clients: list[str]) -> dict[str, Environment]:
    """The environments that need no installing: those made before, else this very interpreter."""
    environments = {}
    for client in clients:
        if _record(client).exists():
            environments[client] = _make(client)
        elif client in ("aiohttp", "areplicate") or (client == "replicate1" and find_spec("replicate")):
            version = _version(sys.executable, INSTALLATIONS[client].package)
            environments[client] = Environment(sys.executable, version, None, None)
    return environments


def _make(client: str) -> Environment:
    installation, folder, record = INSTALLATIONS[client], FOLDER / client, _record(client)
    python = str(folder / "bin" / "python")
    wanted = [installation.requirement, *installation.further]
    if installation.requirement == str(ROOT):
        wanted.append((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    made: dict[str, Any] = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    if made.get("wanted") != wanted:
        print(f"Installing {installation.requirement} ...", flush=True)
        venv.create(folder, clear=True, with_pip=True, upgrade_deps=True)  # older pips resolve slowly
        _install(python, installation.requirement)
        sizes = {"size": _size(folder)}
        _install(python, *installation.further)
        sizes["size_further"] = _size(folder)
        made = {"wanted": wanted, **sizes}
        record.write_text(json.dumps(made), encoding="utf-8")
    version = _version(python, installation.package)
    return Environment(python, version, made["size"], made["size_further"])


def _record(client: str) -> Path:
    return FOLDER / client / "installed.json"


def _install(python: str, *requirements: str) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    subprocess.run(command, check=True, timeout=TIMEOUT, stderr=subprocess.DEVNULL)


def _size(folder: Path) -> float:
    """What has been installed, in MB, without the installer."""
    (packages,) = folder.glob("lib/python*/site-packages")
    installer = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence")
    return (
        sum(
            file.stat().st_size
            for entry in packages.iterdir()
            if not entry.name.startswith(installer)
            for file in (entry, *entry.rglob("*"))
            if file.is_file()
        )
        / 1e6
    )


def _version(python: str, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.check_output([python, "-c", code], text=True, cwd=FOLDER.parent).strip()

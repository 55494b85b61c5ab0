"""The rules of the house: which room may import which, and what the package shows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import areplicate

PACKAGE = Path(areplicate.__file__).parent
PURE = ("protocol", "chat")
LOOPS = {"asyncio", "aiohttp", "anyio", "httpx", "trio"}
FLOORS = [
    {"errors", "clock"},
    {"protocol"},
    {"chat"},
    {
        "logs",
        "client_options",
        "transports",
        "limits",
        "waiter",
        "in_flight",
        "retry",
        "schema_cache",
        "media",
        "progress",
        "endpoints",
        "settings",
    },
    {"api", "schemas"},
    {"listing", "creation", "crowd", "poller", "prediction_stream", "completion_stream"},
    {"account", "call", "balancer"},
    {"router"},
    {"completion"},
    {"gateway", "cli", "__main__"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def imports(path: Path) -> set[tuple[str, ...]]:
    """The modules that a file imports, as paths from the top: ("areplicate", "chat") or ("aiohttp",)."""
    here = ("areplicate", *path.relative_to(PACKAGE).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else ()
            module = tuple(node.module.split(".")) if node.module else ()
            if base and not module:
                found |= {(*base, alias.name) for alias in node.names}
            else:
                found.add((*base, *module))
    return found


def files() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down_only(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for module in imports(path):
        if room in PURE:
            assert module[0] not in LOOPS, f"{path} is to be pure"
        if module[0] != "areplicate" or len(module) < 2 or module[1] not in FLOOR:
            continue
        if room == "local":
            assert module[1] in ("local", "protocol", "errors")
        elif room != module[1]:
            assert FLOOR[module[1]] <= FLOOR[room], f"{path} imports {'.'.join(module)}"


def test_every_public_name_is_there() -> None:
    for name in areplicate.__all__:
        assert getattr(areplicate, name) is not None
    assert set(areplicate.__all__) <= set(dir(areplicate))
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        areplicate.nothing_of_the_kind  # noqa: B018

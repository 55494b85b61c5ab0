"""The tests do not lean on the benchmarks, nor the benchmarks on the tests."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def files(room: str) -> list[Path]:
    """A room's own files: what `make bench` installs lies in a hidden folder of its own."""
    found = (ROOT / room).rglob("*.py")
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]


def imported(path: Path) -> set[str]:
    """The packages that a file names in its imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
    return found


@pytest.mark.parametrize(
    ("room", "other"), [("tests", "benchmarks"), ("benchmarks", "tests"), ("areplicate", "tests")]
)
def test_no_file_of_one_imports_the_other(room: str, other: str) -> None:
    naming = [path for path in files(room) if other in path.read_text(encoding="utf-8")]
    assert [path.name for path in naming if other in imported(path)] == []


def test_the_benchmarks_stay_small() -> None:
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in files("benchmarks")]
    assert sum(lines) < 2200

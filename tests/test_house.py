"""The rules of the house: README's map has every room, and imports point down it only."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import areplicate

PACKAGE = Path(areplicate.__file__).parent
README = PACKAGE.parent / "README.md"
LOOPS = {"asyncio", "aiohttp", "anyio", "httpx", "trio"}
PURE = (
    "replicate/protocol",
    "chat",
    "chat/apis",
    "chat/formats",
    "chat/schemas",
    "chat/structured",
    "chat/tools",
)
GROUND = {"errors", "clock", "logs", "threads", "replicate/protocol"}
"""Rooms that any room may import."""
APART = {
    "replicate": {"chat", "chat/formats", "chat/schemas"},
    "replicate/protocol": {"replicate", "replicate/transports"},
    "chat": {"replicate", "replicate/transports"},
}
"""Rooms that know nothing of others which stand below them on the map."""
MOST_NAMES = 20
OTHERS_NAMES = {"Areplicate", "File", "Model", "Request", "Response", "Route"}
"""Classes that OpenAI's, Anthropic's and Replicate's APIs, or the programs that load us, call alike."""


RIDDLES = re.compile(
    r"(?<!there )\b(is|are) (no\b(?! longer| more)|none of|to be\b)|\bnames (no|none)\b"
    r"|\b(is|are|was|were) told\b|\b(told|tells?) of\b|\b(whoever|nought|amiss|befall\w*|for want of)\b"
    r"|\bat the most\b|\bso many seconds\b",
    re.IGNORECASE,
)
"""Words that have to be read twice: say what something is, or what must be done."""
PROMPTS = {"published_texts.py", "tool_forms.py"}
"""Texts that models were trained on, word for word."""


def the_map() -> dict[str, str]:
    """README's rooms, the highest first, each with what it is for."""
    inside = README.read_text().partition("## Inside")[2].partition("\n## ")[0]
    return {
        room.rstrip("/").removesuffix(".py"): text
        for room, text in re.findall(r"^\| `(.+?)` \| (.+) \|$", inside, re.M)
    }


MAP = the_map()
DEPTH = {room: depth for depth, room in enumerate(MAP)}


def room_of(parts: tuple[str, ...]) -> str | None:
    """The room in which a module lies: the longest path that is on the map."""
    paths = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((path for path in paths if path in DEPTH), None)


def files() -> list[Path]:
    dunder = {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path not in dunder]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> list[ast.AST]:
    """All that a file says: to go through a tree takes as long as to read it."""
    return list(ast.walk(tree(path)))


def imports(path: Path) -> set[tuple[str, ...]]:
    """The modules that a file imports, as paths from the top: ("areplicate", "chat") or ("aiohttp",)."""
    here = ("areplicate", *path.relative_to(PACKAGE).parts[:-1])
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else ()
            module = tuple(node.module.split(".")) if node.module else ()
            found |= {(*base, *module, alias.name) for alias in node.names}
    return found


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down_the_map_only(path: Path) -> None:
    room = room_of(path.relative_to(PACKAGE).with_suffix("").parts)
    assert room is not None, f"{path.relative_to(PACKAGE)} is in no room of README's map"
    for module in imports(path):
        if room in PURE:
            assert module[0] not in LOOPS, f"{path} must be pure, and imports {module[0]}"
        if module[0] != "areplicate" or (other := room_of(module[1:])) is None or other in GROUND | {room}:
            continue
        if room == "local":
            raise AssertionError(f"local must know nothing of {other}")
        # A folder's own files and the rooms in it may know each other.
        inside = room.startswith(f"{other}/") or other.startswith(f"{room}/")
        assert inside or DEPTH[other] > DEPTH[room], f"{path.relative_to(PACKAGE)} imports {'.'.join(module)}"
        assert other not in APART.get(room, ()), f"{room} must know nothing of {other}"


def test_every_room_is_on_the_map_and_every_line_of_it_is_a_room() -> None:
    for room in MAP:
        assert (PACKAGE / room).is_dir() or (PACKAGE / f"{room}.py").is_file(), f"there is no {room}"
    for path in PACKAGE.iterdir():
        if (path.suffix == ".py" and not path.stem.startswith("__")) or (path / "__init__.py").is_file():
            assert path.stem in MAP, f"{path.name} is not on README's map"
    for folder in PACKAGE.rglob("*/__init__.py"):
        room = str(folder.parent.relative_to(PACKAGE))
        assert room in MAP, f"{room} is not on README's map"


def test_a_room_says_what_it_is_for_in_a_dozen_words() -> None:
    for room, text in MAP.items():
        assert 3 <= len(text.split()) <= 14, f"{room}: {text}"


def test_a_class_shares_its_name_with_no_other() -> None:
    places: dict[str, set[str]] = {}
    for path in files():
        for node in nodes(path):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, set()).add(str(path.relative_to(PACKAGE)))
    shared = {name: where for name, where in places.items() if len(where) > 1 and name not in OTHERS_NAMES}
    assert not shared


def test_nothing_depends_on_asserts_which_python_o_leaves_out() -> None:
    for path in files():
        if path.relative_to(PACKAGE).as_posix() != "gateway/http/uploads.py":  # aiohttp raises them
            for node in nodes(path):
                if isinstance(node, ast.ExceptHandler) and node.type is not None:
                    assert "AssertionError" not in ast.unparse(node.type), f"{path}:{node.lineno}"


def test_the_code_is_written_in_plain_english() -> None:
    for path in files():
        if path.name not in PROMPTS:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                assert not RIDDLES.search(line), f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"


def test_the_documentation_is_written_in_plain_english() -> None:
    root = PACKAGE.parent
    for path in (*root.glob("*.md"), *root.glob("docs/**/*.md"), root / "examples/README.md"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not RIDDLES.search(line), f"{path.relative_to(root)}:{number}: {line.strip()}"


def test_the_package_has_few_names_at_its_top() -> None:
    names = [
        path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    ]
    assert len([name for name in names if not name.startswith("__")]) <= MOST_NAMES


def test_every_public_name_is_there() -> None:
    for name in areplicate.__all__:
        assert hasattr(areplicate, name)
    assert set(areplicate.__all__) <= set(dir(areplicate))
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        getattr(areplicate, "nothing_of_the_kind")  # noqa: B009 - a type checker knows that it is not there


def test_no_file_has_the_marks_of_a_merge_that_was_not_finished() -> None:
    root = PACKAGE.parent
    for path in (*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("*.*ml")):
        assert not re.search(r"^(<<<<<<< |>>>>>>> )", path.read_text(), re.MULTILINE), path


def test_a_rooms_own_words_name_all_its_files_and_no_others() -> None:
    for folder in sorted(PACKAGE.rglob("*/__init__.py")):
        words = set(re.findall(r"`([a-z][a-z_]*)`", ast.get_docstring(tree(folder)) or ""))
        there = {path.stem for path in folder.parent.iterdir()} | {"areplicate"}
        assert words <= there, f"{folder.parent.relative_to(PACKAGE)} has no {words - there}"
        files = {path.stem for path in folder.parent.glob("*.py") if not path.stem.startswith("__")}
        assert files <= words, f"{folder.parent.relative_to(PACKAGE)} does not tell of {files - words}"

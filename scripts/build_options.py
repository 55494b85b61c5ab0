"""Writes what follows from the options' declarations: the types of a call, and the tables of docs/options.md."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterable

import pages

from areplicate.options.declared import OPTIONS
from areplicate.options.other_clients import IGNORED, IGNORED_PREFIXES, REFUSED
from areplicate.options.signature import MESSAGES_TYPE, parameters_text

TYPES = pages.ROOT / "areplicate" / "options" / "call_types.py"
PAGE = pages.ROOT / "docs" / "options.md"

_HEAD = '''"""The types of a call, for editors and type checkers. Written by scripts/build_options.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar, overload

from ..chat.responses import ModelResponse
from ..replicate.progress import Status
from ..replicate.transports.proxies import TLS
from .values import Seconds

Whole = TypeVar("Whole", covariant=True)
Chunks = TypeVar("Chunks", covariant=True)
Either = TypeVar("Either", covariant=True)


class CompletionFunction(Protocol[Whole, Chunks, Either]):
    """A function that answers a conversation: whole, in chunks, or either where `stream` is not known."""
'''
_OVERLOADS = (
    ("stream: Literal[False] | None = None", "Whole", parameters_text()),
    ("stream: Literal[True]", "Chunks", "The answer in chunks."),
    ("stream: bool | None", "Either", "The answer, in chunks where `stream` is True."),
)


def types() -> str:
    return _formatted(_HEAD + "\n".join(_overload(*overload) for overload in _OVERLOADS))


def _overload(stream: str, gives: str, about: str) -> str:
    options = [f"{option.name}: {option.type} | None = None" for option in OPTIONS if option.name != "stream"]
    given = ["self", "model: str", f"messages: {MESSAGES_TYPE}", "*", stream, *options, "**inputs: Any"]
    docstring = textwrap.indent(f'"""{about}"""', " " * 8)
    return f"\n    @overload\n    def __call__({', '.join(given)}) -> {gives}:\n{docstring}\n"


def _formatted(source: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TYPES), "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout


def page() -> str:
    ours = [
        f"| `{o.name}` | {_code(o.type)} | {o.meaning} | {o.default or 'None'} "
        f"| {_names(o.other_names)} | {', '.join(o.by)} |"
        for o in OPTIONS
        if not o.openai
    ]
    openai = [f"| `{o.name}` | {_code(o.type)} | {o.meaning} |" for o in OPTIONS if o.openai]
    refused = [f"| `{name}` | {why} |" for name, why in REFUSED.items()]
    return pages.filled(
        PAGE,
        ours=pages.table("| option | type | meaning | default | other names | who |", ours),
        openai=pages.table("| parameter | type | meaning |", openai),
        ignored=f"{_names(sorted(IGNORED))}; and what begins with {_names(IGNORED_PREFIXES)}.",
        refused=pages.table("| option | instead |", refused),
    )


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    pages.write({TYPES: types(), PAGE: page()}, __doc__)

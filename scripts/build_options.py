"""Writes what follows from the options' declarations: the types of a call, and docs/options.md.

python scripts/build_options.py            writes both
python scripts/build_options.py --check    fails where one of them is not current
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from areplicate.options.declared import OPTIONS
from areplicate.options.other_clients import IGNORED, IGNORED_PREFIXES, REFUSED
from areplicate.options.signature import MESSAGES_TYPE, parameters_text

ROOT = Path(__file__).parents[1]
TYPES = ROOT / "areplicate" / "options" / "call_types.py"
PAGE = ROOT / "docs" / "options.md"

_HEAD = '''"""The types of a call, for editors and type checkers. Written by scripts/build_options.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar, overload

from ..replicate.progress import Status
from ..replicate.transports.proxies import TLS

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


_PAGE = """<!-- Written by scripts/build_options.py from areplicate/options: change it there. -->

# Options of a call

What `acompletion`, `completion`, `AsyncRouter.acompletion` and each request of `map` may be given besides `model`
and `messages`. None always means "not given". Whatever is not named on this page is an input of the model and is
sent under its name.

**Who** may set an option: the *caller* in Python; a *configuration*, in an entry's `litellm_params`; a *client* of
the gateway, in the body of a request.

## How the call is made

{ours}

## OpenAI's chat parameters

Each goes in under the name that the model's schema has for it. Tools, `response_format` and `stop`
work without one ([agents](agents.md)); any other that a model has no input for is an `UnsupportedParamsError`, or left
out with `drop_params=True`.

{openai}

## Options of other clients

These change nothing here, and are left out with a Python warning: {ignored}; and what begins with {prefixes}.

These would change something, and are refused:

{refused}
"""


def page() -> str:
    ours = [option for option in OPTIONS if not option.openai]
    openai = [option for option in OPTIONS if option.openai]
    return _PAGE.format(
        ours=_table(
            "| option | type | meaning | default | other names | who |",
            [
                f"| `{o.name}` | {_code(o.type)} | {o.meaning} | {o.default or 'None'} "
                f"| {_names(o.other_names)} | {', '.join(o.by)} |"
                for o in ours
            ],
        ),
        openai=_table(
            "| parameter | type | meaning |",
            [f"| `{o.name}` | {_code(o.type)} | {o.meaning} |" for o in openai],
        ),
        ignored=_names(sorted(IGNORED)),
        prefixes=_names(IGNORED_PREFIXES),
        refused=_table("| option | instead |", [f"| `{name}` | {why} |" for name, why in REFUSED.items()]),
    )


def _table(head: str, rows: list[str]) -> str:
    return "\n".join([head, "| --- " * (head.count("|") - 1) + "|", *rows])


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def written() -> Iterator[tuple[Path, str]]:
    """Each file with what belongs in it."""
    yield TYPES, types()
    yield PAGE, page()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--check", action="store_true", help="write nothing, fail where something would change"
    )
    check = parser.parse_args().check
    for path, text in written():
        if check and (not path.is_file() or path.read_text() != text):
            sys.exit(f"{path.relative_to(ROOT)} is not up to date: run python scripts/build_options.py")
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)


if __name__ == "__main__":
    main()

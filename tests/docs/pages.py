"""Runs a page of the documentation as a reader would who pastes one block after the other.

    python -m tests.docs.pages PAGE

Python blocks share one namespace, as in a notebook; shell blocks share one environment and one folder. A command
that serves (a gateway, a stand-in) goes on in the background until the page's end. Each block that was run is a
line on stdout; the first that fails ends the run.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

PYTHON = ("python", "py")
SHELL = ("sh", "bash", "shell", "console")
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_SERVES = re.compile(r"^\s*areplicate (?:serve|local|--config)\b.*$", re.MULTILINE)
_PORT = re.compile(r"--port (\d+)")
_READY_SECONDS = 30


class Block(NamedTuple):
    """A fenced block: its language, its code, and the line on which that begins."""

    language: str
    code: str
    line: int


def blocks(page: Path) -> list[Block]:
    """The blocks that can be run."""
    return [block for block in fenced(page.read_text()) if block.language in (*PYTHON, *SHELL)]


def fenced(text: str) -> Iterator[Block]:
    """All blocks of a page."""
    for match in _FENCE.finditer(text):
        indent = len(match["indent"])
        code = "\n".join(line[indent:] for line in match["code"].split("\n"))
        yield Block(match["language"], code, text.count("\n", 0, match.start("code")) + 1)


class Reader:
    """Somebody who pastes a page's blocks."""

    def __init__(self, page: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._page = page
        self._loop = loop
        self._names: dict[str, Any] = {"__name__": "__main__"}
        self._serving: list[subprocess.Popen[bytes]] = []

    def paste(self, block: Block) -> None:
        if block.language in PYTHON:
            self._python(block)
        else:
            self._shell(block)

    def leave(self) -> None:
        for process in self._serving:
            process.terminate()
            process.wait()

    def _python(self, block: Block) -> None:
        # The line numbers of a traceback are the page's.
        padded = "\n" * (block.line - 1) + block.code
        code = compile(padded, str(self._page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if code.co_flags & inspect.CO_COROUTINE:
            self._loop.run_until_complete(eval(code, self._names))
        else:
            exec(code, self._names)

    def _shell(self, block: Block) -> None:
        rest = _commands(block)
        while serving := _SERVES.search(rest):
            self._run(rest[: serving.start()])
            self._serve(serving[0].rstrip(" &"))
            rest = rest[serving.end() :]
        self._run(rest)

    def _run(self, script: str) -> None:
        """Runs it, and keeps what it exports."""
        if not script.strip():
            return
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{script}\nenv -0 > .environment"],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        variables = Path(".environment").read_text().split("\0")
        os.environ.update(
            (name, value) for name, _, value in (each.partition("=") for each in variables) if name
        )

    def _serve(self, command: str) -> None:
        port = _PORT.search(command)
        assert port is not None, f"say --port: {command}"
        process = subprocess.Popen(["bash", "-c", f"exec {command}"], stdin=subprocess.DEVNULL)
        self._serving.append(process)
        for _ in range(_READY_SECONDS * 10):
            assert process.poll() is None, f"it ended: {command}"
            try:
                urlopen(f"http://127.0.0.1:{port[1]}/", timeout=1).close()
            except OSError as answer:
                if hasattr(answer, "code"):  # an answer, if only 404
                    return
                time.sleep(0.1)
            else:
                return
        raise AssertionError(f"it does not answer: {command}")


def _commands(block: Block) -> str:
    """A console's lines without their prompts and without what the commands print."""
    if block.language != "console":
        return block.code
    lines: list[str] = []
    for line in block.code.split("\n"):
        if line.startswith("$ "):
            lines.append(line[2:])
        elif lines and lines[-1].endswith("\\"):
            lines.append(line)
    return "\n".join(lines)


def main() -> None:
    page = Path(sys.argv[1])
    loop = asyncio.new_event_loop()
    reader = Reader(page, loop)
    try:
        for block in blocks(page):
            print(f"block at line {block.line}", flush=True)
            reader.paste(block)
    finally:
        reader.leave()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


if __name__ == "__main__":
    main()

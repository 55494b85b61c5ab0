"""The user's message of `areplicate chat`: the prompt on the command line, standard input, files and images."""

from __future__ import annotations

import base64
import codecs
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..chat.messages import mime_of

STDIN = "-"


def user_message(prompt: str | None, files: Sequence[Path], images: Sequence[str]) -> dict[str, Any] | None:
    """The user's message; None if nothing is asked, so that a conversation begins.

    Standard input comes first, then the files, then the prompt, with blank lines between them. A prompt of
    `-`, or a file of that name, stands for standard input.
    """
    expected = STDIN in (prompt, *map(str, files))
    texts = [_piped(expected=expected), *[_read(file) for file in files if str(file) != STDIN]]
    if prompt is not None and prompt != STDIN:
        texts.append(prompt)
    text = "\n\n".join(each.strip("\n") for each in texts if each and each.strip())
    if images:
        parts: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
        parts += [{"type": "image_url", "image_url": {"url": _image_url(image)}} for image in images]
        return {"role": "user", "content": parts}
    if text:
        return {"role": "user", "content": text}
    if prompt is not None or files or sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("There is nothing to ask: the prompt, the files and the input are empty.")
    return None


def _piped(*, expected: bool) -> str:
    """All of standard input, if it is not a terminal or is asked for."""
    if sys.stdin is None or (sys.stdin.isatty() and not expected):
        return ""
    return _decoded(sys.stdin.buffer.read(), "The standard input")


def _read(file: Path) -> str:
    return _decoded(file.read_bytes(), str(file))


def _decoded(content: bytes, source: str) -> str:
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as PowerShell's `>` writes it
    try:
        return content.decode("utf-16" if utf16 else "utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise click.UsageError(
            f"{source} is not UTF-8 text ({error.reason} at byte {error.start})."
        ) from None


def _image_url(image: str) -> str:
    """A URL as it is; of a file, its content as a data URL."""
    if image.startswith(("http://", "https://", "data:")):
        return image
    path = Path(image)
    if not path.is_file():
        raise click.BadParameter(f"The file {image!r} does not exist.", param_hint="--image")
    content = path.read_bytes()
    kind = mime_of(content, path.name)
    if not kind.startswith("image/"):
        raise click.BadParameter(f"{image!r} does not look like an image.", param_hint="--image")
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"

"""A model's `tokenizer_config.json`: its chat template with the tokens that it names."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from ...errors import BadRequestError
from ..plain import plain, shown
from .jinja import TOKENS, ChatTemplate

TokenizerConfig: TypeAlias = str | PathLike[str] | Mapping[str, Any]
"""The path of the file or of its folder, or its content."""


def read_tokenizer_config(config: TokenizerConfig, tokens: Mapping[str, Any]) -> ChatTemplate:
    """The chat template of a tokenizer, checked.

    Newer tokenizers keep the template beside the file, in `chat_template.jinja`; some have several, of
    which `tool_use` is for conversations with tools.

    Args:
        tokens: what is given by hand, which counts more than the file.

    Raises:
        BadRequestError: the file does not exist, or has no template.
    """
    folder: Path | None = None
    config = plain(config, "tokenizer_config")
    if not isinstance(config, Mapping):
        if not isinstance(config, (str, PathLike)):
            raise BadRequestError(
                "tokenizer_config must be the path of a tokenizer_config.json or a mapping of what stands in it, "
                f"not {shown(config)}."
            )
        path = Path(config)
        path = path / "tokenizer_config.json" if path.is_dir() else path
        folder = path.parent
        config = _read(path)
    known = {name: _text(config[name]) for name in TOKENS if name in config}
    sources = _sources(config.get("chat_template"), folder)
    default = sources.get("default") or next(iter(sources.values()), None)
    if not default:
        raise BadRequestError("The tokenizer_config has no chat_template: give one as chat_template=...")
    chat = ChatTemplate(default, {**dict.fromkeys(TOKENS), **known, **tokens}, sources.get("tool_use"))
    chat.check()
    return chat


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise BadRequestError(f"tokenizer_config: {path} cannot be read: {error.strerror}.") from error
    except msgspec.MsgspecError as error:
        raise BadRequestError(f"tokenizer_config: {path} is not a JSON object: {error}.") from error


def _sources(found: Any, folder: Path | None) -> dict[str, str]:
    """The templates by name."""
    if isinstance(found, str):
        return {"default": found}
    if isinstance(found, list):
        named = [entry for entry in found if isinstance(entry, Mapping)]
        return {entry["name"]: entry["template"] for entry in named if {"name", "template"} <= set(entry)}
    beside = folder / "chat_template.jinja" if folder else None
    return {"default": beside.read_text(encoding="utf-8")} if beside and beside.is_file() else {}


def _text(token: Any) -> Any:
    """A token is a string, or an object that has it as `content`."""
    return token.get("content") if isinstance(token, Mapping) else token

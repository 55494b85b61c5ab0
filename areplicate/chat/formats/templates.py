"""The prompt templates that users bring, for all calls of a model or for one call."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from ...errors import BadRequestError
from ..plain import plain, shown
from .format import PromptTemplate
from .jinja import TOKENS, ChatTemplate
from .tool_format import BARE

Token: TypeAlias = str | UnsetType | None
"""A special token; None if the model has none, UNSET if it is not known."""

TokenizerConfig: TypeAlias = str | PathLike[str] | Mapping[str, Any]
"""The path of the file or of its folder, or its content."""
_ROLES = ("system", "user", "assistant", "tool")
_AROUND = ("pre_message", "post_message")
REGISTERED: dict[str, PromptTemplate] = {}


def register_prompt_template(
    model: str,
    roles: Mapping[str, Mapping[str, str]] | None = None,
    initial_prompt_value: str = "",
    final_prompt_value: str = "",
    bos_token: Token = UNSET,
    eos_token: Token = UNSET,
    chat_template: str | None = None,
    tokenizer_config: TokenizerConfig | None = None,
) -> None:
    """Use this prompt template for a model from now on, in every router of this process.

    Args:
        model: with or without `replicate/` in front it is the same model; without a version the
            template holds for all of the model's versions.
        roles: `{"user": {"pre_message": "...", "post_message": "..."}, ...}`.
        bos_token, eos_token: the tokens that open a text and close an answer. None says that the model
            has none.
        chat_template: a Jinja template as tokenizers publish them (`pip install
            'areplicate[templates]'`), instead of `roles`. It is given what Transformers gives it:
            `messages`, `tools`, `documents`, `add_generation_prompt`, the tokens, and whatever else it
            reads and the call brings, such as `enable_thinking`.
        tokenizer_config: the model's `tokenizer_config.json`, as a path (to it or to its folder) or as a
            mapping: the template and all its tokens.

    Raises:
        BadRequestError: the template is not of that form, or it names a token that was not given.
    """
    if not isinstance(model, str) or not model.strip():
        raise BadRequestError("register_prompt_template needs the name of a model.")
    REGISTERED[plain(model, "model").removeprefix("replicate/")] = make_template(
        plain(roles, "roles"),
        initial_prompt_value,
        final_prompt_value,
        bos_token,
        eos_token,
        plain(chat_template, "chat_template"),
        tokenizer_config,
    )


def registered_template(model: str) -> PromptTemplate | None:
    """The template that was registered for a model, for this version or for all of them."""
    if not REGISTERED:
        return None
    name = model.removeprefix("replicate/")
    return REGISTERED.get(name) or REGISTERED.get(name.partition(":")[0])


def for_template(
    template: PromptTemplate | None, inputs: Mapping[str, Any], fields: Collection[str]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Splits a call's inputs into those that a Jinja template reads, such as `enable_thinking`, and the rest.

    Args:
        fields: the model's own inputs, as far as they are known: these go to the model.
    """
    if template is None or template.chat_template is None:
        return {}, inputs
    reads = template.chat_template.reads
    values = {name: value for name, value in inputs.items() if name in reads and name not in fields}
    return values, {name: value for name, value in inputs.items() if name not in values}


def inline_template(**own: Any) -> PromptTemplate | None:
    """The template that one call brings along, as `make_template` takes it; None if it brings nothing of one."""
    return make_template(**own) if any(own.values()) else None


def make_template(
    roles: Mapping[str, Mapping[str, str]] | None = None,
    initial_prompt_value: str | None = None,
    final_prompt_value: str | None = None,
    bos_token: Token = UNSET,
    eos_token: Token = UNSET,
    chat_template: str | None = None,
    tokenizer_config: TokenizerConfig | None = None,
) -> PromptTemplate:
    """A template from what users write, checked."""
    tokens = {"bos_token": bos_token, "eos_token": eos_token}
    tokens = {name: token for name, token in tokens.items() if token is not UNSET}
    if bool(roles) + bool(chat_template) + (tokenizer_config is not None) > 1:
        raise BadRequestError("Give exactly one of tokenizer_config, chat_template and roles.")
    if tokenizer_config is not None:
        return PromptTemplate(chat_template=_from_tokenizer_config(tokenizer_config, tokens))
    texts: dict[str, Any] = {
        "initial_prompt_value": initial_prompt_value or "",
        "final_prompt_value": final_prompt_value or "",
        "chat_template": chat_template or "",
        **{name: token or "" for name, token in tokens.items()},
    }
    for name, value in texts.items():
        if not isinstance(value, str):
            raise BadRequestError(f"{name} must be a string, not {type(value).__name__}.")
    if chat_template:
        if "{" not in chat_template:
            raise BadRequestError(
                f"chat_template is {shown(chat_template)}, which has no {{{{ ... }}}} or {{% ... %}}: give the template's "
                "text and not its path or name, as Path(...).read_text()."
            )
        chat = ChatTemplate(chat_template, tokens)
        chat.check()
        return PromptTemplate(chat_template=chat)
    texts.pop("chat_template")
    return PromptTemplate(_roles(roles or {}), **texts, tools=BARE)


def _roles(roles: Any) -> dict[str, tuple[str, str]]:
    how = 'roles must look like {"user": {"pre_message": "...", "post_message": "..."}}'
    if not isinstance(roles, Mapping):
        raise BadRequestError(f"{how}, not {type(roles).__name__}.")
    read = {}
    for role, around in roles.items():
        if role not in _ROLES:
            raise BadRequestError(f"{how}; {shown(role)} is not one of {', '.join(_ROLES)}.")
        if not isinstance(around, Mapping):
            raise BadRequestError(f"{how}; {role!r} has a {type(around).__name__}.")
        if unknown := [name for name in around if name not in _AROUND]:
            raise BadRequestError(f"{how}; {role!r} has {shown(unknown[0])}.")
        before, after = ("" if around.get(name) is None else around[name] for name in _AROUND)
        if not isinstance(before, str) or not isinstance(after, str):
            raise BadRequestError(f"{how}; {role!r} has values that are not strings.")
        read[str(role)] = (before, after)
    return read


def _from_tokenizer_config(config: TokenizerConfig, tokens: Mapping[str, Any]) -> ChatTemplate:
    """The chat template of a tokenizer, checked.

    Newer tokenizers keep the template beside the file, in `chat_template.jinja`, which counts more; some have several,
    of which `tool_use` is for conversations with tools.

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
        config = _object_in(path)
    known = {name: _token(config[name]) for name in TOKENS if name in config}
    sources = _sources(config.get("chat_template"), folder)
    default = sources.get("default") or next(iter(sources.values()), None)
    if not default:
        raise BadRequestError("The tokenizer_config has no chat_template: give one as chat_template=...")
    chat = ChatTemplate(default, {**dict.fromkeys(TOKENS), **known, **tokens}, sources.get("tool_use"))
    chat.check()
    return chat


def _object_in(path: Path) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise BadRequestError(f"tokenizer_config: {path} cannot be read: {error.strerror}.") from error
    except msgspec.MsgspecError as error:
        raise BadRequestError(f"tokenizer_config: {path} is not a JSON object: {error}.") from error


def _sources(found: Any, folder: Path | None) -> dict[str, str]:
    """The templates by name."""
    if folder is not None and (beside := _beside(folder)):
        return beside
    if isinstance(found, str):
        return {"default": found}
    if isinstance(found, list):
        named = [entry for entry in found if isinstance(entry, Mapping)]
        return {entry["name"]: entry["template"] for entry in named if {"name", "template"} <= set(entry)}
    return {}


def _beside(folder: Path) -> dict[str, str]:
    """The templates in files beside a tokenizer, by name."""
    others = (folder / "additional_chat_templates").glob("*.jinja")
    files = {"default": folder / "chat_template.jinja", **{file.stem: file for file in others}}
    return {name: file.read_text(encoding="utf-8") for name, file in files.items() if file.is_file()}


def _token(token: Any) -> Any:
    """A token is a string, or an object that has it as `content`."""
    return token.get("content") if isinstance(token, Mapping) else token

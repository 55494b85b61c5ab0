"""Which prompt template a model gets: the user's own, or its family's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import BadRequestError
from .families import family_of
from .format import PromptTemplate

__all__ = [
    "PromptTemplate",
    "inline_template",
    "make_template",
    "register_prompt_template",
    "registered_template",
    "template_for",
]

_registered: dict[str, PromptTemplate] = {}


def register_prompt_template(
    model: str,
    roles: Mapping[str, Mapping[str, str]] | None = None,
    initial_prompt_value: str = "",
    final_prompt_value: str = "",
    bos_token: str = "",
    eos_token: str = "",
    chat_template: str | None = None,
) -> None:
    """Use this prompt template for a model from now on, in every router of this process.

    Args:
        model: with or without `replicate/` in front it is the same model; without a version the
            template holds for all of the model's versions.
        roles: `{"user": {"pre_message": "...", "post_message": "..."}, ...}`.
        chat_template: a Jinja template as tokenizers publish them (`pip install
            'areplicate[templates]'`), instead of `roles`. It is given `messages`,
            `add_generation_prompt=True`, `bos_token` and `eos_token`.

    Raises:
        BadRequestError: the template is not of that form.
    """
    if not isinstance(model, str) or not model.strip():
        raise BadRequestError("register_prompt_template needs the name of a model.")
    _registered[model.removeprefix("replicate/")] = make_template(
        roles, initial_prompt_value, final_prompt_value, bos_token, eos_token, chat_template
    )


def registered_template(model: str) -> PromptTemplate | None:
    """The template that was registered for a model, for this version or for all of them."""
    if not _registered:
        return None
    name = model.removeprefix("replicate/")
    return _registered.get(name) or _registered.get(name.partition(":")[0])


def template_for(model: str) -> PromptTemplate:
    """The template of a model: the registered one, else its family's, picked by its name."""
    return registered_template(model) or family_of(model).template


def inline_template(
    roles: Mapping[str, Mapping[str, str]] | None = None,
    initial_prompt_value: str | None = None,
    final_prompt_value: str | None = None,
    bos_token: str | None = None,
    eos_token: str | None = None,
    chat_template: str | None = None,
) -> PromptTemplate | None:
    """The template that one call brings along; None where it brings nothing of one."""
    if not (roles or initial_prompt_value or final_prompt_value or bos_token or eos_token or chat_template):
        return None
    return make_template(
        roles,
        initial_prompt_value or "",
        final_prompt_value or "",
        bos_token or "",
        eos_token or "",
        chat_template,
    )


def make_template(
    roles: Mapping[str, Mapping[str, str]] | None,
    initial_prompt_value: str = "",
    final_prompt_value: str = "",
    bos_token: str = "",
    eos_token: str = "",
    chat_template: str | None = None,
) -> PromptTemplate:
    """A template from what users write, checked."""
    texts = {
        "initial_prompt_value": initial_prompt_value,
        "final_prompt_value": final_prompt_value,
        "bos_token": bos_token,
        "eos_token": eos_token,
        "chat_template": chat_template or "",
    }
    for name, value in texts.items():
        if not isinstance(value, str):
            raise BadRequestError(f"{name} must be a string, not {type(value).__name__}.")
    if chat_template and roles:
        raise BadRequestError("A prompt template has either roles or a chat_template, not both.")
    if chat_template:
        from .jinja import check_template  # Jinja is imported by those who use it

        check_template(chat_template)
    return PromptTemplate(
        _roles(roles or {}),
        initial_prompt_value,
        final_prompt_value,
        bos_token,
        eos_token,
        chat_template=chat_template or None,
    )


def _roles(roles: Any) -> dict[str, tuple[str, str]]:
    how = 'roles must look like {"user": {"pre_message": "...", "post_message": "..."}}'
    if not isinstance(roles, Mapping):
        raise BadRequestError(f"{how}, not {type(roles).__name__}.")
    read = {}
    for role, around in roles.items():
        if not isinstance(around, Mapping):
            raise BadRequestError(f"{how}; {role!r} has a {type(around).__name__}.")
        before, after = around.get("pre_message") or "", around.get("post_message") or ""
        if not isinstance(before, str) or not isinstance(after, str):
            raise BadRequestError(f"{how}; {role!r} has something else than strings.")
        read[str(role)] = (before, after)
    return read

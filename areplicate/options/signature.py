"""Gives functions the options of a call as their signature and documentation, for `help()` and notebooks.

Type checkers and editors read `call_types.py`, which is written from the same declarations.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .declared import OPTIONS

MESSAGES_TYPE = "Sequence[Any]"

_FIRST = {
    "model": "Such as `meta/meta-llama-3-8b-instruct`, `owner/name:version` or `deployments/owner/name`, with or "
    "without `replicate/` in front; or a name of the router's `model_list`.",
    "messages": "As OpenAI takes them.",
}
_REST = "The model's own inputs, such as `top_k`, which are sent under their names."
_RAISES = (
    "APIError: one of its subclasses, for whatever goes wrong. Whatever ends the call, also its being cancelled, "
    "the prediction is cancelled with it."
)


def signed(function: Callable[..., Any]) -> Any:
    """The function, with the options in its signature and its documentation."""
    about = inspect.cleandoc(function.__doc__ or "")
    function.__doc__ = f"{about}\n\n{parameters_text()}"
    function.__signature__ = _signature(function)  # type: ignore[attr-defined]
    return function


def parameters_text() -> str:
    """The parameters of a call, in the form of a docstring."""
    lines = [f"    {name}: {meaning}" for name, meaning in _FIRST.items()]
    for option in OPTIONS:
        default = f" By default {option.default}." if option.default else ""
        lines.append(f"    {option.name}: {option.meaning}{default}")
    return "\n".join(["Args:", *lines, f"    inputs: {_REST}", "", "Raises:", f"    {_RAISES}"])


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    written = inspect.signature(function)
    kept = [p for p in written.parameters.values() if p.kind is not p.VAR_KEYWORD]
    options = [
        inspect.Parameter(
            option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=f"{option.type} | None"
        )
        for option in OPTIONS
    ]
    rest = inspect.Parameter("inputs", inspect.Parameter.VAR_KEYWORD, annotation="Any")
    return written.replace(parameters=[*kept, *options, rest])

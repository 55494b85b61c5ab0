"""Imports of what takes a second: each of the processes that run tests collects all of them, and runs a part."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


class Lazily:
    """A module that is imported when something of it is used: `anthropic = Lazily("anthropic")`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # pytest asks whatever it collects for these
            raise AttributeError(attribute)
        return getattr(importlib.import_module(self._name), attribute)


if TYPE_CHECKING:
    import openai as openai
else:
    openai = Lazily("openai")

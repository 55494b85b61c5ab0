"""`os.environ/NAME`: LiteLLM's way to write, in place of a value, which environment variable has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_BEGINNING = "os.environ/"


class UnsetVariable(ValueError):
    """A variable that is not set; `steps` are the keys and indexes that lead to where it is named."""

    def __init__(self, name: str, steps: tuple[str | int, ...]) -> None:
        super().__init__(
            f"the environment variable {name!r} is not set or empty: set it, or write the value itself."
        )
        self.steps = steps


def variable(value: Any) -> str | None:
    """`NAME` of a value `os.environ/NAME`."""
    if isinstance(value, str) and value.startswith(_BEGINNING):
        return value.removeprefix(_BEGINNING).strip()
    return None


def with_variables(value: Any, get: Callable[[str], str | None], *steps: str | int) -> Any:
    """The value with each `os.environ/NAME` in it, at any depth, replaced by what `get` gives for `NAME`.

    Raises:
        UnsetVariable: it gives nothing.
    """
    if isinstance(value, dict):
        return {key: with_variables(item, get, *steps, key) for key, item in value.items()}
    if isinstance(value, list):
        return [with_variables(item, get, *steps, i) for i, item in enumerate(value)]
    name = variable(value)
    if name is None:
        return value
    if found := get(name):
        return found
    raise UnsetVariable(name, steps)

"""How much a template may do: steps, seconds, characters."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

MAX_STEPS = 200_000
"""Rounds of loops and calls of functions in one rendering."""

MAX_SECONDS = 0.5
"""CPU time of one rendering."""

MAX_CHARACTERS = 64_000_000
"""Characters in one value, and in all that is written."""

MAX_ENTRIES = 100_000
"""Entries of a list or a mapping, with those inside them."""


class BudgetExceeded(Exception):
    """A template did more than it may."""


class Budget:
    """What is left to one rendering."""

    def __init__(self) -> None:
        self._steps = MAX_STEPS
        self._characters = MAX_CHARACTERS
        self._deadline = time.thread_time() + MAX_SECONDS

    def step(self, characters: int = 0) -> None:
        """One round of a loop or one call, which writes so many characters of the template itself."""
        self._steps -= 1
        if self._steps < 0:
            raise BudgetExceeded(f"it takes more than {MAX_STEPS:,} steps")
        if time.thread_time() > self._deadline:
            raise BudgetExceeded(f"it takes more than {MAX_SECONDS:g} s")
        self.write(characters)

    def write(self, characters: int) -> None:
        self._characters -= characters
        if self._characters < 0:
            raise BudgetExceeded(f"it writes more than {MAX_CHARACTERS:,} characters")


_current: ContextVar[Budget] = ContextVar("budget")


@contextmanager
def budgeted() -> Iterator[Budget]:
    """A fresh budget for what is done inside."""
    budget = Budget()
    token = _current.set(budget)
    try:
        yield budget
    finally:
        _current.reset(token)


def current() -> Budget:
    return _current.get()


def sized(value: Any) -> Any:
    """The value, where it is not larger than a value may be, with everything inside it.

    A list that holds one list many times, which holds another many times, is small in memory and
    endless once it is written or compared.
    """
    if isinstance(value, str):
        _check(len(value), 0)
    elif isinstance(value, (list, tuple, Mapping)):
        entries = characters = 0
        stack: list[Any] = [value]
        while stack:
            top = stack.pop()
            if isinstance(top, str):
                characters += len(top)
            elif isinstance(top, Mapping):
                entries += 2 * len(top)
                stack += top.keys()
                stack += top.values()
            elif isinstance(top, (list, tuple)):
                entries += len(top)
                stack += top
            _check(characters, entries)
    return value


def _check(characters: int, entries: int) -> None:
    if characters > MAX_CHARACTERS:
        raise BudgetExceeded(f"it makes a text of more than {MAX_CHARACTERS:,} characters")
    if entries > MAX_ENTRIES:
        raise BudgetExceeded(f"it makes a list of more than {MAX_ENTRIES:,} entries")

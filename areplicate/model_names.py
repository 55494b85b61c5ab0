"""The names of a `model_list`: which entries each stands for, and which names step in for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

_NAME = r"[A-Za-z0-9](?:[\w.-]{0,98}\w)?"
_ANY_MODEL = re.compile(rf"(replicate/)?(deployments/)?{_NAME}/{_NAME}(:[0-9a-f]{{64}})?", re.ASCII)
"""What a wildcard may stand for: a model of Replicate's, never an address."""


class Named(Protocol):
    """An entry of a `model_list`."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> str: ...


E = TypeVar("E", bound=Named)


class ModelNames(Generic[E]):
    """The entries by their names: several may share one, and a name such as `replicate/*` is a wildcard.

    Args:
        fallbacks: by a name, those to try when all its entries have failed.
    """

    def __init__(self, entries: Iterable[E], fallbacks: Mapping[str, Sequence[str]] = {}) -> None:
        self.own: dict[str, list[E]] = {}
        self.wildcards: dict[str, list[E]] = {}
        """The most specific first."""
        self._fallbacks = fallbacks
        for entry in sorted(entries, key=lambda entry: -len(entry.name) if "*" in entry.name else 0):
            groups = self.wildcards if "*" in entry.name else self.own
            groups.setdefault(entry.name, []).append(entry)

    @property
    def listed(self) -> list[str]:
        """All names, the wildcards last."""
        return [*self.own, *self.wildcards]

    def find(self, name: str) -> tuple[str, list[E]] | None:
        """What a name stands for: the name in the list, which may be a wildcard's, and its entries."""
        if (group := self.own.get(name)) is not None:
            return name, group
        for wildcard, entries in self.wildcards.items():
            if fitting := [each for each in entries if model_meant(each, name) is not None]:
                return wildcard, fitting
        return None

    def __contains__(self, name: str) -> bool:
        return self.find(name) is not None

    def fallbacks_of(self, name: str) -> Sequence[str] | None:
        """The names that step in for one, or for the wildcard that it fits; None if none do."""
        if name in self._fallbacks or name in self.own:
            return self._fallbacks.get(name)
        found = self.find(name)
        return None if found is None else self._fallbacks.get(found[0])


def model_meant(entry: Named, asked: str) -> str | None:
    """The model of an entry, where `asked` is asked for; None if that does not fit the entry's wildcard.

    A `*` in the entry's model stands for what the one in its name does.
    """
    if "*" not in entry.name:
        return entry.model
    if not fits_wildcard(entry.name, asked):
        return None
    before, _, after = entry.name.partition("*")
    meant = entry.model.replace("*", asked[len(before) : len(asked) - len(after)], 1)
    return meant if _ANY_MODEL.fullmatch(meant) else None


def fits_wildcard(pattern: str, name: str) -> bool:
    """Whether the name is the pattern, or has something in the place of its `*`."""
    before, wildcard, after = pattern.partition("*")
    if not wildcard:
        return name == pattern
    return name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)

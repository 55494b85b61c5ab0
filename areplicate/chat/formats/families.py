"""Finds a model's family by its name, or by a prompt in the family's format."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from .format import PromptTemplate
from .table import BASE, ROWS

_QUANTIZED = re.compile(
    r"([-_.](gguf|ggml|gptq|awq|exl2|mlx|bnb|hf|fp\d+|bf16|int\d|[\d.]+-?(bits?|bpw)|i?q\d(_\w+)*|w\d+a\d+))+$"
)
"""Parts of a name that say how a model was packed, not what it is."""


class Family(NamedTuple):
    """A chat format, and the patterns by which its models and its prompts are known."""

    name: str
    template: PromptTemplate
    names: str = ""
    marks: str = ""

    def is_of(self, owner: str, name: str) -> bool:
        if not self.names:
            return False
        return bool(re.search(self.names, f"{owner}/{name}" if "/" in self.names else name))

    def is_seen_in(self, prompt: str) -> bool:
        return bool(self.marks and re.search(self.marks, prompt, re.DOTALL))


FAMILIES = {row[0]: Family(*row) for row in ROWS}
"""The families by name, in the order in which they are tried."""

PLAIN_FAMILY = FAMILIES["plain"]


@lru_cache(maxsize=4096)
def family_of(model: str) -> Family:
    """A model's family by its name, with or without `replicate/` and a version.

    >>> family_of("replicate/meta/meta-llama-3-8b-instruct").name
    'llama-3'
    """
    owner, _, name = model.removeprefix("replicate/").partition(":")[0].lower().rpartition("/")
    name = re.sub(r"[_\s]+", "-", _QUANTIZED.sub("", name))
    if re.search(BASE, name):
        return PLAIN_FAMILY
    return next((family for family in FAMILIES.values() if family.is_of(owner, name)), PLAIN_FAMILY)


def family_seen_in(prompt: str, model: str | None = None) -> Family | None:
    """The family whose marks stand somewhere in a prompt; the name decides where several fit."""
    named = family_of(model) if model is not None else PLAIN_FAMILY
    if named is not PLAIN_FAMILY and named.is_seen_in(prompt):
        return named
    return next((family for family in FAMILIES.values() if family.is_seen_in(prompt)), None)

"""Recognises the family in whose format a prompt, or a server's prompt template, is written."""

from __future__ import annotations

import re
from typing import NamedTuple

from .families import FAMILIES, Family, family_of
from .format import PromptTemplate

PROMPT = "{prompt}"
SYSTEM = "{system_prompt}"

_OPENING = re.compile(r"^\s*(<s>|<bos>|<\|begin_of_text\|>|<\|endoftext\|>|<｜begin▁of▁sentence｜>)?[ \n]*")  # noqa: RUF001
_CLOSER = re.compile(r"\s*(</s>|<\|[\w ]+\|>|<end_of_turn>)\s*")


class OwnTurns(NamedTuple):
    """The tags of a template that belongs to no known family: before a prompt, after it, and after an answer."""

    before: str
    after: str
    answered: str

    def template(self) -> PromptTemplate:
        """The format in which earlier turns stand within such a server's prompt."""
        roles = {
            "system": ("", "\n\n"),
            "user": (self.before, self.after),
            "assistant": (" " if self.after.endswith(":") else "", self.answered),
        }
        return PromptTemplate(roles)


def family_of_template(text: str, model: str | None) -> Family | None:
    """The family whose rendering of one turn equals a server's prompt template.

    White space at its end does not count, nor does what the template says as system text.
    """
    for family in _candidates(text, model):
        parts = _parted(family.template, text)
        if parts is not None and _is_one_turn(family.template, *parts):
            return family
    return None


def family_of_prompt(text: str, model: str | None) -> Family | None:
    """The family in whose format a prompt is written, from its beginning to its end."""
    for family in _candidates(text, model):
        parts = _parted(family.template, text)
        if parts is not None and _may_precede(family.template, parts[0]):
            return family
    return None


def own_turns(text: str) -> OwnTurns | None:
    """The turns of a template that belongs to no known family; None if it has no place for a prompt."""
    before, found, after = text.rpartition(PROMPT)
    if not found:
        return None
    before = before.rpartition(SYSTEM)[2]
    line = before.rstrip("\n").rfind("\n") + 1
    gap, label = before[:line], before[line:]
    closes = _CLOSER.match(after)
    if closes is not None:
        return OwnTurns(label.removeprefix(closes[1]), after, closes[0])
    ended = len(gap.rstrip().removesuffix("</s>"))
    answered = gap[ended:] or after[: len(after) - len(after.lstrip())] or "\n"
    return OwnTurns(label, after, answered)


def _candidates(text: str, model: str | None) -> list[Family]:
    """The model's own family first, then those whose marks stand in the text."""
    named = [family_of(model)] if model else []
    seen = [family for family in FAMILIES.values() if family.is_seen_in(text)]
    return [*named, *seen]


def _tags(template: PromptTemplate) -> tuple[str, str]:
    """What opens a user's turn, and what stands from its end to the answer."""
    before, after = template.roles["user"]
    return before, template.opened(after)


def _parted(template: PromptTemplate, text: str) -> tuple[str, str] | None:
    """What stands before the last user's turn, and what the user says in it."""
    before, after = _tags(template)
    text = _OPENING.sub("", text, count=1).rstrip()
    if not text.endswith(after.rstrip()):
        return None
    head, found, said = text.removesuffix(after.rstrip()).rpartition(before)
    return (head, said) if found else None


def _is_one_turn(template: PromptTemplate, head: str, said: str) -> bool:
    """Whether this is `{prompt}` alone, with or without system text if the format has it."""
    around = template.roles.get("system")
    if around is None:  # it stands in the user's turn
        system = said.removesuffix(PROMPT)
        return not head and said.endswith(PROMPT) and _is_around(template.system.around, system)
    return said == PROMPT and _is_around(around, head) and _tags(template)[0].strip() not in head


def _is_around(around: tuple[str, str], text: str) -> bool:
    before, after = around
    fits = text.startswith(before) and text.endswith(after) and len(text) >= len(before) + len(after)
    return not text or fits


def _may_precede(template: PromptTemplate, head: str) -> bool:
    """Whether this may stand before a user's turn: nothing, system text, or earlier turns."""
    system, user = template.roles.get("system", ("", ""))[0], template.roles["user"][0]
    return not head.strip() or not system.strip() or head.startswith((system.rstrip(), user))

"""Questions that differ in their texts alone, put between what stands around them in the inputs.

A program asks one model the same way over and over. What its format, its parameters and its schema make of a
question, with or without system text, does not depend on the texts, and is found out once.
"""

from __future__ import annotations

import re
from operator import attrgetter
from typing import Any

import msgspec

from ..errors import BadRequestError
from .conversation import Prompting
from .inputs import THOUGHT_MARKS, ModelInput, Settings, input_of, writes_format
from .messages import InputMessage, read_messages

_SYSTEM, _USER = "\0s", "\0u"
"""Texts that no format has, to see what becomes of a conversation's own."""
_PROBES = (
    (InputMessage("user", _USER),),
    (InputMessage("system", _SYSTEM), InputMessage("user", _USER)),
)
_role_of = attrgetter("role")
_PROBE = re.compile(f"({_SYSTEM}|{_USER})")


class Frames:
    """Makes the inputs of conversations, for one model and one set of parameters."""

    def __init__(self, settings: Settings, prompting: Prompting) -> None:
        self._settings = settings
        self._prompting = prompting
        self._by_roles: dict[tuple[str, ...], _Frame] = {}
        if _depends_on_texts(settings, prompting):
            return
        for probes in _PROBES:
            if (frame := _frame(probes, settings, prompting)) is not None:
                self._by_roles[tuple(probe.role for probe in probes)] = frame

    def input_of(self, messages: Any) -> ModelInput:
        """What `inputs.input_of` gives."""
        turns = read_messages(messages)
        frame = self._by_roles.get(tuple(map(_role_of, turns)))
        framed = None if frame is None else frame.around(turns)
        return input_of(turns, self._settings, self._prompting) if framed is None else framed


class _Frame(msgspec.Struct, frozen=True):
    """What stands around the texts of a conversation with certain roles.

    Attributes:
        input: that of the probes.
        texts: the inputs that have texts of the conversation, each with its beginning, then the place of a message and
            what stands behind its text, and so on.
    """

    input: ModelInput
    texts: tuple[tuple[str, str, tuple[tuple[int, str], ...]], ...]

    def around(self, turns: tuple[InputMessage, ...]) -> ModelInput | None:
        """The input with these texts; None if media go with them, or white space at their ends may have to go."""
        for turn in turns:
            text = turn.text
            if not text or turn.media or text.strip() != text:
                return None
        probed = self.input
        fields = probed.fields.copy()
        for name, text, parts in self.texts:
            for place, after in parts:
                text += turns[place].text + after
            fields[name] = text
        return ModelInput(fields, probed.media, probed.max_tokens, probed.thought)


def _depends_on_texts(settings: Settings, prompting: Prompting) -> bool:
    """Whether something is done with the texts, or the day, besides writing them down."""
    plan = settings.plan
    template = prompting.template or plan.format.template
    if plan.context is not None or prompting.tools or prompting.values:
        return True
    if template.chat_template is not None or "{today:" in repr(template):
        return True
    prompt = plan.fields.get(plan.prompt or "")
    return prompt is not None and (prompt.min_length is not None or prompt.max_length is not None)


def _frame(probes: tuple[InputMessage, ...], settings: Settings, prompting: Prompting) -> _Frame | None:
    """None if not all texts are found again, or an answer's beginning may depend on them."""
    places = {probe.text: place for place, probe in enumerate(probes)}
    try:
        input = input_of(probes, settings, prompting)
    except BadRequestError:  # an image, perhaps, that comes with a question
        return None
    texts, seen = [], set()
    for name, value in input.fields.items():
        pieces = _PROBE.split(value) if isinstance(value, str) else [value]
        if len(pieces) > 1:
            found = [places[probe] for probe in pieces[1::2]]
            seen.update(found)
            texts.append((name, pieces[0], tuple(zip(found, pieces[2::2], strict=True))))
            if (
                name == settings.plan.prompt
                and writes_format(settings.plan, prompting)
                and _is_open(pieces[-1])
            ):
                return None
    return _Frame(input, tuple(texts)) if len(seen) == len(probes) else None


def _is_open(end: str) -> bool:
    """Whether a text before this end of a prompt may be, or be a part of, the mark that opens a thought."""
    end = end.rstrip()
    return any(mark.endswith(end) for mark in THOUGHT_MARKS)

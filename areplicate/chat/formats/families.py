"""Finds a model's family: by its name, or by a prompt or a server's prompt template in the family's format."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeGuard

import msgspec

from .format import PromptTemplate
from .table import BASE, ROWS

PROMPT = "{prompt}"
SYSTEM = "{system_prompt}"

_OPENING = re.compile(r"^\s*(<s>|<bos>|<\|begin_of_text\|>|<\|endoftext\|>|<｜begin▁of▁sentence｜>)?[ \n]*")  # noqa: RUF001
_CLOSER = re.compile(r"\s*(</s>|<\|[\w ]+\|>|<end_of_turn>)\s*")

_QUANTIZED = re.compile(
    r"([-_.](gguf|ggml|gptq|awq|exl\d|mlx|bnb|hqq|aqlm|eetq|onnx|ct2|openvino|trt(-?llm)?|vllm|tgi|hf|unsloth|ud"
    r"|quant(ized)?|auto-?round|imat(rix)?|i1|static|dynamic|marlin|nf4|(nv|mx)?fp\d+|bf16|int\d|\d+g"
    r"|[\d.]+-?(bits?|bpw)|i?q\d([_-](k|\d|x{0,2}[sml]|xl|nl))*|w\d+a\d+))+$"
)
"""Parts of a name that say how a model was packed, not what it is."""
_VERSION = re.compile(r"(?<![\d.])(\d)[p-](\d)(?![\d.bmkx])")
"""A version with another sign for its point, as in `llama-3-1-8b` and `qwen2p5`; 8b is a size."""
_NUMBERED = re.compile(
    r"(qwen|llama|granite|glm|phi|exaone|ernie|deepseek|kimi|minimax)-?([vkm]?)(\d)(?:(\d)(?=-|$))?"
)
"""A name with its version behind it, with a hyphen or not, and its two digits with a point or not: `glm45`."""

_LONGEST_SHOWN = 10_000
"""Characters of a text in which a family is looked for. A model's texts are a stranger's, and most patterns take the
square of their length."""


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


class Shown(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a model's schema and its example show of its format.

    Attributes:
        family: the family whose format stands there.
        by: where: "template", "default prompt" or "example".
        turns: the tags of a template of no known family.
        template: the input for the server's prompt template.
        adds: what that template does: "format", which `{prompt}` in its place switches off; "nothing";
            "unknown", if it has no place for the prompt, so that it is left alone.
    """

    family: str | None = None
    by: str | None = None
    turns: OwnTurns | None = None
    template: str | None = None
    adds: Literal["format", "nothing", "unknown"] = "format"


FAMILIES = {row[0]: Family(*row) for row in ROWS}
"""The families by name, in the order in which they are tried."""

PLAIN_FAMILY = FAMILIES["plain"]


@lru_cache(maxsize=4096)
def spelled(name: str) -> str:
    """A model's name in small letters, with hyphens between its parts and points in versions.

    >>> spelled("Llama_3_1_8B"), spelled("qwen2p5-7b"), spelled("glm45-air")
    ('llama-3.1-8b', 'qwen-2.5-7b', 'glm-4.5-air')
    """
    name = re.sub(r"[_\s]+", "-", name.lower())
    name = _VERSION.sub(r"\1.\2", name)
    return _NUMBERED.sub(
        lambda found: f"{found[1]}-{found[2]}{'.'.join(filter(None, found.groups()[2:]))}", name
    )


@lru_cache(maxsize=4096)
def family_of(model: str) -> Family:
    """A model's family by its name, with or without `replicate/` and a version.

    >>> family_of("replicate/meta/meta-llama-3-8b-instruct").name
    'llama-3'
    """
    owner, _, name = model.removeprefix("replicate/").partition(":")[0].lower().rpartition("/")
    name = spelled(_QUANTIZED.sub("", name))
    if re.search(BASE, name):
        return PLAIN_FAMILY
    return next((family for family in FAMILIES.values() if family.is_of(owner, name)), PLAIN_FAMILY)


def family_seen_in(prompt: str, model: str | None = None) -> Family | None:
    """The family whose marks stand somewhere in a prompt; the name decides where several fit."""
    named = family_of(model) if model is not None else PLAIN_FAMILY
    if named is not PLAIN_FAMILY and named.is_seen_in(prompt):
        return named
    return next((family for family in FAMILIES.values() if family.is_seen_in(prompt)), None)


def family_of_template(text: str, model: str | None) -> Family | None:
    """The family whose rendering of one turn equals a server's prompt template.

    White space at its end does not count, nor does what the template says as system text.
    """
    return _recognized(text, model, _is_one_turn)


def family_of_prompt(text: str, model: str | None) -> Family | None:
    """The family in whose format a prompt is written, from its beginning to its end."""
    return _recognized(text, model, _may_precede)


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
        return OwnTurns(label.rpartition(closes[1])[2], after, closes[0])
    ended = len(gap.rstrip().removesuffix("</s>"))
    answered = gap[ended:] or after[: len(after) - len(after.lstrip())] or "\n"
    return OwnTurns(label, after, answered)


def shown_format(
    properties: Mapping[str, Mapping[str, Any]], example: Mapping[str, Any], model: str | None
) -> Shown:
    """What the inputs' defaults and the example's input show; the model's name decides where several fit."""
    name = _template_input(properties)
    default = properties[name].get("default") if name else None
    shown = Shown(template=name, adds=_adds(default))
    if _is_readable(default) and PROMPT in default and shown.adds == "format":
        if family := family_of_template(default, model):
            return msgspec.structs.replace(shown, family=family.name, by="prompt template")
        return msgspec.structs.replace(shown, by="prompt template", turns=own_turns(default))
    for by, text in (
        ("default prompt", properties.get("prompt", {}).get("default")),
        ("example", example.get(name) if name else None),
        ("example", example.get("prompt")),
    ):
        if _is_readable(text) and (family := family_of_prompt(text, model) or family_seen_in(text, model)):
            return msgspec.structs.replace(shown, family=family.name, by=by)
    return shown


def _is_readable(text: object) -> TypeGuard[str]:
    return isinstance(text, str) and len(text) <= _LONGEST_SHOWN


def _recognized(
    text: str, model: str | None, fits: Callable[[PromptTemplate, str, str], bool]
) -> Family | None:
    """The model's own family, or one whose marks stand in the text, if what is before the last turn and in it fits."""
    named = [family_of(model)] if model else []
    for family in (*named, *[family for family in FAMILIES.values() if family.is_seen_in(text)]):
        parts = _parted(family.template, text)
        if parts is not None and fits(family.template, *parts):
            return family
    return None


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
    if not before and SYSTEM in text and not text.startswith(SYSTEM):
        return False  # a label of its own, such as "SYSTEM: "
    fits = text.startswith(before) and text.endswith(after) and len(text) >= len(before) + len(after)
    return not text or fits


def _may_precede(template: PromptTemplate, head: str, said: str) -> bool:
    """Whether this may stand before a user's turn: nothing, system text, or earlier turns."""
    system, user = template.roles.get("system", ("", ""))[0], template.roles["user"][0]
    return not head.strip() or not system.strip() or head.startswith((system.rstrip(), user))


def _template_input(properties: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The input for the prompt's template: by its name, or by a default with a place for the prompt."""
    if "prompt_template" in properties:
        return "prompt_template"
    defaults = {name: prop.get("default") for name, prop in properties.items() if name != "prompt"}
    return next((name for name, text in defaults.items() if isinstance(text, str) and PROMPT in text), None)


def _adds(default: Any) -> Literal["format", "nothing", "unknown"]:
    if default is None:
        return "format"
    if not isinstance(default, str) or default.strip() in ("", PROMPT):
        return "nothing"
    return "format" if PROMPT in default else "unknown"

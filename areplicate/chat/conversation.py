"""Puts a conversation into the inputs that a model has for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..errors import BadRequestError
from ..logs import logger
from .formats.arrangement import is_continued, leading_system
from .formats.families import PROMPT
from .formats.format import PromptTemplate
from .messages import InputMessage
from .plan import Plan


class Prompting(msgspec.Struct, frozen=True):
    """How the prompt of one call is written, where the model has one.

    Attributes:
        template: the user's own template, which then renders the prompt whatever the model.
        supports_system_prompt: True puts system text into the system input even if none is known;
            False keeps it in the prompt even if there is one; by default the schema decides.
        tools: OpenAI's tools, for the prompt of a model that has no input for them.
        values: further values for the user's own Jinja template.
    """

    template: PromptTemplate | None = None
    supports_system_prompt: bool | None = None
    tools: Sequence[Any] = ()
    values: Mapping[str, Any] = {}


def conversation_fields(
    turns: tuple[InputMessage, ...],
    plan: Plan,
    prompting: Prompting,
    given: Mapping[str, Any],
    has_media: bool,
) -> dict[str, Any]:
    """The inputs that carry the conversation; no text of any message is lost.

    Args:
        given: the parameters of the call; inputs among them are left alone here.
        has_media: the conversation has media, which go with a prompt: beside messages, a model may not look at them.
    """
    template, supports_system_prompt = prompting.template, prompting.supports_system_prompt
    system_by_hand = plan.system is not None and plan.system in given
    if plan.messages is not None:
        by_hand = system_by_hand or plan.prompt in given
        if plan.prompt is None or (template is None and not (by_hand or has_media)):
            fields = {plan.messages: _wire(turns, plan, plan.messages)}
            if plan.schema and plan.prompt in plan.schema.required:
                fields[plan.prompt] = ""
            return fields
    if plan.prompt is None:
        raise BadRequestError(
            f"{_who(plan)} has no input for a conversation. Its inputs are {', '.join(plan.fields)}."
        )
    switch = plan.format.switch_off or "prompt_template"
    wraps = plan.format.wraps or system_by_hand or given.get(switch, PROMPT) != PROMPT
    if template is not None or not (wraps or (supports_system_prompt and plan.format.switch_off)):
        fields = _rendered(turns, plan, plan.prompt, prompting)
        if plan.format.switch_off is not None and switch not in given:
            fields[switch] = PROMPT
        return fields
    return _within_the_servers(turns, plan, plan.prompt, prompting, given)


def _within_the_servers(
    turns: tuple[InputMessage, ...], plan: Plan, prompt: str, prompting: Prompting, given: Mapping[str, Any]
) -> dict[str, Any]:
    """The conversation for a server that writes its own format around the prompt, with inputs for parts of it."""
    if is_continued(turns):
        logger.warning(
            "%s: its server writes the chat format and closes the assistant's last message, so the model "
            "begins a new answer instead of going on.",
            _who(plan),
        )
    fields: dict[str, Any] = {}
    takes_system = prompting.supports_system_prompt is not False and plan.system not in given
    if takes_system and plan.system is not None and turns[0].role == "system":
        # An empty text stands for none, in the place of the model's default.
        fields[plan.system], turns = leading_system(turns)
    if plan.history is not None and plan.history not in given and len(turns) > 1:
        fields[plan.history] = _wire(turns[:-1], plan, plan.history)
        turns = turns[-1:]
    text = plan.format.template.render_within(turns, prompting.tools) if turns else ""
    return {prompt: text, **fields}


def _wire(turns: tuple[InputMessage, ...], plan: Plan, name: str) -> Any:
    """OpenAI's messages, as JSON text where the model takes text."""
    wire = [turn.as_openai() for turn in turns]
    field = plan.fields.get(name)
    as_text = field is not None and field.type == "string"
    return msgspec.json.encode(wire).decode() if as_text else wire


def _rendered(
    turns: tuple[InputMessage, ...], plan: Plan, prompt: str, prompting: Prompting
) -> dict[str, Any]:
    """The whole conversation in the model's format."""
    said, rest = leading_system(turns) if prompting.supports_system_prompt else ("", turns)
    template = prompting.template or plan.format.template
    fields = {prompt: template.render_turns(rest, prompting.tools, **prompting.values) if rest else ""}
    if len(rest) < len(turns):
        fields[plan.system or "system_prompt"] = said
    return fields


def _who(plan: Plan) -> str:
    return (plan.schema.model if plan.schema else None) or "This model"

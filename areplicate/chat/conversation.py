"""Putting a conversation into the inputs that a model has for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import BadRequestError
from .formats.format import PromptTemplate, leading_system
from .messages import Message
from .plan import AS_IS, Plan


def conversation_fields(
    turns: tuple[Message, ...],
    plan: Plan,
    *,
    template: PromptTemplate | None,
    supports_system_prompt: bool | None,
    given: Mapping[str, Any],
    has_media: bool,
) -> dict[str, Any]:
    """The inputs that carry the conversation; no text of any message is lost.

    Args:
        template: the user's own template, which then renders the prompt whatever the model.
        supports_system_prompt: True puts system text into the system input even where none is known;
            False keeps it in the prompt even where there is one.
        given: the parameters of the call; inputs among them are left alone here.
        has_media: media go with the prompt; whether a model looks at them beside messages is unknown.
    """
    system_by_hand = plan.system is not None and plan.system in given
    if plan.messages is not None:
        by_hand = system_by_hand or plan.prompt in given
        if plan.prompt is None or (template is None and not (by_hand or has_media)):
            return _native(turns, plan, plan.messages)
    if plan.prompt is None:
        raise BadRequestError(
            f"{_who(plan)} has no input for a conversation. Its inputs are {', '.join(_names(plan))}."
        )
    wraps = plan.wraps or system_by_hand or given.get("prompt_template", AS_IS) != AS_IS
    if template is not None or not (wraps or (supports_system_prompt and plan.prompt_template)):
        fields = _rendered(turns, plan, plan.prompt, template, bool(supports_system_prompt))
        if plan.prompt_template and "prompt_template" not in given:
            fields["prompt_template"] = AS_IS
        return fields
    return _wrapped(turns, plan, plan.prompt, supports_system_prompt is not False, given)


def _native(turns: tuple[Message, ...], plan: Plan, name: str) -> dict[str, Any]:
    """OpenAI's messages, in the form in which the model takes them."""
    wire: Any = [_wire(turn) for turn in turns]
    field = plan.schema.fields[name] if plan.schema else None
    if field is not None and field.type == "string":
        wire = msgspec.json.encode(wire).decode()
    elif field is not None and field.items == "string":
        wire = [msgspec.json.encode(message).decode() for message in wire]
    fields = {name: wire}
    if plan.schema and plan.prompt in plan.schema.required:
        fields[plan.prompt] = ""
    return fields


def _wire(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.tool_calls:
        wire["tool_calls"] = list(message.tool_calls)
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        wire["name"] = message.name
    return wire


def _rendered(
    turns: tuple[Message, ...],
    plan: Plan,
    prompt: str,
    template: PromptTemplate | None,
    separate_system: bool,
) -> dict[str, Any]:
    """The whole conversation in the model's format."""
    system, rest = leading_system(turns) if separate_system else ("", turns)
    rendered = (template or plan.family.template).render_turns(rest) if rest else ""
    fields = {prompt: rendered}
    if system:
        fields[plan.system or "system_prompt"] = system
    return fields


def _wrapped(
    turns: tuple[Message, ...], plan: Plan, prompt: str, may_split: bool, given: Mapping[str, Any]
) -> dict[str, Any]:
    """What the server turns into the whole conversation by its own template."""
    fields = {}
    if may_split and plan.system is not None and plan.system not in given:
        system, turns = leading_system(turns)
        if system:
            fields[plan.system] = system
    return {prompt: plan.family.template.render_within(turns) if turns else "", **fields}


def _who(plan: Plan) -> str:
    return (plan.schema.model if plan.schema else None) or "This model"


def _names(plan: Plan) -> list[str]:
    return list(plan.schema.fields) if plan.schema else []

"""Before a model is asked: its tools and the format of its answer, in the shape that it takes.

What the model has inputs for goes into them, and the rest is explained in the conversation (it is emulated). In
both cases the contract's reader then checks the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .contract import Contract
from .formats.format import PromptTemplate, written
from .formats.templates import registered_template
from .messages import Message, read_messages
from .params import TOOL_PARAMS
from .plan import Plan, plan_for
from .schemas.schema import ModelSchema
from .structured.response_format import place, read_response_format
from .tools.telling import tell_format, tell_rules, tell_tools
from .tools.tools import native_tools, read_tool_use


class Settled(msgspec.Struct, frozen=True):
    """A question in the shape that the model takes, and the contract for its answer, if there is one.

    `tools` are those that must be written into the prompt, in the form of the model's family.
    """

    turns: tuple[Message, ...]
    params: dict[str, Any]
    tools: tuple[dict[str, Any], ...] = ()
    contract: Contract | None = None


def settle(
    messages: Any,
    params: Mapping[str, Any],
    *,
    schema: ModelSchema | None,
    model: str | None = None,
    template: PromptTemplate | None = None,
    emulate: bool = True,
) -> Settled:
    """The question with its tools and its format in the shape that the model takes.

    Args:
        messages: OpenAI's messages.
        params: OpenAI's chat parameters and the model's own inputs by name.
        schema: what the model takes; without it, everything is explained in words.
        model: the model string, for its family.
        template: the prompt template of this call.
        emulate: False leaves a parameter as it is if the model has no input for it, to be refused or
            dropped like any other.

    Raises:
        BadRequestError: tools, their choice, or the format are wrong; or the extra `[schema]` is needed.
    """
    turns = read_messages(messages)
    rest = {name: value for name, value in params.items() if value is not None}
    fields = schema.fields if schema is not None else {}
    flat = "input_item_list" in fields
    tools: tuple[dict[str, Any], ...] = ()
    emulated: list[str] = []

    use = read_tool_use(rest)
    if use is not None and "tools" not in fields and not emulate:
        use = None
    else:
        rest = {name: value for name, value in rest.items() if name not in TOOL_PARAMS}
    if use is not None and "tools" in fields:
        rest |= native_tools(
            use,
            flat=flat,
            takes_choice="tool_choice" in fields,
            takes_parallel="parallel_tool_calls" in fields,
        )
    elif use is not None:
        emulated.append("tools")
        template = template or (registered_template(model) if model is not None else None)
        if _prompt_has_tools(plan_for(schema, model), template):
            tools = tuple([tool.nested() for tool in use.tools])
            turns = tell_rules(turns, use)
        else:
            turns = tell_tools(_in_words(turns), use)

    format = read_response_format(rest["response_format"]) if "response_format" in rest else None
    placed = None if format is None else place(format, fields, flat=flat)
    if placed is not None and not placed.enforced and not emulate:
        format = placed = None
    else:
        rest.pop("response_format", None)
    if format is not None and placed is not None:
        rest = {**placed.params, **rest}
        if not placed.enforced:
            emulated.append("response_format")
            turns = tell_format(turns, format)

    if use is None and format is None:
        return Settled(turns, rest)
    contract = Contract(use, format, tuple(emulated))
    contract.reader(streamed=False)  # raises what is wrong with a schema before anything is sent
    return Settled(turns, rest, tools, contract)


def _prompt_has_tools(plan: Plan, template: PromptTemplate | None) -> bool:
    """Whether rendering the conversation writes the tools into it, so that they need no explaining in words."""
    if plan.messages is not None or plan.history is not None:
        return False
    chat_template = template.chat_template if template is not None else None
    return chat_template is None or "tools" in (chat_template.tool_source or chat_template.source)


def _in_words(turns: tuple[Message, ...]) -> tuple[Message, ...]:
    """Calls and their results as text, for a model whose format has no place for them."""
    return tuple([_in_words_one(turn) for turn in turns])


def _in_words_one(turn: Message) -> Message:
    if turn.role == "tool":
        return Message("user", f"<tool_response>\n{turn.text}\n</tool_response>", turn.media)
    return Message(turn.role, written(turn), turn.media) if turn.tool_calls else turn

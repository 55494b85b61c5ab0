"""Gives a question's tools, answer format and stop sequences the form that its model takes.

What the model has inputs for goes into them. Other tools and formats are explained in the conversation, and the answer
is cut at other stop sequences: these are emulated. In both cases the contract's reader then sees to it that the
answer is what was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .contract import Contract
from .formats.format import PromptTemplate, written
from .messages import InputMessage, read_messages
from .params import STOP, TOOL_PARAMS, stop_sequences
from .plan import Plan, plan_for
from .schemas.schema import ModelSchema
from .schemas.values import AskedModel
from .structured.response_format import place, read_response_format
from .tools.telling import tell_format, tell_rules, tell_tools
from .tools.tools import ToolUse, native_tools, read_tool_use

_replace = msgspec.structs.replace


class Adapted(msgspec.Struct, frozen=True):
    """A question in the shape that the model takes, and the contract for its answer, if there is one.

    `tools` are those that must be written into the prompt, in the form of the model's family.
    """

    turns: tuple[InputMessage, ...]
    params: dict[str, Any]
    tools: tuple[dict[str, Any], ...] = ()
    contract: Contract | None = None


def adapt(
    messages: Any,
    params: Mapping[str, Any],
    *,
    schema: ModelSchema | None,
    model: str | None = None,
    template: PromptTemplate | None = None,
    emulate: bool = True,
) -> Adapted:
    """The question with its tools, its format and its stop sequences in the shape that the model takes.

    Args:
        messages: OpenAI's messages.
        params: OpenAI's chat parameters and the model's own inputs by name.
        schema: what the model takes; without it, everything is explained in words.
        model: the model string, for its family.
        template: the prompt template of this call.
        emulate: False leaves a parameter as it is if the model has no input for it, to be refused or
            dropped like any other.

    Raises:
        BadRequestError: tools, their choice, the format or the stop sequences are wrong; or the extra `[schema]` is needed.
    """
    question = Adapted(
        read_messages(messages), {name: value for name, value in params.items() if value is not None}
    )
    plan = plan_for(schema, model)
    use = read_tool_use(question.params)
    if use is None or "tools" in plan.fields or emulate:
        question = _with_tools(question, use, plan, template)
    question = _with_format(question, plan, emulate)
    if emulate:
        question = _with_stops(question, plan, AskedModel(model, drop_params=False))
    if question.contract is not None:
        question.contract.reader(streamed=False)  # raises what is wrong with a schema before anything is sent
    return question


def _with_tools(
    question: Adapted, use: ToolUse | None, plan: Plan, template: PromptTemplate | None
) -> Adapted:
    """The question with its tools in an input, in the prompt's own form, or in words."""
    rest = {name: value for name, value in question.params.items() if name not in TOOL_PARAMS}
    if use is None:
        return _replace(question, params=rest)
    if "tools" in plan.fields:
        return _replace(question, params=rest | native_tools(use, plan.fields), contract=Contract(use))
    contract = Contract(use, emulated=("tools",))
    if _prompt_has_tools(plan, template):
        tools = tuple([tool.nested() for tool in use.tools])
        return Adapted(tell_rules(question.turns, use), rest, tools, contract)
    return Adapted(tell_tools(_in_words(question.turns), use), rest, (), contract)


def _with_format(question: Adapted, plan: Plan, emulate: bool) -> Adapted:
    """The question with the format of its answer in an input, in words, or in both."""
    given = question.params.get("response_format")
    format = None if given is None else read_response_format(given)
    rest = {name: value for name, value in question.params.items() if name != "response_format"}
    if format is None:
        return _replace(question, params=rest)
    placed = place(format, plan.fields)
    if not (placed.enforced or emulate):
        return question
    contract = _replace(question.contract or Contract(), format=format)
    turns = question.turns
    if not placed.enforced:
        turns = tell_format(turns, format)
        contract = _replace(contract, emulated=(*contract.emulated, "response_format"))
    return _replace(question, turns=turns, params={**placed.params, **rest}, contract=contract)


def _with_stops(question: Adapted, plan: Plan, asked: AskedModel) -> Adapted:
    """The question with the stop sequences that the model takes in its input. All of them end the answer."""
    names = [name for name in STOP if name in question.params and (name == "stop" or not plan.takes(name))]
    given = [each for name in names for each in _stops_of(name, question.params[name], asked)]
    sequences = tuple(dict.fromkeys(given))
    taken = [each for each in sequences if _takes_stop(plan, each)]
    params = {name: value for name, value in question.params.items() if name not in names}
    if not sequences:
        return _replace(question, params=params)
    contract = _replace(question.contract or Contract(), stops=sequences)
    if len(taken) < len(sequences):
        contract = _replace(contract, emulated=(*contract.emulated, "stop"))
    return _replace(question, params={**params, "stop": taken}, contract=contract)


def _stops_of(name: str, value: Any, asked: AskedModel) -> list[str]:
    """Under a model's own name for it, a text is separated by commas, as the models with that name take it."""
    return stop_sequences(
        name, value.split(",") if name != "stop" and isinstance(value, str) else value, asked
    )


def _takes_stop(plan: Plan, sequence: str) -> bool:
    """Whether the model has an input for the sequence: most separate several by commas."""
    targets = plan.targets["stop"]
    lists = [name in plan.fields and plan.fields[name].type == "array" for name in targets]
    return bool(targets) and ("," not in sequence or all(lists))


def _prompt_has_tools(plan: Plan, template: PromptTemplate | None) -> bool:
    """Whether rendering the conversation writes the tools into it, so that they need no explaining in words."""
    if plan.messages is not None or plan.history is not None:
        return False
    chat_template = template.chat_template if template is not None else None
    return chat_template is None or "tools" in (chat_template.tool_source or chat_template.source)


def _in_words(turns: tuple[InputMessage, ...]) -> tuple[InputMessage, ...]:
    """Calls and their results as text, for a model whose format has no place for them."""
    written_out: list[InputMessage] = []
    for turn in turns:
        if turn.role == "tool":
            turn = InputMessage("user", f"<tool_response>\n{turn.text}\n</tool_response>", turn.media)
        elif turn.tool_calls:
            turn = InputMessage(turn.role, written(turn), turn.media)
        written_out.append(turn)
    return tuple(written_out)

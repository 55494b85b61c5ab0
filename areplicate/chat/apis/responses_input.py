"""A request to OpenAI's Responses API as a chat completion.

Source: "Create a model response" in OpenAI's API reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import BadRequestError
from ...logs import logger
from .chat_arguments import ChatArguments, add_call, as_text, call_of, mapping, passed_on, text, wrong
from .responses_tools import TOOL_ITEMS, offered_choice, offered_name, offered_tools

Item = Mapping[str, Any]
Find = Callable[[str], "Item | None"]
"""Finds an item of a stored response by its id."""

_READ_HERE = frozenset(
    (
        *("model", "input", "instructions", "stream", "text", "reasoning", "conversation"),
        *("previous_response_id", "prompt", "background", "include", "truncation", "max_tool_calls"),
        *("top_logprobs", "store", "client_metadata", "context_management", "moderation"),
    )
)
"""Fields that are read here, or that concern OpenAI's servers alone and change no answer."""
_UNSUPPORTED = {
    "conversation": "conversations are not stored here: send the earlier turns in input",
    "prompt": "stored prompts are not known here: send the messages themselves",
    "background": "no response runs in the background: leave the connection open",
    "top_logprobs": "Replicate's models give no log probabilities",
}
_TEXT_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_ARGUMENTS = ("arguments", "input", "action", "operation", "code")


def read_request(
    body: Mapping[str, Any], earlier: list[Item] | None = None, find: Find = lambda id: None
) -> ChatArguments:
    """What a request asks.

    Args:
        earlier: the items of the responses before, if `previous_response_id` names one.
        find: looks up what `item_reference`s name.

    Raises:
        BadRequestError: something in the body is wrong; `param` names it.
    """
    for name, why in _UNSUPPORTED.items():
        if body.get(name):
            raise BadRequestError(f"{name} cannot be used: {why}.", param=name)
    messages: list[Any] = []
    if (instructions := body.get("instructions")) is not None:
        messages.append({"role": "system", "content": text("instructions", instructions)})
    for index, item in enumerate(earlier or ()):
        _add(messages, f"earlier[{index}]", item, find)
    for index, item in enumerate(input_items(body)):
        _add(messages, f"input[{index}]", item, find)
    messages = [message for message in messages if not _is_thought_alone(message)]
    if not any(message["role"] != "system" for message in messages):
        wrong("input", "has no message that could be answered")
    params = _params({**body, "input": [*(earlier or ()), *input_items(body)]})
    return ChatArguments(messages, params)


def input_items(body: Mapping[str, Any]) -> list[Item]:
    """The items of `input`, of which a text is one."""
    given = body.get("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    if not isinstance(given, list):
        wrong("input", "must be a string or a list of items")
    return given


def _params(body: Mapping[str, Any]) -> dict[str, Any]:
    params = passed_on(body, _READ_HERE, {"max_output_tokens": "max_tokens"})
    if tools := offered_tools(body):
        params["tools"] = tools
    if "tool_choice" in params:
        params["tool_choice"] = offered_choice(params["tool_choice"])
    reasoning = mapping("reasoning", body.get("reasoning") or {})
    if reasoning.get("effort") is not None:
        params["reasoning_effort"] = reasoning["effort"]
    said = mapping("text", body.get("text") or {})
    if said.get("verbosity") is not None:
        params["verbosity"] = said["verbosity"]
    if said.get("format") is not None:
        params["response_format"] = _response_format(mapping("text.format", said["format"]))
    return params


def _response_format(format: Mapping[str, Any]) -> Any:
    """`text.format`, whose JSON schema chat completions nest one level deeper."""
    if format.get("type") == "json_schema":
        return {"type": "json_schema", "json_schema": {k: v for k, v in format.items() if k != "type"}}
    return format


def _add(messages: list[Any], place: str, item: Any, find: Find) -> None:
    """Adds an item to the messages; an item that only OpenAI's servers need adds nothing."""
    item = mapping(place, item)
    kind = text(f"{place}.type", item.get("type") or ("message" if "role" in item else "item_reference"))
    if kind == "message":
        _add_message(messages, place, item)
    elif kind == "item_reference":
        _add_stored(messages, place, item, find)
    elif kind.endswith("_output") and "call_id" in item:
        _add_output(messages, place, item, kind)
    elif kind.endswith("_call") and "call_id" in item:
        _add_call(messages, place, item, kind)
    elif kind == "reasoning":
        _add_thought(messages, item)
    elif kind not in TOOL_ITEMS:
        logger.warning("%s is left out: items of the type %.50r mean nothing to models here", place, kind)


def _add_message(messages: list[Any], place: str, item: Item) -> None:
    role, content = item.get("role"), _content(place, item.get("content"))
    last = messages[-1] if messages else {}
    if role == "assistant" and _is_thought_alone(last):
        last["content"] = content
    elif role == "assistant" and "tool_calls" in last:  # one turn: the results follow its calls at once
        last["content"] = [*_parts(last["content"]), *_parts(content)]
    else:
        messages.append({"role": role, "content": content})


def _add_stored(messages: list[Any], place: str, item: Item, find: Find) -> None:
    """Adds the stored item that an `item_reference` names."""
    id = text(f"{place}.id", item.get("id"))
    if (found := find(id)) is not None:
        _add(messages, place, found, lambda id: None)
    elif not id.startswith("rs_"):  # reasoning that is not stored is not missed
        wrong(
            place,
            f"refers to {id[:100]!r}, which is not stored here: send the item itself, or set "
            "general_settings.store_responses",
        )


def _add_output(messages: list[Any], place: str, item: Item, kind: str) -> None:
    """Adds what a tool gave."""
    output = item.get("output")
    if kind in _TEXT_OUTPUTS and not (isinstance(output, str) or _is_parts(output)):
        wrong(f"{place}.output", "must be a string or a list of content parts")
    content = _content(place, output) if _is_parts(output) else as_text(output or "")
    messages.append({"role": "tool", "tool_call_id": _call_id(place, item), "content": content})


def _add_call(messages: list[Any], place: str, item: Item, kind: str) -> None:
    """Adds an assistant's call of a tool, whichever kind of tool it was."""
    if kind == "function_call" and (missing := {"name", "arguments"} - item.keys()):
        wrong(f"{place}.{missing.pop()}", "is missing")
    given: Any = next((item[name] for name in _ARGUMENTS if item.get(name) is not None), {})
    # A custom tool's input is free text: it is put into an object.
    arguments = as_text({"input": given} if kind == "custom_tool_call" else given)
    name = offered_name(place, {"name": kind.removesuffix("_call"), **item})
    if not name:
        wrong(f"{place}.name", "must not be empty")
    add_call(messages, call_of(_call_id(place, item), name, arguments))


def _add_thought(messages: list[Any], item: Item) -> None:
    """Adds what was thought before the answer or the call that follows, of which the item has the text or none."""
    pieces = item.get("content") or item.get("summary")
    listed = pieces if isinstance(pieces, list) else ()
    given = [piece.get("text") for piece in listed if isinstance(piece, Mapping)]
    thought = "\n\n".join([piece for piece in given if isinstance(piece, str) and piece])
    if not thought:
        return
    last = messages[-1] if messages else {}
    if not _is_thought_alone(last) and "tool_calls" not in last:
        messages.append({"role": "assistant", "content": None, "reasoning_content": thought})
    else:
        earlier = last.get("reasoning_content")
        last["reasoning_content"] = f"{earlier}\n\n{thought}" if earlier else thought


def _is_thought_alone(message: Mapping[str, Any]) -> bool:
    return "reasoning_content" in message and message["content"] is None and "tool_calls" not in message


def _call_id(place: str, item: Item) -> str:
    return text(f"{place}.call_id", item["call_id"])


def _is_parts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, Mapping) and "type" in part for part in value)


def _content(place: str, content: Any) -> Any:
    if isinstance(content, list):
        return [_part(f"{place}.content[{index}]", part) for index, part in enumerate(content)]
    return content


def _parts(content: Any) -> list[Any]:
    """A message's content as a list of parts."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content if isinstance(content, list) else [] if content is None else [content]


def _part(place: str, part: Any) -> Any:
    """A content part under the name that chat completions have for it."""
    part = mapping(place, part)
    match part.get("type"):
        case "input_image":
            if part.get("image_url") is None:
                wrong(
                    place, "has no image_url: uploaded files cannot be used here, so give a URL or a data URI"
                )
            return {"type": "image_url", "image_url": {"url": part["image_url"]}}
        case "input_file":
            if part.get("file_data") is None and part.get("file_url") is None:
                wrong(place, "needs file_data or file_url: uploaded files cannot be used here")
            return {"type": "file", "file": {k: v for k, v in part.items() if k != "type"}}
    return part

"""A request to Anthropic's Messages API as a chat completion.

Source: "Messages" in Anthropic's API reference. `cache_control` is ignored: nothing is cached here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import BadRequestError
from ...logs import logger
from .chat_arguments import ChatArguments, as_text, call_of, mapping, passed_on, text, wrong
from .messages_tools import known_tool

_READ_HERE = frozenset(
    (
        *("model", "messages", "system", "stream", "tools", "tool_choice", "metadata", "thinking"),
        *("output_config", "output_format", "cache_control", "container", "context_management", "betas"),
        *("mcp_servers", "service_tier", "inference_geo", "speed", "diagnostics"),
    )
)
"""Fields that are read here, or that concern Anthropic's servers alone and change no answer."""
_UNSUPPORTED = {
    "thread": (
        "no conversation is stored here: send all of it without thread",
        "thread_unsupported_request",  # by which Anthropic's SDKs do so
    ),
    "compaction": ("no conversation is shortened here: ask for a summary in a message", None),
}
"""Fields that would change the answer, or what the client sends next, and cannot be used here."""
_SAY_NOTHING = frozenset(("thinking", "redacted_thinking", "compaction"))
"""Blocks that say nothing to a model; an assistant's thoughts go with its answer."""


def read_request(body: Mapping[str, Any]) -> ChatArguments:
    """What a request asks.

    Raises:
        BadRequestError: something in the body is wrong; `param` names it.
    """
    for name, (why, code) in _UNSUPPORTED.items():
        if body.get(name):
            refused = BadRequestError(f"{name} cannot be used: {why}.", param=name)
            refused.code = code
            raise refused
    messages: list[Any] = []
    if system := _system(body.get("system")):
        messages.append({"role": "system", "content": system})
    given = body.get("messages")
    if not isinstance(given, list) or not given:
        wrong("messages", 'must be a list such as [{"role": "user", "content": "Hello"}]')
    for index, message in enumerate(given):
        _add(messages, f"messages[{index}]", mapping(f"messages[{index}]", message))
    return ChatArguments(messages, _params(body))


def _system(system: Any) -> str:
    if system is None or isinstance(system, str):
        return system or ""
    if not isinstance(system, list):
        wrong("system", "must be a string or a list of text blocks")
    texts = []
    for index, block in enumerate(system):
        block = mapping(f"system[{index}]", block)
        if block.get("type") != "text":
            wrong(f"system[{index}]", "must be a block of the type text")
        texts.append(text(f"system[{index}].text", block.get("text")))
    return "\n\n".join(texts)


def _params(body: Mapping[str, Any]) -> dict[str, Any]:
    params = passed_on(body, _READ_HERE, {"stop_sequences": "stop"})
    if tools := _tools(body.get("tools")):
        params["tools"] = tools
        params |= _tool_choice(body.get("tool_choice"))
    if user := mapping("metadata", body.get("metadata") or {}).get("user_id"):
        params["user"] = user
    config = mapping("output_config", body.get("output_config") or {})
    format = config.get("format") or body.get("output_format")
    if format is not None:
        schema = mapping("output_config.format", format).get("schema")
        named = {"name": "answer", "schema": schema}
        params["response_format"] = {"type": "json_schema", "json_schema": named}
    if effort := config.get("effort") or _effort(mapping("thinking", body.get("thinking") or {})):
        params["reasoning_effort"] = effort
    return params


def _effort(thinking: Mapping[str, Any]) -> str | None:
    """OpenAI's `reasoning_effort` for Anthropic's budget of tokens."""
    budget = thinking.get("budget_tokens")
    if thinking.get("type") != "enabled" or not isinstance(budget, int):
        return None
    return "low" if budget <= 2048 else "medium" if budget <= 8192 else "high"


def _tools(tools: Any) -> list[dict[str, Any]]:
    if not isinstance(tools, (list, type(None))):
        wrong("tools", "must be a list of tools")
    found = []
    for index, tool in enumerate(tools or ()):
        tool = mapping(f"tools[{index}]", tool)
        kind = text(f"tools[{index}].type", tool.get("type") or "custom")
        if (known := {} if kind == "custom" else known_tool(kind)) is None:
            logger.warning("The tool %.50r is left out: it cannot be offered to models here", kind)
            continue
        tool = {**tool, **known}
        if not (name := text(f"tools[{index}].name", tool.get("name"))):
            wrong(f"tools[{index}].name", "must not be empty")
        function = {
            "name": name,
            "description": text(f"tools[{index}].description", tool.get("description") or ""),
            "parameters": mapping(f"tools[{index}].input_schema", tool.get("input_schema")),
            "strict": tool.get("strict"),
        }
        found.append({"type": "function", "function": function})
    return found


def _tool_choice(choice: Any) -> dict[str, Any]:
    if choice is None:
        return {}
    choice = mapping("tool_choice", choice)
    params: dict[str, Any] = {}
    if choice.get("disable_parallel_tool_use"):
        params["parallel_tool_calls"] = False
    match choice.get("type"):
        case "auto" | "none":
            params["tool_choice"] = choice["type"]
        case "any":
            params["tool_choice"] = "required"
        case "tool":
            params["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
        case other:
            wrong("tool_choice", f"has the type {other!r:.50}; use auto, any, tool or none")
    return params


def _add(messages: list[Any], place: str, message: Mapping[str, Any]) -> None:
    role, content = message.get("role"), message.get("content")
    if role not in ("user", "assistant", "system"):
        wrong(f"{place}.role", f"must be user or assistant, not {role!r:.50}")
    if content == [] and role == "assistant":  # an answer without a word, as it is given out here
        content = ""
    if isinstance(content, str):
        messages.append({"role": role, "content": content})
    elif isinstance(content, list) and content:
        _add_blocks(messages, f"{place}.content", role, content)
    else:
        wrong(f"{place}.content", "must be a string or a list of blocks, and not empty")


def _add_blocks(messages: list[Any], place: str, role: str, blocks: list[Any]) -> None:
    """Adds a message of blocks; results of tools become messages of their own, before the user's text."""
    parts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    thoughts: list[str] = []
    for index, block in enumerate(blocks):
        at = f"{place}[{index}]"
        block = mapping(at, block)
        kind = block.get("type")
        if kind == "tool_result":
            messages.append(_tool_result(at, block))
        elif kind == "tool_use":
            id, name = text(f"{at}.id", block.get("id")), text(f"{at}.name", block.get("name"))
            calls.append(call_of(id, name, as_text(block.get("input") or {})))
        elif kind == "thinking" and role == "assistant":
            thoughts.append(text(f"{at}.thinking", block.get("thinking", "")))
        elif (part := _part(at, block)) is not None:
            parts.append(part)
    if calls or parts:
        made: dict[str, Any] = {"tool_calls": calls} if calls else {}
        if any(thoughts):
            made["reasoning_content"] = "\n".join(thoughts)
        messages.append({"role": role, "content": parts or None, **made})


def _tool_result(place: str, block: Mapping[str, Any]) -> dict[str, Any]:
    content = block.get("content")
    if isinstance(content, list):
        read = [_part(f"{place}.content[{i}]", mapping(place, part)) for i, part in enumerate(content)]
        content = [part for part in read if part is not None]
    elif not isinstance(content, (str, type(None))):
        wrong(f"{place}.content", "must be a string or a list of blocks")
    if block.get("is_error"):
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        content = [{"type": "text", "text": "Error: "}, *parts]
    id = text(f"{place}.tool_use_id", block.get("tool_use_id"))
    return {"role": "tool", "tool_call_id": id, "content": content or ""}


def _part(place: str, block: Mapping[str, Any]) -> dict[str, Any] | None:
    """A block as a content part of a chat message; None if it means nothing to a model."""
    kind = text(f"{place}.type", block.get("type"))
    match kind:
        case "text":
            return {"type": "text", "text": text(f"{place}.text", block.get("text"))}
        case "image":
            return {"type": "image_url", "image_url": {"url": _source(place, block)}}
        case "document":
            return _document(place, block)
        case "search_result":
            found = (str(block.get("title") or ""), _said(place, block.get("content")))
            return {"type": "text", "text": "\n".join(filter(None, found))}
        case "tool_reference":  # a tool that a search has found: all of them are offered from the beginning
            return {"type": "text", "text": text(f"{place}.tool_name", block.get("tool_name"))}
    if kind in _SAY_NOTHING or kind.endswith(("tool_use", "tool_result")):
        return None  # thoughts, and what Anthropic's own tools did
    wrong(f"{place}.type", f"must be text, image, document, tool_use or tool_result, not {kind[:50]!r}")


def _document(place: str, block: Mapping[str, Any]) -> dict[str, Any]:
    """A document; one that is text is marked off from what stands around it."""
    source = mapping(f"{place}.source", block.get("source"))
    match source.get("type"):
        case "text":
            said = text(f"{place}.source.data", source.get("data"))
        case "content":
            said = _said(place, source.get("content"))
        case _:
            data = {"file_data": _source(place, block), "filename": block.get("title") or "document"}
            return {"type": "file", "file": data}
    opening = f"<document title={as_text(block['title'])!r}>" if block.get("title") else "<document>"
    return {"type": "text", "text": f"{opening}\n{said}\n</document>\n"}


def _said(place: str, content: Any) -> str:
    """A text, or those in a list of blocks, a line each."""
    if isinstance(content, str):
        return content
    if not isinstance(content, (list, type(None))):
        wrong(place, "must be a string or a list of text blocks")
    return "\n".join(
        [text(f"{place}.text", mapping(place, part).get("text") or "") for part in content or ()]
    )


def _source(place: str, block: Mapping[str, Any]) -> str:
    """The URL of an image or a document, or its data as one."""
    source = mapping(f"{place}.source", block.get("source"))
    match source.get("type"):
        case "base64":
            data = text(f"{place}.source.data", source.get("data"))
            return f"data:{source.get('media_type') or 'application/octet-stream'};base64,{data}"
        case "url":
            return text(f"{place}.source.url", source.get("url"))
    wrong(f"{place}.source", "must be base64 or a url: uploaded files cannot be used here")

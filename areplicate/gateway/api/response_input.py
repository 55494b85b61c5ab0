"""What a request to the Responses API says, as chat messages and parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..http.errors import GatewayError, bad_request

_RENAMED = {
    "max_output_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "user": "user",
    "metadata": "metadata",
    "service_tier": "service_tier",
    "safety_identifier": "safety_identifier",
    "prompt_cache_key": "prompt_cache_key",
    "drop_params": "drop_params",
}
_IGNORED = frozenset(
    (
        *("model", "input", "instructions", "stream", "stream_options", "store", "include", "truncation"),
        *("parallel_tool_calls", "text", "reasoning", "tool_choice", "tools", "background"),
        *("previous_response_id", "conversation", "prompt", "max_tool_calls", "top_logprobs"),
    )
)
_UNSUPPORTED = {
    "previous_response_id": "responses are not stored: send the conversation's earlier turns in input",
    "conversation": "conversations are not stored: send the earlier turns in input",
    "prompt": "stored prompts are not known here",
    "background": "responses are not stored, so that none can run in the background",
    "tools": "tools are taken by /v1/chat/completions only",
    "top_logprobs": "Replicate's models give no log probabilities",
}


def messages_of(body: Mapping[str, Any]) -> list[Any]:
    """`instructions` and `input` as chat messages; raises the `GatewayError` 400."""
    messages: list[Any] = []
    instructions = body.get("instructions")
    if instructions is not None:
        if not isinstance(instructions, str):
            raise bad_request("instructions is to be a text.", param="instructions")
        messages.append({"role": "system", "content": instructions})
    given = body.get("input")
    if isinstance(given, str):
        messages.append({"role": "user", "content": given})
    elif isinstance(given, list) and given:
        messages += [_message(i, item) for i, item in enumerate(given)]
    else:
        raise bad_request("input is to be a text or a list of messages.", param="input")
    return messages


def params_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The rest of the body as parameters of a chat completion; raises the `GatewayError` 400."""
    for name, why in _UNSUPPORTED.items():
        if body.get(name):
            raise bad_request(f"{name} cannot be used: {why}.", param=name)
    params = {
        _RENAMED.get(name, name): value
        for name, value in body.items()
        if name not in _IGNORED and value is not None
    }
    reasoning = _mapping(body, "reasoning")
    if (effort := reasoning.get("effort")) is not None:
        params["reasoning_effort"] = effort
    text = _mapping(body, "text")
    if (verbosity := text.get("verbosity")) is not None:
        params["verbosity"] = verbosity
    if text.get("format") is not None:
        params["response_format"] = _response_format(text["format"])
    return params


def _message(index: int, item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise _wrong(index, "is to be an object with role and content")
    if item.get("type", "message") != "message":
        raise _wrong(index, f"is of type {str(item['type'])[:50]!r}; messages alone can be answered")
    content = item.get("content")
    if isinstance(content, list):
        content = [_part(part) for part in content]
    return {"role": item.get("role"), "content": content}


def _part(part: Any) -> Any:
    """A content part under the name that chat completions have for it."""
    if isinstance(part, dict) and part.get("type") == "input_image":
        return {"type": "image_url", "image_url": {"url": part.get("image_url")}}
    return part


def _response_format(format: Any) -> Any:
    """`text.format`, whose JSON schema chat completions nest one level deeper."""
    if isinstance(format, dict) and format.get("type") == "json_schema":
        return {"type": "json_schema", "json_schema": {k: v for k, v in format.items() if k != "type"}}
    return format


def _mapping(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_request(f"{name} is to be an object.", param=name)
    return value


def _wrong(index: int, why: str) -> GatewayError:
    return bad_request(f"input[{index}] {why}.", param="input")

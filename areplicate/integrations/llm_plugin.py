"""A plugin for `llm`: `llm -m areplicate/meta/meta-llama-3-8b-instruct "Hi"` (`pip install 'areplicate[llm]'`).

It knows the models of areplicate's catalogue; `llm areplicate add OWNER/NAME` adds any other, and deployments.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import llm
from llm.parts import AttachmentPart, StreamEvent, TextPart, ToolCallPart, ToolResultPart
from pydantic import ConfigDict

from ..chat.apis.chat_arguments import call_of
from ..chat.responses import Choice, ModelResponse, ModelResponseChunk
from ..chat.schemas import catalogue
from ..chat.tools.tools import Tool
from ..completion import acompletion, completion
from ..options.access import KEY_VARIABLES
from . import STREAMED

_PREFIX = "areplicate/"


class Options(llm.Options):
    """OpenAI's parameters, and the model's own inputs: `-o top_k 20`."""

    model_config = ConfigDict(extra="allow")

    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: str | None = None
    seed: int | None = None
    timeout: float | None = None


class _Shared:
    """What llm asks a model about itself."""

    Options = Options
    needs_key = "replicate"
    key_env_var = next((name for name in KEY_VARIABLES if name in os.environ), KEY_VARIABLES[0])
    can_stream = True
    supports_tools = True
    supports_schema = True
    attachment_types = frozenset(("image/png", "image/jpeg", "image/webp", "image/gif"))

    def __init__(self, name: str) -> None:
        self.model_id = _PREFIX + name
        self._name = name

    def __str__(self) -> str:
        return f"Replicate: {self.model_id}"

    def _request(self, prompt: Any, key: str | None, stream: bool) -> dict[str, Any]:
        """The arguments of `acompletion`."""
        options = {name: _value(name, value) for name, value in prompt.options if value is not None}
        request = {
            **options,
            "model": self._name,
            "messages": _openai_messages(prompt.messages),
            "api_key": key,
        }
        if prompt.schema:
            form = {"name": "output", "schema": prompt.schema}
            request["response_format"] = {"type": "json_schema", "json_schema": form}
        if prompt.tools:
            request["tools"] = [
                Tool(tool.name, tool.description or "", tool.input_schema).nested() for tool in prompt.tools
            ]
        if stream:
            request |= STREAMED
        return request


class Areplicate(_Shared, llm.KeyModel):
    def execute(
        self, prompt: Any, stream: bool, response: Any, conversation: Any = None, key: str | None = None
    ) -> Iterator[StreamEvent]:
        request = self._request(prompt, key, stream)
        if not stream:
            yield from _events_of(completion(**request), response)
            return
        with completion(**request) as chunks:
            for chunk in chunks:
                yield from _events_of(chunk, response)


class AsyncAreplicate(_Shared, llm.AsyncKeyModel):
    async def execute(
        self, prompt: Any, stream: bool, response: Any, conversation: Any = None, key: str | None = None
    ) -> AsyncIterator[StreamEvent]:
        request = self._request(prompt, key, stream)
        if not stream:
            for event in _events_of(await acompletion(**request), response):
                yield event
            return
        async with await acompletion(**request) as chunks:
            async for chunk in chunks:
                for event in _events_of(chunk, response):
                    yield event


@llm.hookimpl
def register_models(register: Callable[..., None]) -> None:
    for name in dict.fromkeys([*catalogue.names(), *_added()]):
        register(Areplicate(name), AsyncAreplicate(name))


@llm.hookimpl
def register_commands(cli: click.Group) -> None:
    @cli.group(name="areplicate")
    def group() -> None:
        """Models on Replicate."""

    @group.command()
    @click.argument("name")
    def add(name: str) -> None:
        """Adds a model: OWNER/NAME, OWNER/NAME:VERSION or deployments/OWNER/NAME."""
        _file().write_text(json.dumps(sorted({*_added(), name}), indent=2), encoding="utf-8")
        click.echo(f"llm -m {_PREFIX}{name} asks it from now on.")


def _openai_messages(messages: Iterable[Any]) -> list[dict[str, Any]]:
    """llm's messages as OpenAI's API has them."""
    return [made for message in messages for made in _made(message)]


def _events_of(answer: ModelResponse | ModelResponseChunk, response: Any) -> Iterator[StreamEvent]:
    """What an answer or one piece of it says, as llm's events; calls and usage are noted in its response."""
    if answer.usage is not None:
        response.set_usage(input=answer.usage.prompt_tokens, output=answer.usage.completion_tokens)
    for choice in answer.choices[:1]:
        said: Any = choice.message if isinstance(choice, Choice) else choice.delta
        if said.reasoning_content:
            yield StreamEvent(type="reasoning", chunk=said.reasoning_content)
        if said.content:
            yield StreamEvent(type="text", chunk=said.content)
        for call in said.tool_calls or ():
            name, arguments = call.function.name, call.function.arguments
            response.add_tool_call(
                llm.ToolCall(tool_call_id=call.id, name=name, arguments=json.loads(arguments or "{}"))
            )
            yield StreamEvent(type="tool_call_name", chunk=name, tool_call_id=call.id)
            yield StreamEvent(type="tool_call_args", chunk=arguments, tool_call_id=call.id)


def _made(message: Any) -> Iterator[dict[str, Any]]:
    parts = message.parts
    if message.role == "tool":
        for part in parts:
            if isinstance(part, ToolResultPart):
                yield {"role": "tool", "tool_call_id": part.tool_call_id, "content": part.output}
        return
    text = "".join(part.text for part in parts if isinstance(part, TextPart))
    images = [_image(part.attachment) for part in parts if isinstance(part, AttachmentPart)]
    calls = [
        call_of(part.tool_call_id, part.name, json.dumps(part.arguments))
        for part in parts
        if isinstance(part, ToolCallPart)
    ]
    content = [{"type": "text", "text": text}, *images] if images else text
    if content or calls:
        yield {"role": message.role, "content": content or None, **({"tool_calls": calls} if calls else {})}


def _image(attachment: Any) -> dict[str, Any]:
    url = attachment.url or f"data:{attachment.resolve_type()};base64,{attachment.base64_content()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _file() -> Path:
    return Path(llm.user_dir()) / "areplicate-models.json"


def _added() -> list[str]:
    return json.loads(_file().read_text(encoding="utf-8")) if _file().is_file() else []


def _value(name: str, given: Any) -> Any:
    """An option's value. What a model's own inputs are comes as text from the command line, as do several `stop`s."""
    try:
        value = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return given
    return given if name in Options.model_fields and not isinstance(value, list) else value

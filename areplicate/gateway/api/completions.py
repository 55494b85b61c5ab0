"""`POST /v1/completions`, OpenAI's older API: a prompt is one message of a user."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from ...chat.responses import ModelResponse, ModelResponseChunk, Usage
from ...errors import APIError
from ..http.bodies import read_object
from ..http.errors import bad_request
from ..http.events import EventStream
from ..http.exchange import Exchange
from .chat import DONE, error_event
from .question import Question, question_of

if TYPE_CHECKING:
    from ..app import Gateway

MAX_PROMPTS = 64
_NOT_PARAMS = ("model", "prompt", "stream", "echo", "suffix", "best_of", "logprobs")


async def completions(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    body = await read_object(exchange.request)
    prompts = _prompts(body)
    params = {key: value for key, value in body.items() if key not in _NOT_PARAMS}
    question = await question_of(
        gateway, exchange, body, [_message(prompts[0])], params, prompts=len(prompts)
    )
    questions = [msgspec.structs.replace(question, messages=[_message(prompt)]) for prompt in prompts]
    per_prompt = question.count // len(prompts)
    if exchange.streamed:
        return await _stream(exchange, questions, per_prompt)
    responses = await _ask_all(exchange, questions)
    return exchange.json(msgspec.json.encode(_whole(exchange, responses, per_prompt)))


def _prompts(body: dict[str, Any]) -> list[str]:
    prompt = body.get("prompt")
    prompts = [prompt] if isinstance(prompt, str) else prompt
    if not isinstance(prompts, list) or not prompts or not all(isinstance(p, str) for p in prompts):
        raise bad_request(
            "prompt is to be a text or a list of texts; token ids are not taken.", param="prompt"
        )
    if len(prompts) > MAX_PROMPTS:
        raise bad_request(f"There are {len(prompts)} prompts; {MAX_PROMPTS} are allowed.", param="prompt")
    for name in ("suffix", "logprobs", "echo"):
        if body.get(name):
            raise bad_request(f"{name} cannot be had from Replicate's models.", param=name)
    if body.get("best_of") not in (None, 1):
        raise bad_request("best_of cannot be had from Replicate's models.", param="best_of")
    return prompts


def _message(prompt: str) -> dict[str, str]:
    return {"role": "user", "content": prompt}


async def _ask_all(exchange: Exchange, questions: Sequence[Question]) -> list[ModelResponse]:
    """All answers; where one fails, the others are cancelled."""
    if len(questions) == 1:
        return [await questions[0].ask(exchange)]
    tasks = [asyncio.ensure_future(question.ask(exchange)) for question in questions]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _whole(exchange: Exchange, responses: Sequence[ModelResponse], per_prompt: int) -> dict[str, Any]:
    choices = [
        _choice(i * per_prompt + choice.index, choice.message.content or "", choice.finish_reason)
        for i, response in enumerate(responses)
        for choice in response.choices
    ]
    return {
        "id": f"cmpl-{responses[0].id}",
        "object": "text_completion",
        "created": responses[0].created,
        "model": responses[0].model,
        "choices": choices,
        "usage": _usage([response.usage for response in responses]),
    }


async def _stream(exchange: Exchange, questions: Sequence[Question], per_prompt: int) -> web.StreamResponse:
    """The prompts' answers one after the other, which their indexes tell apart."""
    created = int(time.time())
    usages: list[Usage] = []
    with EventStream(exchange) as events:
        try:
            for i, question in enumerate(questions):
                chunks = await question.stream(exchange, events.saw)
                await events.open()
                async with chunks:
                    async for chunk in chunks:
                        exchange.streamed_chunk(chunk)
                        if chunk.usage is not None:
                            usages.append(chunk.usage)
                        elif (choice := _piece(chunk, i * per_prompt)) is not None:
                            await events.send(_event(exchange, created, [choice]))
            if usages:
                await events.send(_event(exchange, created, [], _usage(usages)))
        except APIError as error:
            if not events.response.prepared:
                raise
            await events.send(error_event(exchange, error))
        else:
            await events.send(DONE)
    return events.response


def _piece(chunk: ModelResponseChunk, offset: int) -> dict[str, Any] | None:
    """The choice that a chunk adds to; None where it adds nothing."""
    choice = chunk.choices[0]
    if not choice.delta.content and choice.finish_reason is None:
        return None
    return _choice(offset + choice.index, choice.delta.content or "", choice.finish_reason)


def _choice(index: int, text: str, finish_reason: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}


def _event(
    exchange: Exchange,
    created: int,
    choices: list[dict[str, Any]],
    usage: dict[str, int] | None = None,
) -> bytes:
    event = {
        "id": f"cmpl-{exchange.request_id}",
        "object": "text_completion",
        "created": created,
        "model": exchange.model,
        "choices": choices,
    }
    if usage is not None:
        event["usage"] = usage
    return b"data: " + msgspec.json.encode(event) + b"\n\n"


def _usage(usages: Sequence[Usage]) -> dict[str, int]:
    prompt = sum(usage.prompt_tokens for usage in usages)
    completion = sum(usage.completion_tokens for usage in usages)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}

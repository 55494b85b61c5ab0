"""`POST /v1/completions`, OpenAI's older API: a prompt is one message of a user."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from aiohttp import web

from ...chat.responses import FinishReason, ModelResponse, ModelResponseChunk, Usage
from ...errors import APIError
from ..http.errors import bad_request
from ..http.events import EventStream, data_event
from ..http.exchange import Exchange
from ..http.route import route
from .chat import DONE, error_event
from .question import Question, Sampling, question_of

if TYPE_CHECKING:
    from ..app import Gateway

MAX_PROMPTS = 64
_NOT_PARAMS = ("model", "prompt", "stream", "echo", "suffix", "best_of", "logprobs")


class CompletionRequest(Sampling, kw_only=True):
    """Prompts. Further fields are the model's own inputs, which are sent to it as they are."""

    prompt: str | Annotated[list[str], msgspec.Meta(min_length=1, max_length=MAX_PROMPTS)]


class CompletionChoice(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    text: str
    logprobs: None = None
    finish_reason: FinishReason | None


class Completion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answers to prompts, or, in a stream, pieces of them."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage | None = None


@route("POST", "/v1/completions", "key", takes=CompletionRequest, answer=Completion, streams=True)
async def completions(gateway: Gateway, exchange: Exchange, body: dict[str, Any]) -> Any:
    """Answer prompts."""
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
    return _whole(exchange, responses, per_prompt)


def _prompts(body: dict[str, Any]) -> list[str]:
    for name in ("suffix", "logprobs", "echo"):
        if body.get(name):
            raise bad_request(f"{name} is not available from Replicate's models.", param=name)
    if body.get("best_of") not in (None, 1):
        raise bad_request("best_of is not available from Replicate's models.", param="best_of")
    prompt = body["prompt"]
    return [prompt] if isinstance(prompt, str) else prompt


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


def _whole(exchange: Exchange, responses: Sequence[ModelResponse], per_prompt: int) -> Completion:
    choices = [
        CompletionChoice(
            index=i * per_prompt + choice.index,
            text=choice.message.content or "",
            finish_reason=choice.finish_reason,
        )
        for i, response in enumerate(responses)
        for choice in response.choices
    ]
    return Completion(
        id=f"cmpl-{responses[0].id}",
        object="text_completion",
        created=responses[0].created,
        model=responses[0].model,
        choices=choices,
        usage=exchange.account.priced(_total([response.usage for response in responses])),
    )


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
                            await events.send(_event(exchange, question.name, created, [choice]))
            if usages:
                total = exchange.account.priced(_total(usages))
                await events.send(_event(exchange, questions[0].name, created, [], total))
        except APIError as error:
            if not events.response.prepared:
                raise
            await events.send(error_event(exchange, error))
        else:
            await events.send(DONE)
    return events.response


def _piece(chunk: ModelResponseChunk, offset: int) -> CompletionChoice | None:
    """The choice that a chunk adds to; None where it adds nothing."""
    choice = chunk.choices[0]
    if not choice.delta.content and choice.finish_reason is None:
        return None
    return CompletionChoice(
        index=offset + choice.index, text=choice.delta.content or "", finish_reason=choice.finish_reason
    )


def _event(
    exchange: Exchange, name: str, created: int, choices: list[CompletionChoice], usage: Usage | None = None
) -> bytes:
    return data_event(
        Completion(
            id=f"cmpl-{exchange.request_id}",
            object="text_completion",
            created=created,
            model=name,
            choices=choices,
            usage=usage,
        )
    )


def _total(usages: Sequence[Usage]) -> Usage:
    prompt = sum(usage.prompt_tokens for usage in usages)
    completion = sum(usage.completion_tokens for usage in usages)
    return Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)

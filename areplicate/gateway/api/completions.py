"""`POST /v1/completions`, OpenAI's older API: a prompt is one message of a user."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import reduce
from typing import Annotated, Any

import msgspec
from aiohttp import web

from ...chat.apis.completions import Completion, CompletionChoice, completion, read_completions
from ...chat.responses import ModelResponse, ModelResponseChunk, Usage
from ...chat.usage import add_attempt
from ..accounts.account import Account
from ..http.events import data_event
from ..http.exchange import Exchange
from ..http.route import route
from .model_call import ModelCall, Sampling, admitted_call
from .streaming import DONE, stream_answers

MAX_PROMPTS = 64


class CompletionRequest(Sampling, kw_only=True):
    """Prompts. Further fields are the model's own inputs, which are sent to it as they are."""

    prompt: str | Annotated[list[str], msgspec.Meta(min_length=1, max_length=MAX_PROMPTS)]


@route("POST", "/v1/completions", "key", takes=CompletionRequest, answer=Completion, streams=True)
async def completions(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Answer prompts."""
    asked = read_completions(body)
    first = asked[0]
    call = await admitted_call(exchange.account, body, first.messages, first.params, prompts=len(asked))
    calls = [msgspec.structs.replace(call, messages=each.messages) for each in asked]
    if exchange.account.record.streamed:
        return await _stream(exchange, calls)
    responses = await _ask_all(exchange.account, calls)
    usage = reduce(add_attempt, [response.usage for response in responses])
    return completion(responses, exchange.account.priced(usage))


async def _ask_all(account: Account, calls: Sequence[ModelCall]) -> list[ModelResponse]:
    """All answers; if one fails, the others are cancelled."""
    if len(calls) == 1:
        return [await calls[0].ask(account)]
    tasks = [asyncio.ensure_future(call.ask(account)) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _stream(exchange: Exchange, calls: Sequence[ModelCall]) -> web.StreamResponse:
    """The prompts' answers one after the other, which their indexes tell apart."""
    account, created = exchange.account, int(time.time())
    usages: list[Usage] = []

    def event(choices: list[CompletionChoice], usage: Usage | None = None) -> bytes:
        return data_event(
            Completion(
                id=f"cmpl-{account.record.request_id}",
                object="text_completion",
                created=created,
                model=account.answered_by(calls[0].name),
                choices=choices,
                usage=usage,
            )
        )

    def event_of(number: int, chunk: ModelResponseChunk) -> bytes:
        if chunk.usage is not None:
            usages.append(chunk.usage)
            return b""
        choice, text = chunk.choices[0], chunk.choices[0].delta.content or ""
        if not text and choice.finish_reason is None:
            return b""
        index = number * calls[0].count + choice.index
        return event([CompletionChoice(index=index, text=text, finish_reason=choice.finish_reason)])

    async def end() -> bytes:
        counts = event([], account.priced(reduce(add_attempt, usages))) if usages else b""
        return counts + DONE

    return await stream_answers(exchange, calls, event_of, end)

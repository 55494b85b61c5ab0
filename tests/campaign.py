"""A fault campaign: many completions while everything goes wrong, and the ledger afterwards.

It runs over real HTTP on a loop that skips waiting, so that a seed gives the same campaign on every machine.
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from typing import Any

import aiohttp
import anyio
import msgspec

from areplicate import APIError, AsyncRouter
from areplicate.local import Faults, LocalModel, LocalReplicate

MODEL = "meta/meta-llama-3-8b-instruct"
CONCURRENT = 400
CANCELLED = 0.05
STREAMED = 0.3
REPEATED = 0.1
"""Parts of the completions: those whose caller leaves, that are streamed, and that ask the same."""


class Ledger(msgspec.Struct, kw_only=True):
    asked: int
    right: int = 0
    wrong: int = 0
    failed: int = 0
    cancelled: int = 0
    created: int = 0
    left_running: int = 0
    errors: Counter[str] = msgspec.field(default_factory=Counter)
    requests: Counter[str] = msgspec.field(default_factory=Counter)

    @property
    def clean(self) -> bool:
        """Every completion that was not cancelled is right; nothing paid twice; nothing left running."""
        return (
            self.right == self.asked - self.cancelled
            and self.created <= self.asked
            and self.created >= self.right
            and not self.left_running
        )


def faults(seed: int) -> Faults:
    return Faults(
        seed=seed,
        create_error=0.05,
        create_reset=0.03,
        create_lost=0.03,
        create_throttled=0.01,
        get_error=0.05,
        get_reset=0.05,
        cancel_error=0.05,
        cancel_reset=0.05,
        stream_cut=0.2,
        stream_error=0.02,
    )


def reply(input: dict[str, Any]) -> list[str]:
    """What the model answers: told from the prompt, so that a swapped answer shows."""
    question = input["prompt"].split("<question>")[1]
    return ["You", " asked", ": ", *question, "\n🌹"]


async def campaign(completions: int, seed: int) -> Ledger:
    draw = random.Random(seed)
    random.seed(seed)  # backoff's jitter
    ledger = Ledger(asked=completions)
    model = LocalModel(
        owner="meta",
        name="meta-llama-3-8b-instruct",
        boot_seconds=45,
        run_seconds=4,
        reply=reply,
    )
    other = LocalModel(owner="meta", name="other")
    limits: dict[str, Any] = {"create_per_minute": 6000, "other_per_minute": 30_000}
    async with (
        LocalReplicate([model, other], faults=faults(seed), log_requests=False, **limits) as local,
        AsyncRouter(api_key="r8_campaign", api_base=local.api_base, max_retries=20) as router,
    ):
        turn = anyio.Semaphore(CONCURRENT)
        async with anyio.create_task_group() as others:
            others.start_soon(_others, local.api_base)
            async with anyio.create_task_group() as group:
                for number in range(completions):
                    question = "the same" if draw.random() < REPEATED else f"question {number}"
                    leaves = draw.uniform(0, 60) if draw.random() < CANCELLED else None
                    group.start_soon(_one, router, ledger, turn, question, draw.random() < STREAMED, leaves)
            others.cancel_scope.cancel()
        ledger.created = sum(each.model.name == model.name for each in local.predictions.values())
        ledger.left_running = len(local.running())
        ledger.requests = local.counts
    return ledger


async def _others(api_base: str) -> None:
    """Others use the account meanwhile. On one that stands still, nothing shows that a creation was not carried out."""
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer r8_campaign"}) as session:
        while True:
            with suppress(aiohttp.ClientError):
                async with session.post(f"{api_base}/models/meta/other/predictions", json={"input": {}}):
                    pass
            await anyio.sleep(2)


async def _one(
    router: AsyncRouter,
    ledger: Ledger,
    turn: anyio.Semaphore,
    question: str,
    stream: bool,
    leaves_after: float | None,
) -> None:
    async with turn:
        with anyio.CancelScope(
            deadline=float("inf") if leaves_after is None else anyio.current_time() + leaves_after
        ) as scope:
            try:
                text = await _ask(router, question, stream)
            except APIError as error:
                ledger.failed += 1
                ledger.errors[f"{type(error).__name__}: {error.message[:80]}"] += 1
            else:
                if text == "".join(reply({"prompt": f"<question>{question}<question>"})):
                    ledger.right += 1
                else:
                    ledger.wrong += 1
        ledger.cancelled += scope.cancelled_caught


async def _ask(router: AsyncRouter, question: str, stream: bool) -> str:
    messages = [{"role": "user", "content": f"<question>{question}<question>"}]
    if not stream:
        response = await router.acompletion(MODEL, messages)
        return response.choices[0].message.content or ""
    async with await router.acompletion(MODEL, messages, stream=True) as chunks:
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])

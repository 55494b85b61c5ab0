"""Creations that are remembered beyond their process, and are taken up by the next."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import anyio
import pytest
from aiohttp import web

from areplicate import APIConnectionError, APIError, AsyncRouter, ModelResponse
from areplicate.local import LocalModel
from areplicate.replicate.creation import INTENTS
from tests.hostile import Asked, GoOn, HostileReplicate, changes, problem, rows_late
from tests.stage import HELLO, KEY, LLAMA, llama, nothing_runs

pytestmark = pytest.mark.anyio

MARK = 1877


@dataclass
class Remembered:
    """A creation that the next process knows of.

    Attributes:
        earlier: what the last process remembered.
        marks: what this one does.
    """

    earlier: tuple[int, float] | None = None
    marks: list[int] = field(default_factory=list)

    async def asking(self, mark: int) -> None:
        self.marks.append(mark)

    def not_made(self, mark: int) -> None:
        self.marks.remove(mark)


@dataclass
class OneRemembered:
    """All predictions of a request as the same."""

    intent: Remembered
    entry: str | None = None

    def earlier(self) -> tuple[str, ...]:
        return ()

    def __call__(self, target: str, /) -> Remembered:
        return self.intent


async def ask(hostile: HostileReplicate, remembered: Remembered, **options: Any) -> str | None:
    """What a process answers that remembers this."""
    INTENTS.set(OneRemembered(remembered))
    async with AsyncRouter(api_key=KEY, api_base=hostile.api_base) as router:
        answer: ModelResponse = await router.acompletion(LLAMA, HELLO, **options)
        return answer.choices[0].message.content


async def earlier_process(
    hostile: HostileReplicate, *, mark: int = MARK, prompt: str | None = None, model: str = LLAMA
) -> str:
    """Creates what `ask` asks for, and is gone; gives the prediction's id."""
    template = "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    body = {"input": {"prompt": template.format(prompt or HELLO[0]["content"])}}
    headers = {"Authorization": f"Bearer {KEY}", "Cancel-After": f"{mark}s"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.post(f"{hostile.api_base}/models/{model}/predictions", json=body) as answer:
            assert answer.status == 201
            return str((await answer.json())["id"])


async def test_the_mark_is_remembered_before_the_creation_is_sent() -> None:
    async with HostileReplicate([llama(reply="fine")]) as hostile:
        remembered = Remembered()
        assert await ask(hostile, remembered) == "fine"
        [created] = hostile.asked_for("create")
        assert [f"{mark}s" for mark in remembered.marks] == [created.headers["Cancel-After"]]


@pytest.mark.parametrize(("status", "kept"), [(401, 0), (402, 0), (422, 0), (408, 1), (502, 1)])
async def test_a_creation_that_was_refused_is_no_longer_remembered(status: int, kept: int) -> None:
    async with HostileReplicate([llama()]) as hostile:
        remembered = Remembered()
        hostile.on("create", problem(status))
        with pytest.raises(APIError):
            await ask(hostile, remembered, max_retries=0)
        assert len(remembered.marks) == kept


async def test_what_an_earlier_process_asked_for_is_taken_over() -> None:
    async with HostileReplicate([llama(reply="fine", boot_seconds=300)]) as hostile:
        await earlier_process(hostile, mark=MARK + 1)
        mine = await earlier_process(hostile)
        await earlier_process(hostile, prompt="Something else")
        await anyio.sleep(60)
        remembered = Remembered((MARK, time.time()))
        assert await ask(hostile, remembered) == "fine"
        assert len(hostile.asked_for("create")) == 3 and not remembered.marks
        assert [seen.path.rpartition("/")[2] for seen in hostile.asked_for("get")][-1] == mine
        assert hostile.counts["cancel"] == 0


async def test_what_an_earlier_process_asked_for_is_cancelled_by_whoever_took_it_over_and_left() -> None:
    async with HostileReplicate([llama(boot_seconds=900)]) as hostile:
        mine = await earlier_process(hostile)
        other = await earlier_process(hostile, mark=MARK + 1)
        with anyio.move_on_after(20):
            await ask(hostile, Remembered((MARK, time.time())))
        assert hostile.predictions[mine].status == "canceled"
        assert hostile.predictions[other].status == "starting"


@pytest.mark.parametrize(
    ("server_ahead", "remembered_before", "found"),
    [(590, 0, True), (-590, 0, True), (-1300, 0, True), (-90_000, 0, True), (0, 700, True), (0, 740, False)],
)
async def test_it_is_found_where_the_clocks_are_apart_and_it_took_two_minutes(
    server_ahead: int, remembered_before: int, found: bool
) -> None:
    """One that was created much later is somebody else's, which has the same mark by chance."""
    async with HostileReplicate([llama(reply="fine", boot_seconds=20)]) as hostile:
        hostile._service.clock._offset += server_ahead
        await earlier_process(hostile)
        assert await ask(hostile, Remembered((MARK, time.time() - remembered_before))) == "fine"
        assert len(hostile.predictions) == (1 if found else 2)


async def test_it_is_found_where_this_machines_clock_was_set_back_meanwhile() -> None:
    """As after a power cut. On a busy account, fresh rows tell the server's time exactly."""
    async with HostileReplicate([llama(reply="fine", boot_seconds=300)]) as hostile:
        await earlier_process(hostile)
        await earlier_process(hostile, prompt="Somebody else's")
        assert await ask(hostile, Remembered((MARK, time.time() + 100))) == "fine"
        assert len(hostile.predictions) == 2


async def test_what_was_cancelled_meanwhile_is_asked_for_again() -> None:
    async with HostileReplicate([llama(reply="fine", boot_seconds=20)]) as hostile:
        first = await earlier_process(hostile)
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:
            await session.post(f"{hostile.api_base}/predictions/{first}/cancel")
        remembered = Remembered((MARK, time.time()))
        assert await ask(hostile, remembered) == "fine"
        assert hostile.statuses == {"canceled": 1, "succeeded": 1} and len(remembered.marks) == 1


async def test_what_was_aborted_meanwhile_is_asked_for_again() -> None:
    """As Replicate calls what was cancelled before it began."""
    async with HostileReplicate([llama(reply="fine", boot_seconds=20)]) as hostile:

        def abort(asked: Asked, page: Any) -> None:
            for row in page["results"]:
                row["status"] = "aborted"

        hostile.on("list", changes(abort))
        await earlier_process(hostile)
        remembered = Remembered((MARK, time.time()))
        assert await ask(hostile, remembered) == "fine" and len(remembered.marks) == 1


async def test_what_was_asked_of_another_model_is_not_taken_over() -> None:
    other = LocalModel(owner="meta", name="other", reply="not this")
    async with HostileReplicate([llama(reply="fine"), other]) as hostile:
        await earlier_process(hostile, model="meta/other")
        assert await ask(hostile, Remembered((MARK, time.time()))) == "fine"


async def test_what_never_arrived_is_asked_for_again() -> None:
    async with HostileReplicate([llama(reply="fine", boot_seconds=20)]) as hostile:
        remembered = Remembered((MARK, time.time()))
        assert await ask(hostile, remembered) == "fine"
        assert len(hostile.predictions) == 1 and len(remembered.marks) == 1


async def test_what_shows_late_is_cancelled_where_it_was_asked_for_again() -> None:
    async with HostileReplicate([llama(reply="fine", boot_seconds=300)]) as hostile:
        hostile.on("list", rows_late(9))
        await earlier_process(hostile)
        assert await ask(hostile, Remembered((MARK, time.time()))) == "fine"
        assert await nothing_runs(hostile)
        assert hostile.statuses == {"canceled": 1, "succeeded": 1}


async def test_nothing_is_asked_for_again_where_the_list_cannot_be_read() -> None:
    async with HostileReplicate([llama(reply="fine")]) as hostile:
        hostile.on("list", problem(503))
        remembered = Remembered((MARK, time.time()))
        with pytest.raises(
            APIConnectionError, match=r"^The account's list .* not known what was asked for earlier\."
        ):
            await ask(hostile, remembered, num_retries=0)
        assert not hostile.predictions and not remembered.marks


async def test_an_answer_that_is_no_prediction_is_an_error_that_says_so() -> None:
    async def garbled(asked: Asked, go_on: GoOn) -> web.StreamResponse:
        return web.json_response({"surprise": True}, status=201)

    async with (
        HostileReplicate([llama()]) as hostile,
        AsyncRouter(api_key=KEY, api_base=hostile.api_base) as router,
    ):
        hostile.on("create", garbled)
        with pytest.raises(APIConnectionError, match="The answer is not a prediction: .*id") as caught:
            await router.acompletion(LLAMA, HELLO)
        assert (caught.value.method, caught.value.url) == (
            "POST",
            f"{hostile.api_base}/models/{LLAMA}/predictions",
        )
        assert len(hostile.asked_for("create")) == 2, "nothing shows that it was not created"


@pytest.mark.parametrize("deadline", [None, "2030-01-01T00:00:00Z"])
async def test_an_answer_with_half_of_a_character_is_an_answer(deadline: str | None) -> None:
    """Also one that shows another mark than was sent, of which the input is looked at, too."""

    async def halved(asked: Asked, go_on: GoOn) -> web.StreamResponse:
        answer = await go_on()
        assert isinstance(answer, web.Response) and isinstance(answer.body, bytes)
        if deadline and asked.kind == "create":
            answer.body = json.dumps({**json.loads(answer.body), "deadline": deadline}).encode()
        answer.body = answer.body.replace(b"half", rb"\ud83d")
        return answer

    async with (
        HostileReplicate([llama(reply=["half of it"])]) as hostile,
        AsyncRouter(api_key=KEY, api_base=hostile.api_base) as router,
    ):
        hostile.on("*", halved)
        answer = await router.acompletion(LLAMA, HELLO)
        assert answer.choices[0].message.content == "\ufffd of it"
        assert len(hostile.asked_for("create")) == 1

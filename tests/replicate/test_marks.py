"""Whose a prediction is that was not answered: what has the same mark, and what only resembles it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp
import anyio
import anyio.lowlevel
import pytest
from aiohttp import web

from areplicate import AsyncRouter, ModelResponse, PredictionCanceledError
from areplicate.local import LocalModel
from tests.hostile import (
    Asked,
    GoOn,
    HostileReplicate,
    changes,
    edge_page,
    gives_up_after,
    resets_after,
    without_field,
)
from tests.stage import HELLO, KEY, LLAMA, llama, router_of

pytestmark = pytest.mark.anyio

OTHER_MODEL = "meta/other"
OTHER_PROMPT = [{"role": "user", "content": "Something else?"}]
MODELS = [llama(run_seconds=60, reply="fine"), LocalModel(owner="meta", name="other")]
SECONDS = 180
"""A tenth of the timeout: so many marks are drawn from."""


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets what is drawn from now on."""

    def draw(number: int) -> None:
        monkeypatch.setattr("areplicate.replicate.live._marks.random", lambda: (number + 0.5) / SECONDS)

    draw(0)
    return draw


async def ask(
    router: AsyncRouter,
    model: str = LLAMA,
    messages: Any = HELLO,
    texts: list[str] | None = None,
    **options: Any,
) -> None:
    answer: ModelResponse = await router.acompletion(model, messages, **options)
    if texts is not None:
        texts.append(answer.choices[0].message.content or "")


async def read(router: AsyncRouter, texts: list[str]) -> None:
    """Asks for a stream: its creation is answered at once."""
    stream = await router.acompletion(LLAMA, HELLO, stream=True)
    texts.append("".join([chunk.choices[0].delta.content or "" async for chunk in stream]))


@pytest.mark.parametrize("other", [(OTHER_MODEL, HELLO), (LLAMA, OTHER_PROMPT)], ids=["model", "prompt"])
@pytest.mark.parametrize("later", [False, True])
async def test_leaving_cancels_nothing_of_another_model_or_prompt(
    other: tuple[str, Any], later: bool, draw: Callable[..., None]
) -> None:
    """With the same mark, at the same time."""
    models = [
        llama(boot_seconds=60, reply="fine"),
        LocalModel(owner="meta", name="other", boot_seconds=60, reply="fine"),
    ]
    async with HostileReplicate(models) as hostile, router_of(hostile) as stays, router_of(hostile) as leaves:
        texts: list[str] = []
        mine, others = partial(ask, leaves), partial(ask, stays, *other, texts)
        async with anyio.create_task_group() as group:
            if not later:
                group.start_soon(others)
                await anyio.sleep(0.1)
            with anyio.move_on_after(0.8):
                async with anyio.create_task_group() as leaving:
                    leaving.start_soon(mine)
                    if later:
                        await anyio.sleep(0.1)
                        group.start_soon(others)
        assert texts == ["fine"]
        assert hostile.statuses == {"succeeded": 1, "canceled": 1}


class Twins:
    """Two routers: one that stays, and one whose creation never arrives, and that leaves after a while."""

    def __init__(self, hostile: HostileReplicate, draw: Callable[..., None]) -> None:
        self.hostile = hostile
        self.stays, self.leaves = router_of(hostile), router_of(hostile)
        self.texts: list[str] = []
        self._draw = draw

    async def __aenter__(self) -> Twins:
        await self.stays.__aenter__()
        await self.leaves.__aenter__()
        await ask(self.leaves, OTHER_MODEL)  # which tells the server's clock
        self.hostile.on("create", self._mishap)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.leaves.aclose()
        await self.stays.aclose()

    async def _mishap(self, asked: Asked, go_on: GoOn) -> web.StreamResponse:
        if "X-Mine" in asked.request.headers:
            return await edge_page(502, created=False)(asked, go_on)
        return await go_on()

    async def ask(self, *marks: int) -> None:
        """The one that stays asks so many times, with these marks."""
        async with anyio.create_task_group() as group:
            for mark in marks:
                self._draw(mark)
                group.start_soon(partial(ask, self.stays, texts=self.texts))
                await anyio.sleep(0.01)

    async def leave(self, after: float = 3.0) -> None:
        self._draw(0)
        with anyio.move_on_after(after):
            await ask(self.leaves, extra_headers={"X-Mine": "yes"})


@pytest.mark.parametrize("apart", [-0.7, 0.7])
async def test_what_another_created_a_moment_apart_with_the_same_mark_is_not_cancelled(
    apart: float, draw: Callable[..., None]
) -> None:
    async with (
        HostileReplicate(MODELS) as hostile,
        Twins(hostile, draw) as twins,
        anyio.create_task_group() as group,
    ):
        group.start_soon(*(twins.ask, 0, 1) if apart < 0 else (twins.leave,))
        await anyio.sleep(abs(apart))
        group.start_soon(*(twins.leave,) if apart < 0 else (twins.ask, 0, 1))
    assert twins.texts == ["fine"] * 2
    assert hostile.counts["cancel"] == 0


async def test_a_twin_that_shows_late_keeps_the_other_from_being_cancelled(draw: Callable[..., None]) -> None:
    """Both have the mark of what was asked for, at the same time, and the list shows one two seconds later."""
    async with HostileReplicate(MODELS) as hostile:

        def change(asked: Asked, page: Any) -> None:
            late = list(hostile.predictions)[2]
            page["results"] = [row for row in page["results"] if row["id"] != late or hostile.age(late) >= 2]

        hostile.on("list", changes(change))
        async with Twins(hostile, draw) as twins, router_of(hostile) as third:
            async with anyio.create_task_group() as group:
                group.start_soon(twins.ask, 0, 1)
                await anyio.lowlevel.checkpoint()
                draw(0)
                group.start_soon(partial(ask, third, texts=twins.texts))
                group.start_soon(twins.leave, 0.5)
        assert twins.texts == ["fine"] * 3
        assert hostile.counts["cancel"] == 0


async def test_what_a_list_shows_and_shows_no_more_for_a_while_is_cancelled_all_the_same(
    draw: Callable[..., None],
) -> None:
    """As where several machines answer, of which some are behind."""
    async with HostileReplicate(MODELS) as hostile, router_of(hostile) as stays, router_of(hostile) as leaves:

        def change(asked: Asked, page: Any) -> None:
            if hostile.counts["list"] in (2, 3):
                page["results"] = page["results"][1:]

        hostile.on("list", changes(change))
        async with anyio.create_task_group() as group:
            texts: list[str] = []
            group.start_soon(partial(ask, stays, texts=texts))
            await anyio.sleep(0.1)
            draw(5)
            hostile.on("create", resets_after(), times=1)
            with anyio.move_on_after(2):
                await ask(leaves)
        theirs, own = hostile.predictions.values()
        assert (theirs.status, own.status) == ("succeeded", "canceled") and texts == ["fine"]


@pytest.mark.parametrize("earlier", [False, True])
async def test_of_two_with_ones_mark_the_one_that_was_created_when_it_was_asked_for_is_cancelled(
    earlier: bool, draw: Callable[..., None]
) -> None:
    """Another caller draws the same mark some seconds earlier or later, while one's own creation is held open."""
    async with (
        HostileReplicate(MODELS) as hostile,
        router_of(hostile) as stays,
        router_of(hostile) as leaves,
        anyio.create_task_group() as group,
    ):
        await ask(leaves, OTHER_MODEL)  # which tells the server's clock
        with anyio.move_on_after(9):
            if earlier:
                group.start_soon(ask, stays)
                await anyio.sleep(4)
            async with anyio.create_task_group() as leaving:
                leaving.start_soon(ask, leaves)
                if not earlier:
                    await anyio.sleep(4)
                    group.start_soon(ask, stays)
        await anyio.sleep(20)
        theirs, own = list(hostile.predictions.values())[1:][:: 1 if earlier else -1]
        assert (theirs.status, own.status) == ("processing", "canceled")


OWN = {"extra_headers": {"Cancel-After": "30m"}}


@pytest.mark.parametrize(
    ("options", "shows_deadline"),
    [({}, False), (OWN, True), (OWN, False)],
    ids=["no deadline", "own", "own, and none told"],
)
async def test_what_merely_resembles_ones_own_is_not_cancelled_although_it_is_alone(
    options: dict[str, Any], shows_deadline: bool
) -> None:
    async with HostileReplicate([llama(boot_seconds=60)]) as hostile, router_of(hostile) as router:
        if not shows_deadline:
            hostile.on("*", without_field("deadline"))
        with anyio.move_on_after(3):
            await ask(router, **options)
        await anyio.sleep(100)
        assert hostile.statuses == {"succeeded": 1}


@pytest.mark.parametrize(
    ("late", "unread"), [(0.0, 0), (1.5, 0), (0.0, 3)], ids=["shown", "late", "with a list that fails"]
)
async def test_a_twin_without_a_mark_does_not_keep_ones_own_running(late: float, unread: int) -> None:
    """Another client asks the same without a deadline, and its row is there before the one with the mark."""
    async with (
        HostileReplicate([llama(boot_seconds=60, reply="fine")]) as hostile,
        router_of(hostile) as older,
    ):

        def change(asked: Asked, page: Any) -> None:
            theirs = next(iter(hostile.predictions))
            rows = [row for row in page["results"] if row["id"] == theirs or hostile.age(row["id"]) >= late]
            page["results"] = [{**row, "deadline": None} if row["id"] == theirs else row for row in rows]

        hostile.on("list", changes(change))
        hostile.on("list", edge_page(503), skip=1, times=unread)
        hostile.on("create", edge_page(502), skip=1)
        async with anyio.create_task_group() as group:
            group.start_soon(ask, older)
            await anyio.sleep(0.1)
            with anyio.move_on_after(1):
                async with router_of(hostile) as leaves:
                    await ask(leaves)
        assert [each.status for each in hostile.predictions.values()] == ["succeeded", "canceled"]


@pytest.mark.parametrize("stays", [False, True])
async def test_what_an_earlier_caller_has_cancelled_is_nobody_elses(
    stays: bool, draw: Callable[..., None]
) -> None:
    """Who gives up and asks the same again at once may draw the same mark."""
    draw(0)
    async with HostileReplicate([llama(boot_seconds=60, reply="fine")]) as hostile:
        with anyio.move_on_after(0.2):
            async with router_of(hostile) as first:
                await ask(first)
        hostile.on("create", edge_page(502))
        with anyio.move_on_after(100 if stays else 0.2):
            async with router_of(hostile) as second:
                await ask(second)
        expected = "succeeded" if stays else "canceled"
        assert [each.status for each in hostile.predictions.values()] == ["canceled", expected]


@pytest.mark.parametrize("who", ["plain", "streamed", "never arrived"])
async def test_who_took_a_twin_with_the_same_mark_gets_their_own_once_the_twin_is_cancelled(
    who: str, draw: Callable[..., None]
) -> None:
    """Who lost their answer saw only the other's predictions in the list."""
    others = 2 if who == "never arrived" else 1
    async with (
        HostileReplicate([llama(boot_seconds=60, reply="fine")]) as hostile,
        router_of(hostile) as owner,
        router_of(hostile) as taker,
    ):

        def change(asked: Asked, page: Any) -> None:
            theirs = list(hostile.predictions)[:others]
            page["results"] = [
                row for row in page["results"] if row["id"] in theirs or hostile.age(row["id"]) >= 2
            ]

        hostile.on("list", changes(change))
        lost = gives_up_after(0.1) if who == "plain" else edge_page(502, created=who == "streamed")
        hostile.on("create", lost, skip=others, times=1)
        texts: list[str] = []

        async def leaves() -> None:
            with anyio.move_on_after(1.0):
                await read(owner, texts)

        async with anyio.create_task_group() as group:
            for _ in range(others):
                group.start_soon(leaves)
            await anyio.sleep(0.1)
            await (read(taker, texts) if who == "streamed" else ask(taker, texts=texts))
        assert texts == ["fine"]
        assert [each.status for each in hostile.predictions.values()] == [*["canceled"] * others, "succeeded"]


@pytest.mark.parametrize(
    ("owner_stays", "statuses"), [(100, ["succeeded", "succeeded"]), (2, ["canceled", "canceled"])]
)
async def test_of_two_in_the_list_with_one_mark_only_ones_own_is_cancelled(
    owner_stays: float, statuses: list[str], draw: Callable[..., None]
) -> None:
    """Which is whose shows once the owner of the other has cancelled it."""
    async with (
        HostileReplicate([llama(boot_seconds=60, reply="fine")]) as hostile,
        router_of(hostile) as owner,
        router_of(hostile) as leaves,
        anyio.create_task_group() as group,
    ):
        hostile.on("create", edge_page(502), skip=1)

        async def owns() -> None:
            with anyio.move_on_after(owner_stays):
                await read(owner, [])

        group.start_soon(owns)
        await anyio.sleep(0.1)
        with anyio.move_on_after(4):
            await ask(leaves)
        await anyio.sleep(100)
        assert [each.status for each in hostile.predictions.values()] == statuses


@pytest.mark.parametrize("stream", [False, True])
async def test_what_was_found_in_the_list_and_then_cancelled_by_hand_is_not_paid_for_again(
    stream: bool, draw: Callable[..., None]
) -> None:
    async with HostileReplicate([llama(boot_seconds=60)]) as hostile, router_of(hostile) as router:
        hostile.on("create", edge_page(502) if stream else gives_up_after(0.1), times=1)

        async def by_hand() -> None:
            await anyio.sleep(5)
            async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:
                (id,) = hostile.predictions
                await session.post(f"{hostile.api_base}/predictions/{id}/cancel")

        async with anyio.create_task_group() as group:
            group.start_soon(by_hand)
            with pytest.raises(PredictionCanceledError):
                answer: Any = await router.acompletion(LLAMA, HELLO, stream=stream)
                _ = [chunk async for chunk in answer]
        assert hostile.statuses == {"canceled": 1}


async def test_a_twin_that_asks_for_more_with_the_same_mark_is_not_cancelled(
    draw: Callable[..., None],
) -> None:
    """A list may show an input with the model's defaults, so what has more than was asked for may be one's own; but
    not beside what shows exactly that."""
    async with (
        HostileReplicate(MODELS) as hostile,
        router_of(hostile) as stays,
        router_of(hostile) as leaves,
        anyio.create_task_group() as group,
    ):
        texts: list[str] = []
        hostile.on("create", resets_after(), skip=1)
        group.start_soon(partial(ask, stays, texts=texts, top_k=7))
        await anyio.sleep(0.1)
        with anyio.move_on_after(0.2):
            await ask(leaves)
        await anyio.sleep(100)
        theirs, own = hostile.predictions.values()
        assert (theirs.status, own.status) == ("succeeded", "canceled") and texts == ["fine"]


async def test_of_two_that_may_be_ones_own_the_first_to_end_is_taken() -> None:
    """Neither shows a mark, and one was asked for by another while the own creation was held open."""
    async with (
        HostileReplicate(MODELS) as hostile,
        router_of(hostile) as mine,
        router_of(hostile) as other,
        anyio.create_task_group() as group,
    ):
        hostile.on("*", without_field("deadline"))
        hostile.on("create", gives_up_after(8), times=1)

        async def others() -> None:
            await anyio.sleep(5)
            await ask(other)

        group.start_soon(others)
        response: Any = await mine.acompletion(LLAMA, HELLO)
        own, _ = hostile.predictions
        assert response.replicate[0].prediction_id == own


async def test_anything_that_was_asked_later_shows_that_nothing_was_created() -> None:
    """So that an edge which fails before anything is created is ridden out, whatever others ask."""
    async with HostileReplicate(MODELS) as hostile, router_of(hostile) as router, router_of(hostile) as other:
        mine: list[str] = []

        async def fails(asked: Asked, go_on: GoOn) -> web.StreamResponse:
            if "X-Mine" not in asked.request.headers or len(mine) == 4:
                return await go_on()
            mine.append("failed")
            return await edge_page(502, created=False)(asked, go_on)

        async def others() -> None:
            while True:
                await ask(other, OTHER_MODEL, OTHER_PROMPT)
                await anyio.sleep(1)

        await ask(router, OTHER_MODEL)  # which tells the server's clock
        hostile.on("create", fails)
        async with anyio.create_task_group() as group:
            group.start_soon(others)
            texts: list[str] = []
            await ask(router, texts=texts, extra_headers={"X-Mine": "yes"}, num_retries=9)
            group.cancel_scope.cancel()
        assert texts == ["fine"] and len(mine) == 4


async def test_an_empty_page_is_not_the_end_of_the_list() -> None:
    """All of a page's predictions may be too new to be shown yet."""
    async with HostileReplicate(MODELS) as hostile, router_of(hostile) as router, router_of(hostile) as other:

        def change(asked: Asked, page: Any) -> None:
            if "cursor" not in asked.request.query:
                page["results"] = []

        hostile.on("list", changes(change))
        hostile.on("create", edge_page(502), times=1)
        async with anyio.create_task_group() as group:
            group.start_soon(ask, router)
            await anyio.sleep(0.01)
            for _ in range(100):
                group.start_soon(ask, other, OTHER_MODEL)
        assert hostile.counts["create"] == 101

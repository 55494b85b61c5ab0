"""One prediction a call, on a Replicate that has a bad day; and never anybody else's."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import anyio
import pytest
from aiohttp import web

from areplicate import APIConnectionError, APIError, AsyncRouter, ModelResponse, Timeout
from areplicate.local.faults import edge_error, reset
from areplicate.replicate.protocol.requests import Request
from areplicate.replicate.transports.aiohttp import AiohttpTransport
from areplicate.replicate.transports.base import Transport
from areplicate.replicate.transports.httpx import HttpxTransport
from tests.hostile import (
    Asked,
    GoOn,
    HostileReplicate,
    Mishap,
    changes,
    crosses,
    date_ahead,
    edge_page,
    gives_up_after,
    hangs,
    list_behind,
    problem,
    resets_after,
    rows_late,
    without_date,
    without_field,
)
from tests.stage import HELLO, KEY, LLAMA, Clock, llama, nothing_runs, router_of, sent

pytestmark = pytest.mark.anyio

ROADS: list[dict[str, Any]] = [{}, {"on_status": lambda _: None}, {"stream": True}, {"n": 3}]
NAMES = ["held", "watched", "streamed", "three at once"]


async def ask(router: AsyncRouter, **options: Any) -> list[str]:
    """The texts of the answer's choices, however it comes."""
    answer: Any = await router.acompletion(LLAMA, HELLO, **options)
    if isinstance(answer, ModelResponse):
        return [choice.message.content or "" for choice in answer.choices]
    return ["".join([chunk.choices[0].delta.content or "" async for chunk in answer])]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 524])
@pytest.mark.parametrize("options", ROADS, ids=NAMES)
async def test_an_edge_that_fails_after_the_creation_makes_nobody_pay_twice(
    status: int, options: dict[str, Any]
) -> None:
    async with (
        HostileReplicate([llama(reply="fine", run_seconds=9)]) as hostile,
        router_of(hostile) as router,
    ):
        hostile.on("create", edge_page(status))
        assert set(await ask(router, **options)) == {"fine"}
        assert len(hostile.predictions) == options.get("n", 1)


async def test_an_edge_that_gives_up_on_a_held_creation_is_no_reason_to_pay_twice() -> None:
    async with (
        HostileReplicate([llama(reply="fine", boot_seconds=90)]) as hostile,
        router_of(hostile) as router,
    ):
        hostile.on("create", gives_up_after(20, 524))
        assert await ask(router) == ["fine"]
        assert len(hostile.predictions) == 1


def with_fields(**given: Any) -> Mishap:
    """Fields of predictions have another value, or what a function makes of theirs."""

    def change(asked: Asked, body: Any) -> None:
        for prediction in body.get("results", [body]):
            for name, value in given.items():
                prediction[name] = value(prediction[name]) if callable(value) else value

    return changes(change)


def with_rows(*rows: Any) -> Mishap:
    """Other rows stand before those of the list."""
    return changes(lambda asked, page: page.update(results=[*rows, *page["results"]]))


def with_half_of_a_character() -> Mishap:
    """Another's row, with a broken character in its input, stands before those of the list."""
    before_all = with_rows({"id": "another", "status": "processing", "input": {"prompt": "HERE"}})

    async def mishap(asked: Asked, go_on: GoOn) -> web.StreamResponse:
        answer = await before_all(asked, go_on)
        assert isinstance(answer, web.Response) and isinstance(answer.body, bytes)
        answer.body = answer.body.replace(b"HERE", b"\xe9")
        return answer

    return mishap


def leads_in_a_circle() -> Mishap:
    def change(asked: Asked, page: Any) -> None:
        assert len(asked.server.asked_for("list")) < 50
        page.update(next="?turn=1" if asked.request.query.get("turn") == "2" else "?turn=2")

    return changes(change)


def in_whole_seconds(time: str) -> str:
    return f"{time[:19]}Z"


def without_a_t(time: str) -> str:
    return time.replace("T", " ")


def two_seconds_later(time: str) -> str:
    return (datetime.fromisoformat(time.replace("Z", "+00:00")) + timedelta(seconds=2)).isoformat()


def with_a_row_ahead_of_time() -> Mishap:
    """Another's, whose machine has its clock an hour ahead."""

    def change(asked: Asked, page: Any) -> None:
        clock = asked.server._service.clock
        ahead = clock.wall(clock.now() + 3600).isoformat()
        page["results"].insert(0, {"id": "ahead", "status": "starting", "created_at": ahead, "input": {}})

    return changes(change)


LISTS = {
    "at once": [],
    "0.1 s late": [("list", rows_late(0.1))],
    "1 s late": [("list", rows_late(1.0))],
    "2 s late": [("list", rows_late(2.0))],
    "5 s late": [("list", rows_late(5.0))],
    "6 s late": [("list", rows_late(6.0))],
    "a second behind": [("list", list_behind(1.0))],
    "no Date": [("*", without_date())],
    "Date a second ahead": [("*", date_ahead(1.0))],
    "Date an hour ahead": [("*", date_ahead(3600.0))],
    "Date an hour behind": [("*", date_ahead(-3600.0))],
    "no deadlines": [("*", without_field("deadline"))],
    "created_at in whole seconds": [("list", with_fields(created_at=in_whole_seconds))],
    "deadline in whole seconds": [("list", with_fields(deadline=in_whole_seconds))],
    "times without a T": [("*", with_fields(created_at=without_a_t, deadline=without_a_t))],
    "fields of other types": [
        ("*", with_fields(metrics=[], urls="none", model={}, version=7, data_removed="no"))
    ],
    "rows that are no predictions": [("list", with_rows(None, "row", {"id": 7, "status": "starting"}))],
    "a row an hour ahead": [("list", with_a_row_ahead_of_time())],
    "a row an hour ahead and 2 s late": [("list", with_a_row_ahead_of_time()), ("list", rows_late(2.0))],
    "a row with half of a character": [("list", with_half_of_a_character())],
    "pages that lead to one another": [("list", leads_in_a_circle())],
    "a next page that is no URL": [("list", changes(lambda asked, page: page.update(next="http://[::1")))],
}


@pytest.mark.parametrize("shown", LISTS)
@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("options", [{}, {"stream": True}], ids=["held", "answered at once"])
async def test_what_was_created_is_found_however_the_list_shows_it(
    shown: str, warm: bool, options: dict[str, Any]
) -> None:
    async with (
        HostileReplicate([llama(reply="fine", run_seconds=20)]) as hostile,
        router_of(hostile) as router,
    ):
        for kind, mishap in LISTS[shown]:
            hostile.on(kind, mishap)
        if warm:
            await ask(router, **options)
        hostile.on("create", resets_after(), times=5)
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(partial(ask, router, **options))
        assert len(hostile.predictions) == 5 + warm
        assert hostile.statuses == {"succeeded": 5 + warm}


async def test_calls_that_a_machine_sleeps_through_are_not_paid_twice() -> None:
    """This machine's clock stands still meanwhile, its connections break, and as it wakes others ask first."""
    async with (
        HostileReplicate([llama(reply="fine", run_seconds=9)]) as hostile,
        router_of(hostile) as router,
        anyio.create_task_group() as group,
    ):
        awake = anyio.Event()

        async def sleeps(asked: Asked, go_on: GoOn) -> web.StreamResponse:
            group.start_soon(go_on)
            await awake.wait()
            return await reset(asked.request)

        await ask(router)
        hostile.on("create", sleeps, times=5)
        for _ in range(5):
            group.start_soon(ask, router)
        await anyio.sleep(5)
        clock = hostile._service.clock
        asleep_at, before = clock.now(), clock.wall
        clock.wall = lambda instant: before(instant) + timedelta(hours=instant >= asleep_at)  # type: ignore[method-assign]
        await ask(router)
        awake.set()
        await anyio.sleep(30)
        assert hostile.statuses == {"succeeded": 7}


@pytest.mark.parametrize("shown", [name for name in LISTS if name != "no deadlines"])
async def test_what_nobody_wants_is_found_and_cancelled_however_the_list_shows_it(shown: str) -> None:
    async with HostileReplicate([llama(boot_seconds=900)]) as hostile, router_of(hostile) as router:
        for kind, mishap in LISTS[shown]:
            hostile.on(kind, mishap)
        with anyio.move_on_after(1):
            await ask(router, n=3)
        assert await nothing_runs(hostile)
        assert hostile.statuses == {"canceled": 3}


FORMS: dict[str, Any] = {
    "with defaults": {"top_k": 50},
    "in another order": {"image": "data:image/png;base64,AAAA", "temperature": 0.30000000000000004},
    "with rounded numbers": {"temperature": 0.3},
    "with files elsewhere": {"image": "https://replicate.delivery/1.png"},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stays", [False, True])
async def test_an_input_that_is_shown_in_another_form_is_known_by_its_mark(form: str, stays: bool) -> None:
    async with (
        HostileReplicate([llama(reply="fine", run_seconds=20)]) as hostile,
        router_of(hostile) as router,
    ):
        hostile.on("list", with_fields(input=lambda sent: {**FORMS[form], **sent, **FORMS[form]}))
        hostile.on("create", resets_after())
        with anyio.move_on_after(100 if stays else 6):
            await ask(
                router, temperature=0.1 + 0.2, extra_body={"image": "data:image/png;base64,AAAA", "stop": []}
            )
        assert await nothing_runs(hostile, within=5)
        assert hostile.statuses == {"succeeded" if stays else "canceled": 1}


async def test_hundreds_that_leave_are_all_found_page_after_page() -> None:
    async with HostileReplicate([llama(boot_seconds=900)]) as hostile, router_of(hostile) as router:
        hostile.on("*", without_date())
        with anyio.move_on_after(5):
            async with anyio.create_task_group() as group:
                for _ in range(250):
                    group.start_soon(ask, router)
        assert len(hostile.predictions) == 250
        assert await nothing_runs(hostile, within=60)


async def test_what_never_shows_is_asked_for_once_more_and_not_oftener() -> None:
    async with HostileReplicate([llama(boot_seconds=900)]) as hostile, router_of(hostile) as router:
        hostile.on("create", edge_page(502))
        hostile.on("list", rows_late(3600))
        with pytest.raises(APIError):
            await ask(router)
        assert len(hostile.predictions) == 2


async def test_a_late_first_is_taken_over_although_it_was_asked_for_again() -> None:
    async with (
        HostileReplicate([llama(boot_seconds=900, reply="fine")]) as hostile,
        router_of(hostile) as router,
    ):
        hostile.on("create", edge_page(502), times=2)
        hostile.on("list", rows_late(9))
        assert await ask(router, stream=True) == ["fine"]
        assert await nothing_runs(hostile)
        assert len(hostile.predictions) == 2


async def test_where_others_are_seen_that_came_later_it_is_known_not_to_exist() -> None:
    """So that an edge which fails now and then, before anything is created, is ridden out."""
    async with HostileReplicate([llama(reply="fine")]) as hostile, router_of(hostile) as router:

        async def fails(asked: Asked, go_on: GoOn) -> web.StreamResponse:
            unlucky = "X-Unlucky" in asked.request.headers and len(hostile.asked_for("create")) < 25
            return edge_error(502) if unlucky else await go_on()

        await ask(router)  # which tells the server's clock
        hostile.on("create", fails)

        async def others() -> None:
            async with router_of(hostile) as other:
                for _ in range(60):
                    await ask(other, timeout=3600)  # so that its marks are others
                    await anyio.sleep(1)

        async with anyio.create_task_group() as group:
            group.start_soon(others, name="others")
            assert await ask(router, extra_headers={"X-Unlucky": "yes"}) == ["fine"]
        assert len([seen for seen in hostile.asked_for("create") if "X-Unlucky" in seen.headers]) > 2


async def test_others_that_came_a_little_later_and_show_at_once_prove_nothing() -> None:
    """Some rows take longer than others to appear."""
    async with HostileReplicate([llama(reply="fine")]) as hostile, router_of(hostile) as router:
        await ask(router)  # which tells the server's clock
        hostile.on("create", edge_page(502), times=1)

        def hides_ours(asked: Asked, page: Any) -> None:
            ours = list(hostile.predictions)[1]
            if hostile.age(ours) < 3.5:
                page["results"] = [row for row in page["results"] if row["id"] != ours]

        hostile.on("list", changes(hides_ours))
        async with router_of(hostile) as other, anyio.create_task_group() as group:
            group.start_soon(ask, router)
            for _ in range(5):
                await anyio.sleep(0.6)
                await ask(other, timeout=3600)  # so that its marks are others
        assert len(hostile.predictions) == 1 + 1 + 5


async def test_the_servers_clock_is_known_also_while_the_list_is_read_all_the_time() -> None:
    """Only answers to creations bound it from both sides: without that, nothing is known to be later."""
    async with HostileReplicate([llama(reply="fine")]) as hostile, router_of(hostile) as router:
        async with router_of(hostile) as earlier:
            await ask(earlier, timeout=3600)  # so that its mark is another

        async def fails_twice(asked: Asked, go_on: GoOn) -> web.StreamResponse:
            unlucky = asked.request.headers.get("X-Unlucky")
            tries = [seen for seen in hostile.asked_for("create") if seen.headers.get("X-Unlucky") == unlucky]
            return edge_error(502) if unlucky and len(tries) <= 2 else await go_on()

        hostile.on("create", fails_twice)
        async with anyio.create_task_group() as group:
            for number in range(40):
                group.start_soon(partial(ask, router, extra_headers={"X-Unlucky": str(number)}))
                await anyio.sleep(0.2)
            for _ in range(20):
                group.start_soon(ask, router)
                await anyio.sleep(1.0)
        assert len(hostile.predictions) == 61


@pytest.mark.parametrize("options", ROADS[:3], ids=NAMES[:3])
@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("same_marks", [False, True])
@pytest.mark.parametrize("two_keys", [False, True])
async def test_leaving_never_cancels_anothers_twin(
    options: dict[str, Any], lost: bool, same_marks: bool, two_keys: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two routers, as in two workers of a gateway, or two keys of one account in one router, ask the same
    within a second, and one leaves."""
    draws = itertools.cycle(range(6)) if same_marks else itertools.count()
    seconds = 180  # are drawn from: a tenth of the timeout
    monkeypatch.setattr("areplicate.replicate.live._marks.random", lambda: (next(draws) + 0.5) / seconds)
    async with AsyncExitStack() as stack:
        hostile = await stack.enter_async_context(HostileReplicate([llama(boot_seconds=60, reply="fine")]))
        stays = await stack.enter_async_context(router_of(hostile))
        leaves = stays if two_keys else await stack.enter_async_context(router_of(hostile))
        own_key = {"api_key": f"{KEY}2"} if two_keys else {}
        if lost:
            hostile.on("create", resets_after(0.5))
        texts: list[str] = []

        async def stay() -> None:
            texts.extend(await ask(stays, **options))

        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(stay)
            with anyio.move_on_after(0.8):
                async with anyio.create_task_group() as leaving:
                    for _ in range(6):
                        leaving.start_soon(partial(ask, leaves, **own_key))
        assert texts == ["fine"] * 6
        if not same_marks:
            assert hostile.statuses == {"succeeded": 6, "canceled": 6}


async def test_what_was_long_on_its_way_is_cancelled_beside_anothers_twin() -> None:
    async with HostileReplicate([llama(boot_seconds=900)]) as hostile:
        async with (
            router_of(hostile) as other,
            router_of(hostile) as router,
            anyio.create_task_group() as group,
        ):
            group.start_soon(partial(ask, other, timeout=3600))
            await anyio.sleep(1)
            theirs = list(hostile.predictions)
            with anyio.move_on_after(1):  # which tells the server's clock
                await ask(router, stream=True)

            async def arrives_late(asked: Asked, go_on: GoOn) -> web.StreamResponse:
                await anyio.sleep(4)
                await go_on()
                return await reset(asked.request)

            hostile.on("create", arrives_late, times=1)
            with anyio.move_on_after(4.5):
                await ask(router)
            await anyio.sleep(30)
            assert [each.id for each in hostile.running()] == theirs
            group.cancel_scope.cancel()


async def test_what_only_resembles_ones_own_is_never_cancelled() -> None:
    """Where predictions tell no deadline, nothing is known to be one's own but what was answered."""
    async with HostileReplicate([llama(boot_seconds=60, reply="fine")]) as hostile:
        hostile.on("*", without_field("deadline"))
        async with router_of(hostile) as stays, router_of(hostile) as leaves:
            texts: list[str] = []

            async def stay() -> None:
                texts.extend(await ask(stays))

            async with anyio.create_task_group() as group:
                group.start_soon(stay)
                with anyio.move_on_after(1):
                    await ask(leaves)
            assert texts == ["fine"]
            assert hostile.counts["cancel"] == 0
            with anyio.move_on_after(20):
                await ask(leaves, on_status=lambda _: None)
            assert await nothing_runs(hostile), "what was answered is known"


async def test_equal_inputs_in_flight_have_marks_of_their_own() -> None:
    async with HostileReplicate([llama(boot_seconds=30)]) as hostile, router_of(hostile) as router:
        async with anyio.create_task_group() as group:
            for _ in range(150):
                group.start_soon(ask, router)
        marks = [int(seen.headers["Cancel-After"].removesuffix("s")) for seen in hostile.asked_for("create")]
        assert len(set(marks)) == 150 and min(marks) > 1800


async def test_hundreds_of_equal_inputs_have_marks_after_few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """What telling them apart costs does not grow with how many there are."""
    draws = itertools.count()
    generator = Random(1)

    def draw() -> float:
        next(draws)
        return generator.random()

    monkeypatch.setattr("areplicate.replicate.live._marks.random", draw)
    async with HostileReplicate([llama(boot_seconds=600)]) as hostile:
        async with router_of(hostile, creations_per_minute=1e9) as router, anyio.create_task_group() as group:
            for _ in range(200):
                group.start_soon(ask, router)
            with anyio.fail_after(500):
                while hostile.counts["create"] < 200:
                    await anyio.sleep(0.1)
            group.cancel_scope.cancel()
    marks = [int(seen.headers["Cancel-After"].removesuffix("s")) for seen in hostile.asked_for("create")]
    assert len(set(marks)) == 200
    assert next(draws) < 200 * 6


async def test_a_cancel_after_of_ones_own_is_sent_as_it_is() -> None:
    async with HostileReplicate([llama(boot_seconds=30)]) as hostile, router_of(hostile) as router:
        await ask(router, extra_headers={"cancel-after": "5m"})
        assert hostile.asked[-1].headers.getall("Cancel-After") == ["5m"]  # type: ignore[attr-defined]


async def test_a_base_that_never_answered_is_given_up_within_five_seconds() -> None:
    async with HostileReplicate([llama()]) as hostile:
        base = hostile.api_base
    clock = Clock()
    async with AsyncRouter(api_key=KEY, api_base=base) as router:
        with pytest.raises(APIConnectionError, match=f"Cannot connect to {base}. Check api_base"):
            await ask(router)
        assert 1 < clock() < 5
        clock = Clock()
        with pytest.raises(APIConnectionError, match="Cannot connect"):
            await ask(router)
        assert clock() < 1
        await anyio.sleep(5)
        clock = Clock()
        with pytest.raises(APIConnectionError, match="Cannot connect"):
            await ask(router)
        assert 1 < clock() < 5, "it is tried anew"


async def test_a_base_that_has_answered_is_tried_for_longer() -> None:
    hostile = HostileReplicate([llama(reply="fine")])
    async with hostile, router_of(hostile) as router:
        await ask(router)
        await hostile.__aexit__(None, None, None)

        async def come_back() -> None:
            await anyio.sleep(6)
            await hostile.__aenter__()

        async with anyio.create_task_group() as group:
            group.start_soon(come_back)
            assert await ask(router) == ["fine"]
    assert len(sent(hostile)) == 2


class _RefusedOnce(AiohttpTransport):
    """The second connection that is asked for is refused."""

    opened = 0

    async def open(self, request: Request) -> Any:
        self.opened += 1
        if self.opened == 2:
            raise APIConnectionError("No connection: refused.", url=request.url, request_sent=False)
        return await super().open(request)


@pytest.mark.parametrize("after", [6, 20])
async def test_a_refused_connection_is_tried_again_while_the_first_call_waits_for_its_boot(
    after: int,
) -> None:
    """A base that holds it has not answered yet: that is no reason to take it for a wrong address."""
    async with HostileReplicate([llama(reply="fine", boot_seconds=50)]) as hostile:
        async with (
            router_of(hostile, transport=_RefusedOnce(9)) as router,
            anyio.create_task_group() as group,
        ):
            group.start_soon(ask, router)
            await anyio.sleep(after)
            assert await ask(router) == ["fine"]


@pytest.mark.parametrize("id", ["", "..", "a/b", "x?y", "\n", 7])
async def test_an_answer_whose_id_is_none_is_not_believed(id: Any) -> None:
    """It would stand in the path of each request about the prediction."""
    async with HostileReplicate([llama(reply="fine")]) as hostile, router_of(hostile) as router:
        hostile.on("create", with_fields(id=id), times=1)
        assert await ask(router) == ["fine"]
        assert len(hostile.predictions) == 1


@pytest.mark.parametrize("kind", ["create", "get"])
@pytest.mark.parametrize("options", ROADS[:3], ids=NAMES[:3])
@pytest.mark.parametrize("two_routers", [False, True])
@pytest.mark.parametrize("chosen", [{}, {"extra_headers": {"Cancel-After": "40m"}}], ids=["mark", "chosen"])
async def test_nobody_gets_the_answer_of_another_whom_a_proxy_took_for_them(
    kind: str, options: dict[str, Any], two_routers: bool, chosen: dict[str, Any]
) -> None:
    """Unless both have the same mark, as one pair in sixty has."""
    model = llama(reply=lambda input: f"of {input['max_tokens']}", run_seconds=9)
    async with HostileReplicate([model]) as hostile, router_of(hostile) as one, router_of(hostile) as two:
        texts: dict[int, list[str]] = {}

        async def keep(router: AsyncRouter, max_tokens: int) -> None:
            # Marks are drawn from a minute beyond the timeout: these two never draw the same.
            timed = {**options, **chosen, "timeout": 6.0 * max_tokens}
            texts[max_tokens] = await ask(router, max_tokens=max_tokens, **timed)

        hostile.on(kind, crosses(), times=2)
        async with anyio.create_task_group() as group:
            group.start_soon(keep, one, 100)
            group.start_soon(keep, two if two_routers else one, 200)
        assert texts == {100: ["of 100"], 200: ["of 200"]}
        assert hostile.statuses == {"succeeded": 2}


async def test_nobody_gets_the_answer_of_another_though_their_own_cannot_be_looked_for() -> None:
    model = llama(reply=lambda input: f"of {input['max_tokens']}", run_seconds=1)
    async with HostileReplicate([model]) as hostile, router_of(hostile) as router:
        texts: list[list[str]] = []

        async def keep(max_tokens: int) -> None:
            with suppress(APIConnectionError):
                texts.append(await ask(router, max_tokens=max_tokens, timeout=6.0 * max_tokens))

        async def both() -> None:
            hostile.on("create", crosses(), times=2)
            async with anyio.create_task_group() as group:
                group.start_soon(keep, 100)
                group.start_soon(keep, 200)

        hostile.on("list", problem(500))
        await both()
        assert texts == []
        hostile.behave()
        await both()
        assert sorted(texts) == [["of 100"], ["of 200"]]


async def test_what_is_cancelled_is_what_was_asked_for_though_a_proxy_answers_for_another() -> None:
    async with HostileReplicate([llama(boot_seconds=900)]) as hostile, router_of(hostile) as router:

        async def has_cancelled_another(asked: Asked, go_on: GoOn) -> web.StreamResponse:
            return web.json_response({"id": "another", "status": "canceled"})

        hostile.on("cancel", has_cancelled_another, times=2)
        with anyio.move_on_after(5):
            await ask(router, on_status=lambda _: None)
        assert await nothing_runs(hostile)


async def test_an_answer_with_another_deadline_than_was_asked_for_is_believed_if_nothing_else_is_found() -> (
    None
):
    async with HostileReplicate([llama(reply="fine")]) as hostile, router_of(hostile) as router:
        hostile.on("*", with_fields(deadline="2099-01-01T00:00:00Z"))
        for seconds in (10, 1):  # it is looked for once
            clock = Clock()
            assert await ask(router) == ["fine"]
            assert clock() < seconds
        assert len(hostile.predictions) == 2


@pytest.mark.parametrize("deadline", ["2099-01-01T00:00:00Z", two_seconds_later])
async def test_where_deadlines_do_not_show_what_was_sent_nothing_is_paid_twice(deadline: Any) -> None:
    async with (
        HostileReplicate([llama(reply="fine", run_seconds=9)]) as hostile,
        router_of(hostile) as router,
    ):
        hostile.on("*", with_fields(deadline=deadline))
        assert await ask(router) == ["fine"]
        hostile.on("create", resets_after(), times=1)
        assert await ask(router) == ["fine"]
        assert len(hostile.predictions) == 2

        hostile.behave()  # and once they show it again, what is lost is known to be one's own
        assert await ask(router) == ["fine"]
        hostile.on("create", resets_after(), times=1)
        with anyio.move_on_after(2):
            await ask(router)
        assert await nothing_runs(hostile, within=5)
        assert hostile.counts["cancel"] == 1 and len(hostile.predictions) == 4


async def test_what_stands_on_a_page_that_can_be_read_is_found_although_the_next_one_cannot() -> None:
    async with (
        HostileReplicate([llama(reply="fine", run_seconds=20)]) as hostile,
        router_of(hostile) as router,
    ):
        async with anyio.create_task_group() as group:
            for _ in range(120):
                group.start_soon(ask, router)
        hostile.on("list", problem(500), skip=1)
        hostile.on("create", resets_after(), times=1)
        assert await ask(router) == ["fine"]
        assert len(hostile.predictions) == 121


async def test_what_has_shown_alone_is_cancelled_without_another_look(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "areplicate")
    async with HostileReplicate([llama(boot_seconds=900)]) as hostile, router_of(hostile) as router:
        hostile.on("create", resets_after(), times=1)
        hostile.on("list", rows_late(5))
        with anyio.move_on_after(20):
            await ask(router, on_status=lambda _: None)
        looks = len(hostile.asked_for("list"))
        assert await nothing_runs(hostile)
        assert hostile.statuses == {"canceled": 1} and len(hostile.asked_for("list")) == looks
        [id] = hostile.predictions
    assert f"Prediction {id} is in the list" in caplog.text


async def test_a_list_that_does_not_tell_how_it_ended_loses_no_answer() -> None:
    async with HostileReplicate([llama(reply="fine")]) as hostile, router_of(hostile) as router:
        hostile.on("list", without_field("output"))
        hostile.on("create", resets_after(5), times=1)
        assert await ask(router) == ["fine"]
        assert len(hostile.predictions) == 1


async def test_a_held_creation_that_is_never_answered_is_given_up_soon_after_its_hold() -> None:
    async with HostileReplicate([llama(reply="fine")]) as hostile, router_of(hostile) as router:
        hostile.on("create", hangs(), times=1)
        clock = Clock()
        assert await ask(router) == ["fine"]
        assert clock() < 100


async def test_what_was_created_is_found_although_the_list_cannot_be_read_for_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG", "areplicate")
    async with HostileReplicate([llama(reply="fine")]) as hostile, router_of(hostile) as router:
        until = anyio.current_time() + 16

        async def fails(asked: Asked, go_on: GoOn) -> web.StreamResponse:
            return edge_error(503) if anyio.current_time() < until else await go_on()

        hostile.on("list", fails)
        hostile.on("create", resets_after(), times=1)
        assert await ask(router) == ["fine"]
        assert len(hostile.predictions) == 1
    assert "The list of predictions could not be read: Replicate answered 503" in caplog.text


@pytest.mark.parametrize("status", [200, 302])
async def test_a_base_that_is_some_other_site_is_told_within_seconds(status: int) -> None:
    async with HostileReplicate([llama()]) as hostile, router_of(hostile) as router:
        hostile.on("*", edge_page(status, created=False))
        clock = Clock()
        with pytest.raises(APIError, match="which is not followed. Check api_base|is not a prediction"):
            await ask(router)
        assert clock() < 7


@contextmanager
def no_room() -> Iterator[str]:
    """The base of a host that takes no connection, and refuses none."""
    with socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            connecting = waiting.enter_context(socket.socket())
            connecting.setblocking(False)
            connecting.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}/v1"


async def test_a_host_that_takes_no_connection_is_tried_once_for_as_long_as_connecting_may_take() -> None:
    with no_room() as base:
        async with AsyncRouter(api_key=KEY, api_base=base) as router:
            clock = Clock()
            with pytest.raises(APIConnectionError, match=f"Cannot connect to {base}. Check api_base"):
                await ask(router)
            assert clock() < 16


@pytest.mark.parametrize("transport", [AiohttpTransport, HttpxTransport])
async def test_what_waited_for_its_connection_as_its_caller_left_is_not_looked_for(
    transport: Callable[[int], Transport],
) -> None:
    with no_room() as base:
        async with AsyncRouter(api_key=KEY, api_base=base, transport=transport(9)) as router:
            with pytest.raises(Timeout):
                await ask(router, timeout=1)
            clock = Clock()
    assert clock() < 1


async def test_what_waited_for_its_turn_as_its_caller_left_is_not_looked_for() -> None:
    async with HostileReplicate([llama()]) as hostile, router_of(hostile, pool_size=1) as router:
        hostile.on("create", hangs(3), times=1)
        async with anyio.create_task_group() as group:
            group.start_soon(partial(ask, router, stream=True))
            await anyio.sleep(1)
            with anyio.move_on_after(1):
                await ask(router, stream=True)
            await anyio.sleep(9)
        assert len(hostile.predictions) == 1 and not hostile.asked_for("list")

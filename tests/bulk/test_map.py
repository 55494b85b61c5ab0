"""`AsyncRouter.map` and `areplicate.map`: many calls, each result as it comes."""

from __future__ import annotations

import asyncio
import io
import itertools
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import anyio
import pytest

import areplicate
from areplicate import AsyncRouter, MapResult
from areplicate.local import LocalModel, LocalReplicate
from areplicate.replicate.transports.httpx import HttpxTransport
from tests.stage import HELLO, KEY, LLAMA, in_the_environment, llama, stage, wait_until_nothing_runs

pytestmark = pytest.mark.anyio

SLOW = LocalModel(owner="meta", name="slow", boot_seconds=100, reply="late")
FAILS = LocalModel(owner="meta", name="fails", failure="out of memory")


def ask(model: str = LLAMA, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": HELLO, **more}


def text(result: MapResult) -> str | None:
    return result.response.choices[0].message.content if result.response else None


async def test_results_come_as_they_end_and_nothing_is_lost_where_some_fail() -> None:
    requests = [ask("meta/slow"), ask("meta/fails"), ask(), ask(temperature="hot"), ask("meta/none")]
    async with stage(llama(reply="hi"), SLOW, FAILS) as (_, router):
        results = [result async for result in router.map(requests)]
    assert results[-1].index == 0 and text(results[-1]) == "late", "the slowest comes last"
    by_index = sorted(results, key=lambda result: result.index)
    assert [type(result.error).__name__ for result in by_index] == [
        *("NoneType", "PredictionFailedError", "NoneType", "BadRequestError", "NotFoundError")
    ]
    assert all((result.response is None) != (result.error is None) for result in results)


async def test_it_begins_on_a_loop_whose_tasks_begin_at_once() -> None:
    """As they may from Python 3.12 on."""
    asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory", None))
    async with stage(llama(reply="hi")) as (_, router):
        with anyio.fail_after(60):
            assert [text(result) async for result in router.map([ask()] * 3)] == ["hi"] * 3


async def test_a_generator_may_make_the_next_request_of_the_same_objects() -> None:
    def reused() -> Iterator[dict[str, Any]]:
        request: dict[str, Any] = {"model": LLAMA, "messages": [{"role": "user", "content": ""}]}
        for word in ("one", "two", "three"):
            request["messages"][0]["content"] = word
            yield request

    async with stage(llama(reply=lambda input: input["prompt"])) as (_, router):
        results = [result async for result in router.map(reused())]
    by_index = sorted(results, key=lambda result: result.index)
    for result, word in zip(by_index, ("one", "two", "three"), strict=True):
        assert word in (text(result) or "")


async def test_requests_may_be_endless_and_are_taken_when_there_is_room() -> None:
    taken = 0

    async def endless() -> AsyncIterator[dict[str, Any]]:
        nonlocal taken
        while True:
            taken += 1
            yield ask()

    async with stage(llama(boot_seconds=5)) as (local, router):
        seen: set[int] = set()
        async with aclosing(router.map(endless(), max_in_flight=4)) as results:
            async for result in results:
                assert len(local.running()) <= 4
                seen.add(result.index)
                assert taken - len(seen) <= 5
                if len(seen) == 20:
                    break
        assert seen == set(range(20))
        assert not local.running(), "leaving it cancels the rest"


async def test_a_thousand_are_under_way_or_wait_to_be_read() -> None:
    taken = itertools.count()
    requests = (ask(mock_response="at once") for _ in taken)
    async with AsyncRouter(api_key=KEY) as router, aclosing(router.map(requests)) as results:
        await anext(results)
        await anyio.sleep(1)
        assert 1000 <= next(taken) <= 1002


@pytest.mark.parametrize("leave", ["break", "an error", "a deadline"])
async def test_however_it_is_left_the_rest_is_cancelled(leave: str) -> None:
    async with stage(llama(), LocalModel(owner="meta", name="never", boot_seconds=10_000)) as (local, router):
        requests = [ask(), *[ask("meta/never")] * 5]
        try:
            with anyio.move_on_after(200):
                async for result in router.map(requests):
                    assert result.index == 0
                    while len(local.running()) < 5:
                        await anyio.sleep(0.1)
                    if leave == "break":
                        break
                    if leave == "an error":
                        raise RuntimeError
        except RuntimeError:
            pass
        with anyio.fail_after(60):
            while local.running():  # an iterator that is dropped is closed by the loop, a moment later
                await anyio.sleep(0.1)


async def test_what_requests_raises_comes_after_the_results_of_what_was_taken() -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield ask()
        yield ask("meta/slow")
        raise ZeroDivisionError

    seen = []
    async with stage(llama(), SLOW) as (_, router):
        with pytest.raises(ZeroDivisionError):
            async for result in router.map(broken()):
                seen.append(result.index)
    assert seen == [0, 1]


async def test_a_warning_that_the_caller_made_an_error_is_raised_and_is_no_result() -> None:
    seen = []
    async with stage() as (_, router):
        with pytest.raises(areplicate.AreplicateWarning, match="cache"):
            async for result in router.map([ask(), ask(cache=True)]):
                seen.append(result.index)
    assert seen == [0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (3, r"requests\[1\] must be a mapping"),
        ({3: 4}, r"requests\[1\] must be a mapping"),
        ({"model": LLAMA}, r"requests\[1\] has no messages"),
        ({"messages": HELLO}, r"requests\[1\] has no model"),
        ({"model": LLAMA, "mesages": HELLO}, r"requests\[1\] has no messages. Is it mesages\?"),
        (ask(stream=True), r"requests\[1\] asks for a stream"),
    ],
)
async def test_a_request_that_is_wrong_is_that_result_s_error(wrong: Any, message: str) -> None:
    async with stage() as (_, router):
        results = {result.index: result async for result in router.map([ask(), wrong, ask()])}
    assert isinstance(results[1].error, areplicate.BadRequestError)
    with pytest.raises(areplicate.BadRequestError, match=message):
        raise results[1].error
    assert text(results[0]) == text(results[2]) is not None


@pytest.mark.parametrize("requests", [None, 3, "requests", ask()])
async def test_what_is_no_series_of_requests_is_refused_at_once(requests: Any) -> None:
    async with stage() as (_, router):
        with pytest.raises(areplicate.BadRequestError, match="requests must be a series of mappings"):
            router.map(requests)
        with pytest.raises(areplicate.BadRequestError, match="max_in_flight must be a whole number"):
            router.map([], max_in_flight=0)
        assert [result async for result in router.map([])] == []


async def test_a_bar_is_drawn_on_stderr_alone(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(sys, "stderr", drawn := io.StringIO())
    async with stage(llama(), FAILS) as (_, router):
        async for _result in router.map([ask(), ask("meta/fails")], progress=True):
            pass
    assert "2/2" in drawn.getvalue() and "1 failed" in drawn.getvalue()
    assert not capsys.readouterr().out


async def test_a_bar_without_rich_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    async with stage() as (_, router):
        with pytest.raises(areplicate.BadRequestError, match=r"pip install 'areplicate\[cli\]'"):
            async for _result in router.map([ask()], progress=True):
                pass


def test_on_trio(local: LocalReplicate) -> None:
    async def main() -> list[int]:
        transport = HttpxTransport()
        async with AsyncRouter(api_key=KEY, api_base=local.api_base, transport=transport) as router:
            return sorted([result.index async for result in router.map([ask()] * 5, max_in_flight=2)])

    assert anyio.run(main, backend="trio") == [0, 1, 2, 3, 4]


def test_the_loop_may_end_while_calls_run() -> None:
    with LocalReplicate([LocalModel(owner="meta", name="never", boot_seconds=1000)]) as local:

        async def main() -> None:
            def leave_once_they_run() -> None:
                if len(local.running()) == 3:
                    sys.exit()
                loop.call_later(0.01, leave_once_they_run)

            loop = asyncio.get_running_loop()
            async with AsyncRouter(api_key=KEY, api_base=local.api_base) as router:
                results = router.map([ask("meta/never")] * 3)
                loop.call_soon(leave_once_they_run)
                await results.__anext__()

        with pytest.raises(SystemExit):
            asyncio.run(main())
        assert not local.running()


class TestInAScript:
    def test_it_is_a_plain_loop(self, local: LocalReplicate) -> None:
        results = list(areplicate.map((ask() for _ in range(30)), max_in_flight=7))
        assert sorted(result.index for result in results) == list(range(30))
        assert {text(result) for result in results} == {"I am fine."}

    def test_requests_are_read_in_the_caller_s_thread_between_the_results(
        self, local: LocalReplicate
    ) -> None:
        threads = set()
        got: list[int] = []

        def requests() -> Iterator[dict[str, Any]]:
            for n in range(5):
                threads.add(threading.get_ident())
                if n == 4 and not got:
                    return  # no result came before the last request was asked for
                yield ask()

        for result in areplicate.map(requests(), max_in_flight=2):
            got.append(result.index)
        assert threads == {threading.get_ident()}
        assert sorted(got) == list(range(5))

    def test_leaving_it_cancels_the_rest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        never = LocalModel(owner="meta", name="never", boot_seconds=1000)
        with LocalReplicate([llama(), never]) as local:
            in_the_environment(local, monkeypatch)
            for result in areplicate.map([*[ask("meta/never")] * 3, ask()]):
                assert result.index == 3
                break
            wait_until_nothing_runs(local)

    def test_what_requests_raises_comes_last(self, local: LocalReplicate) -> None:
        def broken() -> Iterator[dict[str, Any]]:
            yield ask()
            raise ZeroDivisionError

        seen = []
        with pytest.raises(ZeroDivisionError):
            for result in areplicate.map(broken()):
                seen.append(result.index)
        assert seen == [0]


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalReplicate]:
    with LocalReplicate([llama(reply=["I", " am", " fine."])]) as local:
        in_the_environment(local, monkeypatch)
        yield local

"""`fallbacks=` and `mock_response=` on a call."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

import areplicate
from areplicate import stream_to_completion
from areplicate.local import LocalModel
from tests.stage import HELLO, LLAMA, Clock, llama, nothing_runs, sent, stage

pytestmark = pytest.mark.anyio

FAILS = LocalModel(owner="meta", name="fails", failure="out of memory")
SLOW = LocalModel(owner="meta", name="slow", boot_seconds=10_000)
A_TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("first", ["meta/none", "meta/fails"])
async def test_the_next_model_is_asked_where_one_fails(first: str, stream: bool) -> None:
    async with stage(llama(reply="hi"), FAILS) as (local, router):
        answer: Any = await router.acompletion(
            first,
            HELLO,
            stream=stream,
            max_tokens=5,
            fallbacks=["meta/none", {"model": LLAMA, "top_k": 3}],
        )
        answer = await stream_to_completion(answer) if stream else answer
    assert answer.choices[0].message.content == "hi" and answer.model == LLAMA
    assert sent(local)[-1]["input"]["top_k"] == 3 and sent(local)[-1]["input"]["max_tokens"] == 5


async def test_a_stream_that_has_brought_text_is_not_begun_again() -> None:
    breaks = LocalModel(owner="meta", name="breaks", reply=["a", "b", "c"], failure="gone", failure_after=2)
    async with stage(llama(reply="hi"), breaks) as (local, router):
        stream = await router.acompletion("meta/breaks", HELLO, stream=True, fallbacks=[LLAMA])
        with pytest.raises(areplicate.PredictionFailedError, match="gone") as caught:
            async for _ in stream:
                pass
        assert caught.value.text == "ab" and len(local.predictions) == 1


@pytest.mark.parametrize("options", [{}, {"n": 2}, {"tools": [A_TOOL]}])
async def test_a_stream_whose_entry_fails_before_any_text_is_the_next_ones_alone(options: Any) -> None:
    names = {"a": "meta/fails", "b": "meta/fails", "c": LLAMA}
    entries = [{"model_name": name, "litellm_params": {"model": model}} for name, model in names.items()]
    lists: dict[str, Any] = {"model_list": entries, "fallbacks": [{"a": ["b", "c"]}]}
    async with stage(llama(reply=["h", "i"]), FAILS, router=lists) as (local, router):
        chunks = [chunk async for chunk in await router.acompletion("a", HELLO, stream=True, **options)]
        assert {chunk.model for chunk in chunks} == {LLAMA} and len({chunk.id for chunk in chunks}) == 1
        assert chunks[0].choices[0].delta.role == "assistant"
        response = stream_to_completion(chunks)
        assert [choice.message.content for choice in response.choices] == ["hi"] * options.get("n", 1)
        assert len(local.predictions) == 3 * options.get("n", 1)
        with pytest.raises(areplicate.PredictionFailedError, match="out of memory"):
            async for _ in await router.acompletion("b", HELLO, stream=True, **options):
                pass


@pytest.mark.parametrize("after", [0.5, 3])
async def test_a_stream_that_is_left_while_its_fallback_begins_leaves_nothing_running(after: float) -> None:
    late = LocalModel(owner="meta", name="late", boot_seconds=1, failure="out of memory")
    async with stage(SLOW, late) as (local, router):
        stream = await router.acompletion("meta/late", HELLO, stream=True, fallbacks=["meta/slow"])
        with anyio.move_on_after(after):
            async for _ in stream:
                pass
        del stream
        assert await nothing_runs(local)
        assert len(local.predictions) == (1 if after < 1 else 2)


async def test_the_last_failure_is_raised_and_the_time_is_for_all_of_them() -> None:
    async with stage(FAILS, SLOW) as (_, router):
        clock = Clock()
        with pytest.raises(areplicate.Timeout) as caught:
            await router.acompletion("meta/fails", HELLO, fallbacks=["meta/slow", "meta/fails"], timeout=60)
        assert caught.value.model == "meta/slow" and 59 < clock() < 70
        with pytest.raises(areplicate.NotFoundError):
            await router.acompletion("meta/fails", HELLO, fallbacks="meta/none")


async def test_a_timeout_of_a_fallback_is_for_it_alone() -> None:
    async with stage(FAILS, SLOW, llama(reply="hi")) as (_, router):
        clock = Clock()
        slow = {"model": "meta/slow", "timeout": 20}
        answer = await router.acompletion("meta/fails", HELLO, fallbacks=[slow, LLAMA], timeout=60)
        assert answer.model == LLAMA and 19 < clock() < 30


@pytest.mark.parametrize("wrong", [3, [3], [{"temperature": 1}], {"a": "b"}])
async def test_fallbacks_that_are_none_are_refused(wrong: Any) -> None:
    async with stage() as (local, router):
        with pytest.raises(areplicate.BadRequestError, match="fallbacks must be a list of models"):
            await router.acompletion(LLAMA, HELLO, fallbacks=wrong)
        assert not local.requests


class TestMockResponse:
    async def test_nothing_is_sent(self) -> None:
        async with stage() as (local, router):
            answer = await router.acompletion(LLAMA, HELLO, mock_response="It is so.", n=2)
            assert [choice.message.content for choice in answer.choices] == ["It is so."] * 2
            assert answer.usage.total_tokens > 0 and answer.usage.estimated and answer.model == LLAMA
            stream = await router.acompletion(LLAMA, HELLO, mock_response="It is\n\nso.", stream=True)
            chunks = [chunk async for chunk in stream]
            assert len(chunks) > 3, "in several chunks"
            built = areplicate.stream_to_completion(chunks)
            assert built.choices[0].message.content == "It is\n\nso."
            ready: Any = answer
            whole = await router.acompletion("x/y", HELLO, mock_response=ready)
            assert whole == answer
            assert not local.requests

    async def test_an_error_is_raised(self) -> None:
        async with stage() as (_, router):
            error = areplicate.RateLimitError("slow down", retry_after=3)
            with pytest.raises(areplicate.RateLimitError) as caught:
                await router.acompletion(LLAMA, HELLO, mock_response=error)
            assert caught.value is error

    @pytest.mark.parametrize("name", ["RateLimitError", "ContextWindowExceededError", "BadGatewayError"])
    async def test_an_error_may_be_named_as_litellm_s_users_do(self, name: str) -> None:
        async with stage() as (_, router):
            with pytest.raises(getattr(areplicate, name)) as caught:
                await router.acompletion(LLAMA, HELLO, mock_response=f"litellm.{name}")
            assert caught.value.model == LLAMA
            for text in ("litellm.", "litellm.completion", "litellm.RateLimitError is raised."):
                answer = await router.acompletion(LLAMA, HELLO, mock_response=text)
                assert answer.choices[0].message.content == text

    async def test_messages_are_checked_all_the_same(self) -> None:
        async with stage() as (_, router):
            with pytest.raises(areplicate.BadRequestError, match="messages is empty"):
                await router.acompletion(LLAMA, [], mock_response="x")
            with pytest.raises(areplicate.BadRequestError, match="mock_response must be a string"):
                await router.acompletion(LLAMA, HELLO, mock_response=3)  # type: ignore[call-overload]

"""The entries of a `model_list`: whose turn it is, which are left alone, and what each may say."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

import areplicate
from areplicate.balancer import Entry
from areplicate.local import LocalModel
from tests.stage import HELLO, LLAMA, Clock, llama, stage

pytestmark = pytest.mark.anyio


def two_names(**limits: Any) -> dict[str, Any]:
    return {
        "model_list": [
            {"model_name": "chat", "litellm_params": {"model": LLAMA, **limits}},
            {"model_name": "spare", "litellm_params": {"model": "meta/spare"}},
        ],
        "fallbacks": [{"chat": ["spare"]}],
    }


async def test_an_entry_whose_turn_would_come_too_late_is_passed_over() -> None:
    spare = LocalModel(owner="meta", name="spare", reply="from the spare")
    async with stage(llama(reply="in turn"), spare, router=two_names(rpm=60)) as (_, router):
        clock = Clock()
        texts = []

        async def ask() -> None:
            response = await router.acompletion("chat", HELLO, timeout=5)
            texts.append(response.choices[0].message.content)

        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(ask)
        assert clock() < 6
        assert texts.count("in turn") > 60 and texts.count("from the spare") > 20
        assert len(texts) == 100


@pytest.mark.parametrize("limits", [{"rpm": 1}, {"max_parallel_requests": 1}])
async def test_closing_the_router_ends_the_wait_for_a_turn(limits: dict[str, Any]) -> None:
    options = {"model_list": [{"model_name": "chat", "litellm_params": {"model": LLAMA, **limits}}]}
    async with stage(llama(run_seconds=100), router=options) as (local, router):

        async def refused() -> None:
            with pytest.raises(areplicate.APIConnectionError, match="The router (was|is) closed"):
                await router.acompletion("chat", HELLO)

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(refused)
            await anyio.sleep(1)
            clock = Clock()
            await router.aclose()
            await refused()
        assert clock() < 1 and len(local.predictions) == 1


async def test_nobody_is_asked_after_the_deadline() -> None:
    spare = LocalModel(owner="meta", name="spare")
    options = two_names(max_parallel_requests=1)
    async with stage(llama(run_seconds=100), spare, router=options) as (local, router):
        async with anyio.create_task_group() as group:
            group.start_soon(router.acompletion, "chat", HELLO)
            await anyio.sleep(1)
            clock = Clock()
            with pytest.raises(areplicate.Timeout, match="no entry was free.*model chat"):
                await router.acompletion("chat", HELLO, timeout=5)
            assert clock() == pytest.approx(5, abs=0.5)
            assert len(local.predictions) == 1
            # Who gave up has not taken the turn with it.
            response = await router.acompletion("chat", HELLO, timeout=300)
            assert response.choices


async def test_an_entry_that_failed_four_times_in_a_row_is_left_alone_for_half_a_minute() -> None:
    broken, well = llama(failure="CUDA out of memory"), LocalModel(owner="meta", name="well")
    heavy = {"model": LLAMA, "weight": 1e9}  # among equals, it is taken
    model_list = [
        {"model_name": "chat", "litellm_params": heavy},
        {"model_name": "chat", "litellm_params": {"model": "meta/well", "weight": 1}},
    ]
    async with stage(broken, well, router={"model_list": model_list}) as (local, router):

        async def predictions() -> int:
            """How many an answer took: two where the broken entry was asked first."""
            before = len(local.predictions)
            await router.acompletion("chat", HELLO)
            return len(local.predictions) - before

        for _ in range(5):  # which says nothing about the entry
            with pytest.raises(areplicate.BadRequestError):
                await router.acompletion("chat", HELLO, temperature="hot")  # type: ignore[call-overload]
        assert [await predictions() for _ in range(6)] == [2, 2, 2, 2, 1, 1]
        await anyio.sleep(25)
        assert await predictions() == 1
        await anyio.sleep(6)
        assert await predictions() == 2


async def test_a_wildcard_stands_for_many_models() -> None:
    """With its own parameters and limits and a fallback, and no model's failures count against another's."""
    spare = LocalModel(owner="meta", name="spare", reply="from the spare")
    fails = LocalModel(owner="meta", name="fails", failure="out of memory")
    options: dict[str, Any] = {
        "model_list": [
            {"model_name": "meta/*", "litellm_params": {"model": "replicate/meta/*", "top_k": 3, "rpm": 60}},
            {"model_name": "spare", "litellm_params": {"model": "meta/spare"}},
        ],
        "fallbacks": [{"meta/*": ["spare"]}],
        "max_retries": 0,
    }
    async with stage(llama(reply="itself"), spare, fails, router=options) as (local, router):
        for _ in range(6):
            response = await router.acompletion("meta/fails", HELLO)
            assert response.choices[0].message.content == "from the spare"
        response = await router.acompletion(LLAMA.removeprefix("replicate/"), HELLO)
        assert response.choices[0].message.content == "itself"
        inputs = [json.loads(seen.body)["input"] for seen in local.requests if seen.body]
        assert [each.get("top_k") for each in inputs] == [3, None] * 6 + [3]
        with pytest.raises(areplicate.BadRequestError, match="'meta/other'|meta/\\*"):
            areplicate.AsyncRouter(
                api_key="r8_x", model_list=options["model_list"], fallbacks=[{"spare": ["meta/*"]}]
            )


async def test_the_environment_has_any_value_of_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the gateway's configuration: at any depth, and an empty variable is one that is not set."""
    monkeypatch.setenv("MODEL", LLAMA)
    monkeypatch.setenv("EMPTY", "")
    entry = Entry("chat", {"model": "os.environ/MODEL", "stop": ["x", "os.environ/ MODEL "]})
    assert (entry.model, entry.params) == (LLAMA, {"stop": ["x", LLAMA]})
    with pytest.raises(
        areplicate.BadRequestError, match="stop.0 of 'chat': the environment variable 'EMPTY'"
    ):
        Entry("chat", {"model": LLAMA, "stop": ["os.environ/EMPTY"]})


async def test_what_is_neither_a_name_of_the_list_nor_a_model_is_told_with_the_names() -> None:
    async with stage(llama(reply="asked by its own name"), router=two_names()) as (_, router):
        with pytest.raises(areplicate.BadRequestError) as caught:
            await router.acompletion("chatt", HELLO)
        assert str(caught.value).startswith("'chatt' is not a model string.")
        assert "The names in model_list are chat, spare." in caught.value.message
        response = await router.acompletion(LLAMA, HELLO)
        assert response.choices[0].message.content == "asked by its own name"


async def test_wrong_fallbacks_are_shown_as_they_were_given() -> None:
    given: Any = [{"chat": "spare"}]
    with pytest.raises(areplicate.BadRequestError, match=r"not \[\{'chat': 'spare'\}\]"):
        areplicate.AsyncRouter(model_list=two_names()["model_list"], fallbacks=given)

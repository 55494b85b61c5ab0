"""One chat completion over HTTP: what is sent, what comes back, and what goes wrong."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import logging
import os
import re
import weakref
from functools import partial
from typing import Any

import anyio
import pytest

import areplicate
from areplicate import AsyncRouter, Status
from areplicate.local import LocalDeployment, LocalModel, LocalReplicate, SeenRequest
from tests.hostile import HostileReplicate, Mishap, body_is, redirects
from tests.stage import HELLO, KEY, LLAMA, Clock, llama, nothing_runs, router_of, sent, stage

pytestmark = pytest.mark.anyio


def seconds_of(seen: SeenRequest) -> int:
    """What its `Cancel-After` says."""
    return int(seen.headers["Cancel-After"].removesuffix("s"))


EARTH = [
    {"role": "system", "content": "Be a good human!"},
    {"role": "user", "content": "What do you know about earth?"},
]
EARTH_PROMPT = (
    "<|start_header_id|>system<|end_header_id|>\n\nBe a good human!<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nWhat do you know about earth?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)


async def test_the_answer_reads_as_object_and_as_mapping() -> None:
    async with stage(llama(reply="I am fine.")) as (_, router):
        response = await router.acompletion(model=f"replicate/{LLAMA}", messages=HELLO)
    assert response.choices[0].message.content == "I am fine."
    assert response["choices"][0]["message"]["content"] == "I am fine."
    assert response.to_dict()["choices"][0]["message"] == {"role": "assistant", "content": "I am fine."}
    assert json.loads(response.model_dump_json())["object"] == "chat.completion"


async def test_the_first_example_posts_exactly_this_body() -> None:
    async with stage() as (local, router):
        await router.acompletion(model=f"replicate/{LLAMA}", messages=EARTH)
        [seen] = local.requests
    assert (seen.method, seen.path) == ("POST", f"/v1/models/{LLAMA}/predictions")
    assert json.loads(seen.body) == {"input": {"prompt": EARTH_PROMPT}}
    assert seen.headers["Authorization"] == f"Bearer {KEY}"


async def test_parameters_go_through_as_they_are() -> None:
    async with stage() as (local, router):
        await router.acompletion(
            LLAMA, HELLO, max_tokens=20, temperature=0.5, seed=-1, min_tokens=2, top_k=20
        )
    [body] = sent(local)
    del body["input"]["prompt"]
    assert body == {"input": {"max_tokens": 20, "temperature": 0.5, "seed": -1, "min_tokens": 2, "top_k": 20}}


async def test_every_kind_of_endpoint_answers() -> None:
    community = LocalModel(owner="a16z-infra", name="llama-2-13b-chat", official=False)
    deployment = LocalDeployment(owner="ishaan-jaff", name="ishaan-mistral", model=LLAMA)
    async with stage(llama(), community, deployments=[deployment]) as (local, router):
        for model in (
            f"replicate/a16z-infra/llama-2-13b-chat:{community.version}",
            f"replicate/llama-2-13b-chat:{community.version}",
            f"replicate/{community.version}",
            "replicate/deployments/ishaan-jaff/ishaan-mistral",
            LLAMA,
        ):
            assert (await router.acompletion(model, HELLO)).choices[0].message.content
    paths = [seen.path for seen in local.requests if seen.kind == "create"]
    assert paths == [
        *["/v1/predictions"] * 3,
        "/v1/deployments/ishaan-jaff/ishaan-mistral/predictions",
        f"/v1/models/{LLAMA}/predictions",
    ]


async def test_a_community_models_version_is_looked_up_once() -> None:
    community = LocalModel(owner="somebody", name="their-model", official=False)
    async with stage(community) as (local, router):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(router.acompletion, "somebody/their-model", HELLO)
        before = local.counts["model"]
        await router.acompletion("somebody/their-model", HELLO)
        assert local.counts["model"] == before
    assert sent(local)[-1]["version"] == community.version
    assert len(local.predictions) == 6


async def test_a_five_minute_boot_ends_in_an_answer() -> None:
    async with stage(llama(boot_seconds=300, run_seconds=2, reply="here")) as (local, router):
        clock = Clock()
        response = await router.acompletion(LLAMA, HELLO)
        assert 302 <= clock() < 302 * 1.04
    assert response.choices[0].message.content == "here"
    assert local.counts["create"] == 1


async def test_a_warm_call_is_one_request() -> None:
    async with stage(llama(run_seconds=3)) as (local, router):
        await router.acompletion(LLAMA, HELLO)
        assert [seen.kind for seen in local.requests] == ["create"]
        assert local.requests[0].headers["Prefer"] == "wait=60"
        assert 1800 <= seconds_of(local.requests[0]) < 2160, "the timeout, and a mark"


async def test_an_answer_that_is_still_processing_is_not_taken_for_done() -> None:
    async with stage(llama(answers_early=True, reply="whole answer")) as (_, router):
        response = await router.acompletion(LLAMA, HELLO)
    assert response.choices[0].message.content == "whole answer"
    assert not response.usage.estimated


async def test_phases_are_told_with_their_seconds() -> None:
    statuses: list[Status] = []
    async with stage(llama(boot_seconds=60, run_seconds=20)) as (_, router):
        await router.acompletion(LLAMA, HELLO, on_status=statuses.append)
    phases = [status.phase for status in statuses]
    assert list(dict.fromkeys(phases)) == ["queued", "booting", "processing", "done"]
    assert [status.seconds for status in statuses] == sorted(status.seconds for status in statuses)
    booting = [status.seconds for status in statuses if status.phase == "booting"]
    assert booting[0] < 5 and booting[-1] > 25
    assert statuses[-1].prediction_id


async def test_an_on_status_that_fails_does_not_lose_the_answer() -> None:
    def broken(status: Status) -> None:
        raise RuntimeError("a bug in a progress bar")

    async with stage() as (_, router):
        assert (await router.acompletion(LLAMA, HELLO, on_status=broken)).choices


async def _watched_through_the_list(router: AsyncRouter, **options: Any) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(40):
            group.start_soon(router.acompletion, LLAMA, HELLO)
        await anyio.sleep(1)
        with pytest.raises(SystemExit):
            await router.acompletion(LLAMA, HELLO, **options)
    raise SystemExit


async def _as_one_of_three(router: AsyncRouter, **options: Any) -> None:
    await router.acompletion(LLAMA, HELLO, n=3, **options)


async def _in_a_map(router: AsyncRouter, **options: Any) -> None:
    async for result in router.map([{"model": LLAMA, "messages": HELLO, **options}]):
        assert result.error is None


@pytest.mark.parametrize("ask", [_watched_through_the_list, _as_one_of_three, _in_a_map])
async def test_an_on_status_that_ends_the_program_ends_no_loop_from_within_another_task(ask: Any) -> None:
    """A loop in the background would take no calls any more."""

    def leave(status: Status) -> None:
        if status.phase == "booting":
            raise SystemExit("It boots.")

    async with stage(llama(boot_seconds=20), router={"held_creations": 0}) as (local, router):
        with pytest.raises(SystemExit):
            await ask(router, on_status=leave)
        assert await nothing_runs(local)


async def test_too_late_cancels_the_prediction_and_names_the_phase() -> None:
    async with stage(llama(boot_seconds=300)) as (local, router):
        clock = Clock()
        with pytest.raises(areplicate.Timeout, match="within 90 s: the prediction was booting") as caught:
            await router.acompletion(LLAMA, HELLO, timeout=90)
        assert 90 <= clock() < 91
        assert caught.value.status_code == 408
        assert caught.value.prediction_id in local.predictions
        assert await nothing_runs(local)
        assert 90 <= seconds_of(local.requests[0]) < 210, "the timeout, and a mark"


@pytest.mark.parametrize("after", [0.0, 1.0, 30.0, 100.0])
async def test_a_cancelled_caller_leaves_nothing_running(after: float) -> None:
    async with stage(llama(boot_seconds=300)) as (local, router):
        with anyio.move_on_after(after):
            await router.acompletion(LLAMA, HELLO)
        assert await nothing_runs(local)
        assert len(local.predictions) <= 1


async def test_fifty_cancelled_callers_leave_nothing_running_and_harm_nobody() -> None:
    async with stage(llama(boot_seconds=40, reply="done")) as (local, router):
        texts: list[str | None] = []

        async def patient() -> None:
            response = await router.acompletion(LLAMA, HELLO)
            texts.append(response.choices[0].message.content)

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(patient)
            with anyio.move_on_after(20):
                async with anyio.create_task_group() as impatient:
                    for _ in range(50):
                        impatient.start_soon(router.acompletion, LLAMA, HELLO)
        assert texts == ["done"] * 10
        statuses = [prediction.status for prediction in local.predictions.values()]
        assert statuses.count("succeeded") == 10


async def test_n_predictions_give_n_choices() -> None:
    async with stage(llama(reply="one of three", run_seconds=1)) as (_local, router):
        clock = Clock()
        response = await router.acompletion(LLAMA, HELLO, n=3)
        assert clock() < 2
    assert [choice.index for choice in response.choices] == [0, 1, 2]
    assert {choice.message.content for choice in response.choices} == {"one of three"}
    assert len({run.prediction_id for run in response.replicate}) == 3
    assert (
        response.usage.completion_tokens
        == 3 * (response.replicate[0].usage or pytest.fail()).completion_tokens
    )


async def test_where_one_of_n_fails_the_others_are_cancelled() -> None:
    async with stage(llama(failure="out of memory", run_seconds=50)) as (local, router):
        with pytest.raises(areplicate.PredictionFailedError, match="out of memory"):
            await router.acompletion(LLAMA, HELLO, n=4)
        assert await nothing_runs(local)


async def test_the_models_own_failure_is_told_in_its_words() -> None:
    async with stage(llama(failure="CUDA out of memory")) as (local, router):
        with pytest.raises(areplicate.PredictionFailedError, match="CUDA out of memory") as caught:
            await router.acompletion(LLAMA, HELLO)
    assert caught.value.prediction_id in local.predictions
    assert caught.value.model == LLAMA


async def test_a_prediction_cancelled_from_elsewhere_is_an_error() -> None:
    async with stage(llama(boot_seconds=100)) as (local, router):

        async def cancel_it() -> None:
            await anyio.sleep(10)
            [prediction] = local.predictions.values()
            prediction.cancel(prediction.clock.now())

        async with anyio.create_task_group() as group:
            group.start_soon(cancel_it)
            with pytest.raises(areplicate.PredictionCanceledError, match="cancelled from elsewhere"):
                await router.acompletion(LLAMA, HELLO)


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("nobody/nothing", areplicate.NotFoundError),
        ("a" * 64, areplicate.BadRequestError),
        ("deployments/nobody/nothing", areplicate.NotFoundError),
    ],
)
async def test_what_does_not_exist_is_said_so(model: str, error: type[areplicate.APIError]) -> None:
    async with stage() as (local, router):
        with pytest.raises(error) as caught:
            await router.acompletion(model, HELLO)
    assert caught.value.model == model
    assert str(caught.value.url).startswith("http")
    assert not local.predictions


async def test_calls_of_what_does_not_exist_leave_nothing_of_their_conversations() -> None:
    class Conversation(list[Any]):
        """A list that can be referred to weakly."""

    async with stage() as (_, router):
        kept = []
        for _ in range(3):
            conversation = Conversation(HELLO)
            kept.append(weakref.ref(conversation))
            with pytest.raises(areplicate.NotFoundError):
                await router.acompletion("nobody/nothing", conversation, logprobs=True)
            del conversation
        gc.collect()
        assert [each() for each in kept] == [None] * 3


@pytest.mark.parametrize("stream", [False, True])
async def test_a_name_that_is_nearly_right_is_told_the_right_one(stream: bool) -> None:
    async with stage() as (_, router):
        with pytest.raises(areplicate.NotFoundError, match=f"Did you mean {LLAMA}"):
            await router.acompletion(LLAMA.replace("instruct", "instrct"), HELLO, stream=stream)


async def test_a_wrong_key_is_refused_and_never_shown() -> None:
    async with stage(tokens={"another"}) as (_, router):
        with pytest.raises(areplicate.AuthenticationError) as caught:
            await router.acompletion(LLAMA, HELLO)
    assert KEY not in f"{caught.value}{caught.value!r}{caught.value.__dict__}"
    assert "REPLICATE_API_KEY" in str(caught.value)


@pytest.mark.parametrize(
    ("standing", "error"),
    [(402, areplicate.InsufficientCreditError), (403, areplicate.PermissionDeniedError)],
)
async def test_an_accounts_standing_has_its_error(standing: int, error: type[areplicate.APIError]) -> None:
    async with stage(tokens={KEY: standing}) as (_, router):
        with pytest.raises(error):
            await router.acompletion(LLAMA, HELLO)


OUTPUTS: list[tuple[dict[str, Any], str]] = [
    ({"reply": ["a", "", " b", "\n"]}, "a b\n"),
    ({"reply": "one string", "output_kind": "string"}, "one string"),
    ({"reply": "x", "output_kind": "null"}, ""),
    ({"reply": 4.5, "output_kind": "number"}, "4.5"),
    ({"reply": {"note": "hé"}, "output_kind": "object"}, '{"note":"hé"}'),
]


@pytest.mark.parametrize(("options", "text"), OUTPUTS)
async def test_every_kind_of_output_becomes_text(options: dict[str, Any], text: str) -> None:
    async with stage(llama(**options)) as (_, router):
        response = await router.acompletion(LLAMA, HELLO)
    assert (response.choices[0].message.content or "") == text


async def test_usage_comes_from_the_metrics() -> None:
    async with stage(llama(reply=["a", "b", "c"])) as (_, router):
        usage = (await router.acompletion(LLAMA, HELLO)).usage
    assert usage.completion_tokens == 3
    assert usage.total_tokens == usage.prompt_tokens + 3
    assert "estimated" not in usage.model_dump()


async def test_usage_without_metrics_is_marked_as_an_estimate() -> None:
    async with stage(llama(reply=["a", "b", "", "c"], token_metrics=False)) as (local, router):
        usage = (await router.acompletion(LLAMA, HELLO)).usage
    assert usage.completion_tokens == 3
    assert usage.prompt_tokens > 0
    assert usage.model_dump()["estimated"] is True
    assert set(local.counts) == {"create"}


async def test_an_answer_at_its_token_limit_ends_with_length() -> None:
    async with stage(llama(reply=["a"] * 5)) as (_, router):
        assert (await router.acompletion(LLAMA, HELLO, max_tokens=5)).choices[0].finish_reason == "length"
        assert (await router.acompletion(LLAMA, HELLO, max_tokens=6)).choices[0].finish_reason == "stop"


BAD_CALLS: list[tuple[dict[str, Any], str]] = [
    ({"model": ""}, "model string is empty"),
    ({"model": None}, "model must be a string"),
    ({"model": []}, "model must be a string, not list"),
    ({"model": f"{LLAMA}:abc"}, "64 hex digits"),
    ({"messages": []}, "messages is empty"),
    ({"messages": None}, "messages must be a list"),
    ({"messages": "Hello"}, "messages must be a list"),
    ({"messages": [{"role": "wizard", "content": "x"}]}, "has the role 'wizard'"),
    ({"messages": [{"role": "user"}]}, "has no content"),
    ({"temperature": float("nan")}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"max_tokens": "many"}, "max_tokens"),
    ({"timeout": 0}, "timeout must be"),
    ({"timeout": float("nan")}, "timeout must be"),
    ({"n": 0}, "n must be"),
    ({"api_base": "ftp://x"}, "api_base must be a URL"),
]


@pytest.mark.parametrize(("change", "message"), BAD_CALLS)
async def test_bad_input_is_explained_before_anything_is_sent(change: dict[str, Any], message: str) -> None:
    async with stage() as (local, router):
        with pytest.raises(areplicate.BadRequestError, match=message):
            await router.acompletion(**{"model": LLAMA, "messages": HELLO, **change})
        assert not local.requests


async def test_a_ten_megabyte_prompt_arrives_whole() -> None:
    async with stage(llama(reply="read")) as (local, router):
        await router.acompletion(LLAMA, [{"role": "user", "content": "ä" * 5_000_000}])
    assert sent(local)[0]["input"]["prompt"].count("ä") == 5_000_000


async def test_no_key_says_which_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REPLICATE_API_KEY", "REPLICATE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    async with AsyncRouter() as router:
        with pytest.raises(areplicate.AuthenticationError, match="REPLICATE_API_KEY"):
            await router.acompletion(LLAMA, HELLO)


@pytest.mark.parametrize("key", ["r8_x\nX-Evil: 1", "r8_ä", "r8 x"])
async def test_a_key_that_cannot_be_one_is_refused_without_showing_it(key: str) -> None:
    async with stage(router={"api_key": key}) as (local, router):
        with pytest.raises(areplicate.AuthenticationError, match="characters that keys never have") as caught:
            await router.acompletion(LLAMA, HELLO)
        assert not local.requests
    assert key not in str(caught.value)


async def test_key_and_base_come_from_the_environment_in_the_promised_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with LocalReplicate([llama()]) as local:
        monkeypatch.setenv("REPLICATE_API_TOKEN", "second")
        monkeypatch.setenv("REPLICATE_BASE_URL", local.api_base)
        async with AsyncRouter() as router:
            await router.acompletion(LLAMA, HELLO)
            monkeypatch.setenv("REPLICATE_API_KEY", "first")
            monkeypatch.setenv("REPLICATE_API_BASE", local.api_base + "/")
            await router.acompletion(LLAMA, HELLO)
            await router.acompletion(LLAMA, HELLO, api_key="call", extra_headers={"X-Extra": "1"})
        keys = [seen.headers["Authorization"] for seen in local.requests]
        assert keys == ["Bearer second", "Bearer first", "Bearer call"]
        assert local.requests[-1].headers["X-Extra"] == "1"


async def test_closing_the_router_ends_what_is_in_flight() -> None:
    slow = LocalModel(owner="meta", name="slow", boot_seconds=1000)
    async with stage(slow, router={"held_creations": 1}) as (local, router):
        failures: list[areplicate.APIError] = []

        async def ask(**options: Any) -> None:
            with pytest.raises(areplicate.APIConnectionError, match="closed") as caught:
                await router.acompletion("meta/slow", HELLO, **options)
            failures.append(caught.value)

        async with anyio.create_task_group() as group:
            for options in ({}, {}, {"n": 2}, {"on_status": lambda _: None}, {"num_retries": 0}):
                group.start_soon(partial(ask, **options))
            while len(local.running()) < 6:
                await anyio.sleep(0.1)
            group.start_soon(ask)  # has only begun
            await anyio.lowlevel.checkpoint()
            await router.aclose()
            assert not local.running()
        assert len(failures) == 6
        assert {failure.prediction_id for failure in failures} & set(local.predictions)
        with pytest.raises(areplicate.APIConnectionError, match="The router is closed"):
            await router.acompletion("meta/slow", HELLO)


async def test_a_router_closes_also_where_its_scope_is_cancelled() -> None:
    slow = LocalModel(owner="meta", name="slow", boot_seconds=1000)
    async with LocalReplicate([slow]) as local, anyio.create_task_group() as group:

        async def ask() -> None:
            with pytest.raises(areplicate.APIConnectionError, match="closed"):
                await router.acompletion("meta/slow", HELLO)

        with anyio.move_on_after(5):
            async with AsyncRouter(api_key=KEY, api_base=local.api_base) as router:
                group.start_soon(ask)
                await anyio.sleep_forever()
        assert local.predictions and not local.running()


@pytest.mark.parametrize("options", [{}, {"on_status": lambda _: None}, {"n": 2}, {"stream": True}])
async def test_cancelling_twice_cancels_the_prediction_all_the_same(options: dict[str, Any]) -> None:
    """As `asyncio.run` does after Ctrl-C with what `gather` has cancelled already."""
    slow = LocalModel(owner="meta", name="slow", boot_seconds=1000)
    async with stage(slow) as (local, router):

        async def ask() -> None:
            answer = await router.acompletion("meta/slow", HELLO, **options)
            if isinstance(answer, areplicate.CompletionStream):
                async for _ in answer:
                    pass

        task = asyncio.ensure_future(ask())
        await anyio.sleep(5)
        assert local.running()
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await nothing_runs(local)


async def test_what_was_given_up_before_is_not_taken_for_what_is_given_up_now() -> None:
    slow = LocalModel(owner="meta", name="slow", boot_seconds=1000)
    async with LocalReplicate([slow]) as local:
        for _ in range(3):
            async with AsyncRouter(api_key=KEY, api_base=local.api_base) as router:
                with pytest.raises(areplicate.Timeout):
                    await router.acompletion("meta/slow", HELLO, timeout=0.2)
            assert not local.running()
        assert len(local.predictions) == 3


async def test_a_service_with_its_users_keys_keeps_few_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("areplicate.replicate.clients._KEPT", 3)
    slow = LocalModel(owner="meta", name="slow", reply=["a"] * 9, run_seconds=1000)
    async with stage(llama(), slow) as (local, router):
        stream = await router.acompletion("meta/slow", HELLO, stream=True, api_key="r8_the_first")
        await stream.__anext__()
        for n in range(20):
            await router.acompletion(LLAMA, HELLO, api_key=f"r8_user_{n}")
        gc.collect()
        assert len(router._clients._clients) <= 4
        assert local.running(), "and the stream of a key that was not used since is closed with the router"


@pytest.mark.parametrize("options", [{}, {"stream": True}])
async def test_what_a_call_held_is_freed_with_its_end(options: dict[str, Any]) -> None:
    """Not by the garbage collector at some time: by then thousands of calls may have added up."""

    class Watcher:
        def __call__(self, status: areplicate.Status) -> None: ...

    model_list = [{"model_name": "chat", "litellm_params": {"model": LLAMA}}]
    async with stage(llama(reply=["<think>", "so", "</think>", "hi"]), router={"model_list": model_list}) as (
        _,
        router,
    ):
        gc.disable()
        try:
            watcher = Watcher()
            watched = weakref.ref(watcher)
            answer = await router.acompletion("chat", HELLO, on_status=watcher, **options)
            if isinstance(answer, areplicate.CompletionStream):
                async for _ in answer:
                    pass
            del answer, watcher
            assert watched() is None
        finally:
            gc.enable()


async def test_messages_may_be_objects_of_other_clients() -> None:
    async with stage(llama(reply="hi")) as (local, router):
        first = await router.acompletion(LLAMA, HELLO)
        await router.acompletion(
            LLAMA, [*HELLO, first.choices[0].message, {"role": "user", "content": "And?"}]
        )
    assert "hi<|eot_id|>" in sent(local)[1]["input"]["prompt"]


async def test_an_answer_of_millions_of_parts_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty million empty lists would take 1.3 GB, and the loop stands still while they are read."""
    monkeypatch.setattr("areplicate.replicate.protocol.decoding.MOST_PARTS", 100_000)
    said = ",".join(['"\\'] * 200_000)  # commas, quotes and backslashes of a text are no parts
    for reply, read in ((["a", "", "b"] * 40_000, False), ([said, "end"], True)):
        async with stage(llama(reply=reply)) as (local, router):
            if read:
                response = await router.acompletion(LLAMA, HELLO)
                assert response.choices[0].message.content == "".join(reply)
            else:
                with pytest.raises(areplicate.PredictionFailedError, match="made of more than .* parts"):
                    await router.acompletion(LLAMA, HELLO)
            assert await nothing_runs(local)


@pytest.mark.parametrize(
    ("mishap", "message"),
    [
        (body_is(lambda body: b"<!doctype html><p>upstream said nothing"), "not a prediction|cannot be read"),
        (
            body_is(lambda body: gzip.compress(body)[: len(body) // 4], encoding="gzip"),
            "broke|not a prediction|cannot be read",
        ),
        (body_is(lambda body: b'{"id": "' + b"x" * (3 << 20) + b'"}'), "has 3 MiB, and is not read: 2 MiB"),
        (redirects(), "redirect"),
    ],
)
async def test_a_bad_server_is_an_error_and_hangs_nothing(
    mishap: Mishap, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("areplicate.replicate.http.MAX_BODY", 2 << 20)
    async with HostileReplicate([llama()]) as hostile, router_of(hostile, max_retries=1) as router:
        hostile.on("*", mishap)
        with pytest.raises(areplicate.APIError, match=message) as caught:
            await router.acompletion(LLAMA, HELLO, timeout=60)
    assert KEY not in str(caught.value)


async def test_a_registered_template_holds_with_and_without_the_prefix() -> None:
    roles = {
        "system": {"pre_message": "[INST] <<SYS>>\n", "post_message": "\n<</SYS>>\n [/INST]\n"},
        "user": {"pre_message": "[INST] ", "post_message": " [/INST]\n"},
        "assistant": {"pre_message": "", "post_message": "\n"},
    }
    areplicate.register_prompt_template(
        model="togethercomputer/LLaMA-2-7B-32K",
        initial_prompt_value="You are good.\n",
        roles=roles,
        final_prompt_value="Now answer as best you can:",
        bos_token="<s>",
        eos_token="</s>",
    )
    model = LocalModel(owner="togethercomputer", name="LLaMA-2-7B-32K")
    talk = [EARTH[0], {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}, EARTH[1]]
    async with stage(model) as (local, router):
        await router.acompletion("replicate/togethercomputer/LLaMA-2-7B-32K", talk)
        await router.acompletion("togethercomputer/LLaMA-2-7B-32K", talk)
    first, second = (body["input"]["prompt"] for body in sent(local))
    assert (
        first
        == second
        == (
            "<s>You are good.\n[INST] <<SYS>>\nBe a good human!\n<</SYS>>\n [/INST]\n[INST] Hi [/INST]\nYes?\n</s>"
            "<s>[INST] What do you know about earth? [/INST]\nNow answer as best you can:"
        )
    )


async def test_a_template_given_with_the_call_is_used_for_it_alone() -> None:
    inline: dict[str, Any] = {
        "initial_prompt_value": "BEGIN ",
        "roles": {"user": {"pre_message": "Q: ", "post_message": "\n"}},
        "final_prompt_value": "A:",
        "bos_token": "<s>",
        "eos_token": "</s>",
    }
    async with stage() as (local, router):
        await router.acompletion(LLAMA, HELLO, **inline)
        await router.acompletion(LLAMA, HELLO)
    first, second = sent(local)
    assert first["input"]["prompt"] == "<s>BEGIN Q: Hello, how are you?\nA:"
    assert second["input"]["prompt"].startswith("<|start_header_id|>")


async def test_set_verbose_logs_commands_that_can_be_pasted_and_phases(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("areplicate")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "level", logging.WARNING)
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logger, "_cache", {})
    monkeypatch.setattr(areplicate, "set_verbose", True)
    async with LocalReplicate([llama(boot_seconds=10)]) as local:
        async with AsyncRouter(api_key=KEY, api_base=local.api_base) as router:
            await router.acompletion(LLAMA, [{"role": "user", "content": 'It\'s "quoted" $HOME'}])
        said = capfd.readouterr().err
        assert KEY not in said
        for phase in ("queued, 0.0 s", "booting,", "done, 1"):
            assert phase in said
        command = re.search(r"curl(?:.*\\\n)+.*", said) or pytest.fail()
        environment = {"REPLICATE_API_KEY": "pasted", "PATH": os.environ["PATH"]}
        pasted = await anyio.run_process(["bash", "-c", command[0]], env=environment)
        assert json.loads(pasted.stdout)["status"] in ("starting", "succeeded")
        assert local.requests[-1].body == local.requests[0].body
        assert local.requests[-1].headers["Authorization"] == "Bearer pasted"

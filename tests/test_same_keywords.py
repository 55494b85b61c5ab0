"""What a call's keywords settle is kept for the next call with the same ones: and for no other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

import areplicate
from areplicate import AsyncRouter
from areplicate.chat.formats import templates
from areplicate.local import LocalModel, LocalReplicate
from tests.stage import HELLO, LLAMA, llama, sent, stage, streamed_text

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("first", "second", "differs"),
    [
        ({"max_tokens": 7}, {"max_tokens": 8}, {"max_tokens": 8}),
        ({"max_tokens": 7}, {"seed": 7}, {"seed": 7}),
        ({"max_tokens": 7, "seed": 8}, {"max_tokens": 8, "seed": 7}, {"max_tokens": 8, "seed": 7}),
        ({"max_tokens": 7}, {}, {}),
        ({}, {"max_tokens": 7}, {"max_tokens": 7}),
        ({"temperature": 1}, {"temperature": 0.5}, {"temperature": 0.5}),
        ({"top_k": 7}, {"top_k": 8}, {"top_k": 8}),
        ({"top_k": 7, "no_such_input": 1, "drop_params": True}, {"top_k": 8}, {"top_k": 8}),
        ({"user": "a"}, {"user": "b", "max_tokens": 3}, {"max_tokens": 3}),
        ({"max_tokens": 7}, {"max_tokens": 7, "extra_body": {"top_k": 3}}, {"max_tokens": 7, "top_k": 3}),
        ({"max_tokens": 7}, {"max_tokens": 7, "top_k": 3}, {"max_tokens": 7, "top_k": 3}),
        ({"max_tokens": 7}, {"max_tokens": 7, "additional_drop_params": ["max_tokens"]}, {}),
    ],
    ids=str,
)
async def test_each_call_sends_what_it_was_given(
    first: dict[str, Any], second: dict[str, Any], differs: dict[str, Any]
) -> None:
    async with stage() as (local, router):
        for given in ({}, first, second, first, second):
            await router.acompletion(LLAMA, HELLO, **given)
    plain, one, two, *again = (body["input"] for body in sent(local))
    assert two == plain | differs and again == [one, two]


@pytest.mark.parametrize(("right", "wrong"), [(1, True), (0, False), (1.0, True)])
async def test_a_number_does_not_make_a_truth_value_right(right: float, wrong: bool) -> None:
    async with stage() as (local, router):
        await router.acompletion(LLAMA, HELLO, temperature=right)
        with pytest.raises(areplicate.BadRequestError, match="temperature"):
            await router.acompletion(LLAMA, HELLO, temperature=wrong)
        assert len(sent(local)) == 1


async def test_what_the_process_sets_later_holds_for_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {"logit_bias": None, "logprobs": True}
    async with stage() as (local, router):
        monkeypatch.setattr(areplicate, "drop_params", True)
        await router.acompletion(LLAMA, HELLO, **asked)
        monkeypatch.setattr(areplicate, "drop_params", False)
        with pytest.raises(areplicate.UnsupportedParamsError, match="logprobs"):
            await router.acompletion(LLAMA, HELLO, **asked)

        await router.acompletion(LLAMA, HELLO)
        monkeypatch.setattr(templates, "REGISTERED", {})
        areplicate.register_prompt_template(LLAMA, final_prompt_value="registered")
        await router.acompletion(LLAMA, HELLO)
        await router.acompletion(LLAMA, HELLO)
    *_, before, after, again = (body["input"]["prompt"] for body in sent(local))
    assert "registered" in after and "registered" not in before and again == after


@pytest.mark.parametrize("seconds", [30, timedelta(seconds=30), httpx.Timeout(30)], ids=repr)
async def test_how_long_the_process_waits_may_change(seconds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage() as (local, router):
        for timeout in (None, seconds, None):
            monkeypatch.setattr(areplicate, "request_timeout", timeout)
            for _ in range(3):
                await router.acompletion(LLAMA, HELLO)
        marks = [int(headers["Cancel-After"].rstrip("s")) for headers in _headers(local)]
    assert [30 < mark < 120 for mark in marks] == 3 * [False] + 3 * [True] + 3 * [False]


async def test_the_key_and_the_base_of_the_moment_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with LocalReplicate([llama()]) as one, LocalReplicate([llama()]) as other, AsyncRouter() as router:
        for local, key in ((one, "r8_a"), (one, "r8_b"), (other, "r8_b"), (one, "r8_a")):
            monkeypatch.setenv("REPLICATE_API_BASE", local.api_base)
            monkeypatch.setenv("REPLICATE_API_KEY", key)
            for _ in range(3):
                await router.acompletion(LLAMA, HELLO)
                await router.acompletion(LLAMA, HELLO, base_url=other.api_base, api_key="r8_own")
        monkeypatch.delenv("REPLICATE_API_KEY")
        await router.acompletion(LLAMA, HELLO, base_url=other.api_base, api_key="r8_own")
        with pytest.raises(areplicate.AuthenticationError):
            await router.acompletion(LLAMA, HELLO)
    keys = [[headers["Authorization"][-4:] for headers in _headers(local)] for local in (one, other)]
    assert keys[0] == 3 * ["r8_a"] + 3 * ["r8_b"] + 3 * ["r8_a"]
    assert keys[1] == 6 * ["_own"] + 3 * ["r8_b", "_own"] + 4 * ["_own"]


@pytest.mark.parametrize("model", [LLAMA, "nobody/has-told-its-inputs"])
async def test_each_call_is_warned_of_what_has_no_effect(model: str) -> None:
    given: dict[str, Any] = {"api_version": "x"} if model == LLAMA else {"no_such_input": 1}
    secret = LocalModel(owner="nobody", name="has-told-its-inputs", schema={})
    async with stage(llama(), secret) as (_, router):
        for _ in range(4):
            with pytest.warns(areplicate.AreplicateWarning):
                await router.acompletion(model, HELLO, **given)


async def test_a_name_of_ones_own_is_asked_for_as_its_entry_says() -> None:
    entry = {"model_name": LLAMA, "litellm_params": {"model": "replicate/meta/other", "max_tokens": 7}}
    async with stage(llama(), LocalModel(owner="meta", name="other"), router={"model_list": [entry]}) as (
        local,
        router,
    ):
        for _ in range(3):
            await router.acompletion(LLAMA, HELLO, temperature=0.5)
    assert [
        (seen.path, seen.body.count(b'"max_tokens":7')) for seen in local.requests if seen.kind == "create"
    ] == 3 * [("/v1/models/meta/other/predictions", 1)]


async def test_what_belongs_to_one_call_alone_stays_with_it() -> None:
    async with stage(llama(reply="one two three")) as (local, router):
        for seconds in (50, 500):
            await router.acompletion(LLAMA, HELLO, max_tokens=7, timeout=seconds, api_key=f"r8_{seconds}")
            stream = await router.acompletion(LLAMA, HELLO, max_tokens=7, stream=True)
            assert streamed_text([chunk async for chunk in stream]) == "one two three"
        marks = [int(headers["Cancel-After"].rstrip("s")) for headers in _headers(local)]
        keys = [headers["Authorization"] for headers in _headers(local)]
    assert 50 < marks[0] < 120 and 500 < marks[2] < 600 and marks[1] > 1800
    assert keys[0].endswith("r8_50") and keys[2].endswith("r8_500")
    assert len(set(keys)) == 3 and keys[1] == keys[3]


async def test_a_list_that_its_owner_has_changed_is_read_anew() -> None:
    ends = ["three"]
    async with stage(llama(reply="one two three")) as (_, router):
        cut = await router.acompletion(LLAMA, HELLO, stop=ends)
        ends[0] = "two"
        shorter = await router.acompletion(LLAMA, HELLO, stop=ends)
    assert [cut.choices[0].message.content, shorter.choices[0].message.content] == ["one two ", "one "]


def _headers(local: Any) -> list[dict[str, str]]:
    return [request.headers for request in local.requests if request.kind == "create"]

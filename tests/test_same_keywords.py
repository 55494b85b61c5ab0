"""What a call's keywords settle is kept for the next call with the same ones: and for no other."""

from __future__ import annotations

from typing import Any

import pytest

import areplicate
from areplicate.chat.formats import templates
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
    *_, before, after = (body["input"]["prompt"] for body in sent(local))
    assert "registered" in after and "registered" not in before


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

"""What models say of a prompt that is longer than what they read."""

from __future__ import annotations

import pytest

import areplicate
from areplicate.local import LocalModel
from tests.stage import HELLO, stage

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "said",
    [
        "E1002 PromptTooLong: Prompt length exceeds maximum input length.",
        "Cannot process new request: Prompt length (1251) exceeds maximum input length (1024).",
        "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens.",
        "Input prompt (9000 tokens) is longer than the maximum model length of 4096.",
        "Requested tokens (9000) exceed context window of 4096",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        "prompt is too long: 202128 tokens > 200000 maximum",
        "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
    ],
)
async def test_a_prompt_that_is_too_long_is_an_error_of_its_own(said: str) -> None:
    async with stage(LocalModel(owner="acme", name="short", failure=said)) as (_, router):
        with pytest.raises(areplicate.ContextWindowExceededError, match="prompt is too long") as caught:
            await router.acompletion("acme/short", HELLO)
        assert isinstance(caught.value, areplicate.BadRequestError), "as OpenAI and LiteLLM have it"
        assert caught.value.status_code == 400 and caught.value.code == "context_length_exceeded"
        with pytest.raises(areplicate.ContextWindowExceededError):
            async for _ in await router.acompletion("acme/short", HELLO, stream=True):
                pass


@pytest.mark.parametrize(
    "said", ["CUDA out of memory", "The image is too long.", "Context: prompt template must have {prompt}"]
)
async def test_any_other_failure_is_none(said: str) -> None:
    async with stage(LocalModel(owner="acme", name="fails", failure=said)) as (_, router):
        with pytest.raises(areplicate.PredictionFailedError, match="The model failed") as caught:
            await router.acompletion("acme/fails", HELLO)
        assert not isinstance(caught.value, areplicate.ContextWindowExceededError)


async def test_it_says_nothing_about_the_entry_and_the_fallback_answers() -> None:
    short = LocalModel(owner="acme", name="short", failure="prompt is too long", failure_after=0)
    async with stage(short, LocalModel(owner="acme", name="long", reply="Hello")) as (local, _):
        entries = [
            {"model_name": name, "litellm_params": {"model": f"acme/{name}"}} for name in ("short", "long")
        ]
        router = areplicate.AsyncRouter(
            model_list=entries, fallbacks=[{"short": ["long"]}], api_key="r8_x", api_base=local.api_base
        )
        async with router:
            for _ in range(6):
                answer = await router.acompletion("short", HELLO)
                assert answer.choices[0].message.content == "Hello"
        asked = [prediction for prediction in local.predictions.values() if "short" in str(prediction.model)]
        assert len(asked) == 6, "it is asked each time, and not left alone for a while"

"""Failures of Replicate's own machines are asked again, and no others; what that took is told and counted."""

from __future__ import annotations

from typing import Any

import pytest

from areplicate import APIError, AsyncRouter, ModelResponse, PredictionFailedError, stream_to_completion
from tests.hostile import HostileReplicate, fails_first
from tests.stage import HELLO, KEY, LLAMA, llama

pytestmark = pytest.mark.anyio

PA = "Prediction interrupted; please retry (code: PA)"


async def ask(
    hostile: HostileReplicate, stream: bool, messages: Any = HELLO, **options: Any
) -> ModelResponse:
    async with AsyncRouter(api_key=KEY, api_base=hostile.api_base) as router:
        answer: Any = await router.acompletion(LLAMA, messages, stream=stream, **options)
        response: ModelResponse = await stream_to_completion(answer) if stream else answer
        return response


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "error", [PA, "Director: unexpected error handling prediction (E8765)", "(E9828)", "E6716"]
)
async def test_a_failure_of_the_platform_is_asked_again(stream: bool, error: str) -> None:
    async with HostileReplicate([llama(reply=fails_first(2, "fine", error), run_seconds=3)]) as hostile:
        response = await ask(hostile, stream)
    assert response.choices[0].message.content == "fine"
    [run] = response.replicate
    assert run.attempts == 3
    assert run.predict_s == pytest.approx(9, abs=0.1), "what failed is billed, too"
    assert run.prediction_id in hostile.predictions
    assert len(hostile.predictions) == 3 and not hostile.running()


@pytest.mark.parametrize("stream", [False, True])
async def test_it_is_asked_again_twice_at_the_most(stream: bool) -> None:
    async with HostileReplicate([llama(reply=fails_first(9))]) as hostile:
        with pytest.raises(PredictionFailedError, match="code: PA"):
            await ask(hostile, stream)
        assert len(hostile.predictions) == 3


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("error", ["CUDA out of memory", "E1234", "please retry", "the PA system failed"])
async def test_the_models_own_failures_are_not_asked_again(stream: bool, error: str) -> None:
    async with HostileReplicate([llama(reply=fails_first(1, "fine", error))]) as hostile:
        with pytest.raises(PredictionFailedError):
            await ask(hostile, stream)
        assert len(hostile.predictions) == 1


async def test_who_wants_no_retries_gets_none() -> None:
    async with HostileReplicate([llama(reply=fails_first(1))]) as hostile:
        with pytest.raises(PredictionFailedError):
            await ask(hostile, False, num_retries=0)
        assert len(hostile.predictions) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_inputs_over_six_megabytes_are_not_asked_again(stream: bool) -> None:
    async with HostileReplicate([llama(reply=fails_first(1))]) as hostile:
        with pytest.raises(PredictionFailedError):
            await ask(hostile, stream, [{"role": "user", "content": "a" * 6_000_001}])
        assert len(hostile.predictions) == 1


async def test_a_stream_is_not_asked_again_once_text_was_given_out() -> None:
    model = llama(reply=list("abcdef"), run_seconds=6, failure=PA, failure_after=3)
    async with HostileReplicate([model]) as hostile:
        with pytest.raises(PredictionFailedError) as caught:
            await ask(hostile, True)
        assert caught.value.text == "abc"
        assert len(hostile.predictions) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_the_deadline_is_for_all_attempts_together(stream: bool) -> None:
    async with HostileReplicate([llama(reply=fails_first(9), run_seconds=20)]) as hostile:
        with pytest.raises(APIError) as caught:
            await ask(hostile, stream, timeout=30)
        assert caught.value.status_code == 408


@pytest.mark.parametrize("stream", [False, True])
async def test_of_several_answers_only_the_one_that_failed_is_asked_again(stream: bool) -> None:
    async with HostileReplicate([llama(reply=fails_first(1))]) as hostile:
        response = await ask(hostile, stream, n=3)
    assert [choice.message.content for choice in response.choices] == ["fine"] * 3
    assert sorted(run.attempts for run in response.replicate) == [1, 1, 2]
    assert len(hostile.predictions) == 4

"""`stop` on models that have no input for it, or none for such a sequence: whole and streamed, with what that costs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from areplicate import AsyncRouter, CompletionStream, UnsupportedParamsError, stream_to_completion
from areplicate.chat.responses import ModelResponse
from areplicate.local import Faults, LocalModel, LocalReplicate
from areplicate.local.components import language_model_schema
from tests.scripted import calls_tools
from tests.stage import HELLO, LLAMA, llama, nothing_runs, sent, stage

pytestmark = pytest.mark.anyio

BARE, COMMAS, LIST = "some/bare", "some/commas", "some/list"
STEP = (
    "Thought: I look.\nAction: search\nObservation: it is made up, and so is all that follows, for very long."
)
CUT = "Thought: I look.\nAction: search"
OBSERVATION = "\nObservation:"
TOOL: Any = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}


def model(name: str = BARE, reply: Any = STEP, *, stop: Any = None, **options: Any) -> LocalModel:
    owner, name = name.split("/")
    inputs = {"max_tokens": {"type": "integer"}, **({} if stop is None else {"stop": stop})}
    return LocalModel(
        owner=owner, name=name, reply=reply, schema=language_model_schema(inputs, "list"), **options
    )


MODELS = (
    model(),
    model(COMMAS, stop={"type": "string"}),
    model(LIST, stop={"type": "array", "items": {"type": "string"}}),
    llama(reply=STEP),
)


async def ask(router: AsyncRouter, streamed: bool, model: str = BARE, **params: Any) -> ModelResponse:
    if not streamed:
        response: ModelResponse = await router.acompletion(model, HELLO, **params)
        return response
    usage = {"include_usage": True}
    stream: CompletionStream = await router.acompletion(
        model, HELLO, stream=True, stream_options=usage, **params
    )
    return await stream_to_completion(stream)


def input_of(local: LocalReplicate) -> dict[str, Any]:
    input: dict[str, Any] = sent(local)[-1]["input"]
    return input


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("name", "params", "taken", "emulated"),
    [
        (BARE, {"stop": OBSERVATION}, None, ["stop"]),
        (BARE, {"stop": ["x", OBSERVATION], "drop_params": True}, None, ["stop"]),
        (BARE, {"stop_words": f"x,{OBSERVATION}"}, None, ["stop"]),
        (COMMAS, {"stop": ["a, b", OBSERVATION]}, OBSERVATION, ["stop"]),
        (COMMAS, {"stop": ["x", OBSERVATION]}, f"x,{OBSERVATION}", None),
        (LIST, {"stop": ["a, b", OBSERVATION]}, ["a, b", OBSERVATION], None),
    ],
)
async def test_the_answer_ends_before_the_first_sequence(
    name: str, params: dict[str, Any], taken: Any, emulated: list[str] | None, streamed: bool
) -> None:
    async with stage(*MODELS) as (local, router):
        for count in (1, 2):
            response = await ask(router, streamed, name, n=count, **params)
            assert [(each.message.content, each.finish_reason) for each in response.choices] == [
                (CUT, "stop")
            ] * count
            ends = [(run.emulated, run.stop_sequence) for run in response.replicate]
            assert ends == [(emulated, OBSERVATION)] * count
            assert input_of(local).get("stop") == taken and "stop_words" not in input_of(local)


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_without_a_sequence_is_whole(streamed: bool) -> None:
    async with stage(model(reply="It is so. Obs")) as (_, router):
        for stop in ("Observation:", ["Observation:", ""]):
            response = await ask(router, streamed, stop=stop)
            assert response.choices[0].message.content == "It is so. Obs"
            assert response.replicate[0].stop_sequence is None and not response.usage.estimated
        cut_off = await ask(router, streamed, stop="Observation:", max_tokens=3)
        assert cut_off.choices[0].finish_reason == "length"
        nothing = await ask(router, streamed, stop=[""])
        assert nothing.replicate[0].emulated is None


async def test_a_stream_is_paid_until_the_sequence_and_no_further() -> None:
    async with stage(model(run_seconds=100)) as (local, router):
        stream = await router.acompletion(
            BARE, HELLO, stop=OBSERVATION, stream=True, n=2, stream_options={"include_usage": True}
        )
        response = await stream_to_completion(stream)
        assert [each.message.content for each in response.choices] == [CUT, CUT]
        assert [each.status for each in local.predictions.values()] == ["canceled", "canceled"]
        assert len(sent(local)) == 2 and not local.running()
        for run in response.replicate:
            assert run.usage is not None and run.usage.estimated
            assert 5 <= run.usage.completion_tokens < 12 and 20 < (run.predict_s or 0) < 50
        assert response.usage.completion_tokens == sum(
            run.usage.completion_tokens for run in response.replicate if run.usage is not None
        )


async def test_the_end_does_not_wait_for_a_prediction_that_cannot_be_cancelled_yet() -> None:
    async with stage(model(run_seconds=100), faults=Faults(cancel_error=1.0)) as (local, router):
        stream = await router.acompletion(BARE, HELLO, stop=OBSERVATION, stream=True)
        response = await stream_to_completion(stream)
        assert response.choices[0].message.content == CUT and response.usage.estimated
        [prediction] = local.predictions.values()
        assert prediction.status == "processing" and prediction.clock.now() - prediction.created < 40
        local.faults = Faults()
        assert await nothing_runs(local, within=60)


async def test_leaving_a_stream_that_is_being_cut_leaves_nothing_running() -> None:
    async with stage(model(run_seconds=100)) as (local, router):
        async with await router.acompletion(BARE, HELLO, stop=OBSERVATION, stream=True) as stream:
            async for chunk in stream:
                if "search" in (chunk.choices[0].delta.content or ""):
                    break
        assert await nothing_runs(local)


@pytest.mark.parametrize("streamed", [False, True])
async def test_reasoning_is_not_cut(streamed: bool) -> None:
    reply = f"<think>\nThe format is {OBSERVATION} and so on.\n</think>\n\n{STEP}"
    async with stage(model("deepseek-ai/deepseek-r1", reply), model(reply=reply)) as (_, router):
        for name in ("deepseek-ai/deepseek-r1", BARE):
            message = (await ask(router, streamed, name, stop=OBSERVATION)).choices[0].message
            assert message.content == CUT
            assert message.reasoning_content == f"The format is {OBSERVATION} and so on."


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_call_of_a_tool_is_not_cut_and_text_is(streamed: bool) -> None:
    arguments = {"query": f"what is {OBSERVATION}"}
    calls = calls_tools(("search", arguments), then="")
    async with stage(
        model(reply=lambda input: f"I look. {calls(input)} Well.{OBSERVATION} it is {calls(input)}")
    ) as (_, router):
        response = await ask(router, streamed, stop=OBSERVATION, tools=[TOOL])
        [call] = response.choices[0].message.tool_calls or []
        assert json.loads(call.function.arguments) == arguments
        assert response.choices[0].message.content == "I look.  Well."
        assert response.choices[0].finish_reason == "tool_calls"
        assert response.replicate[0].emulated == ["tools", "stop"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_json_that_is_cut_is_what_was_asked_for(streamed: bool) -> None:
    async with stage(model(reply='{"name": "Ada", "notes": "END of it", "age": 36}')) as (local, router):
        response = await ask(router, streamed, stop="END", response_format={"type": "json_object"})
        assert response.choices[0].message.content == '{"name":"Ada","notes":'
        assert response.choices[0].finish_reason == "stop" and len(sent(local)) == 1


async def test_without_emulation_it_is_refused_or_dropped() -> None:
    async with stage(*MODELS) as (_, router):
        for name in (BARE, COMMAS):
            with pytest.raises(UnsupportedParamsError, match="stop"):
                await ask(router, False, name, stop=["a,b"], emulate=False)
        response = await ask(router, False, stop=OBSERVATION, emulate=False, drop_params=True)
        assert response.choices[0].message.content == STEP and response.replicate[0].emulated is None


async def test_a_mocked_answer_ends_there_too() -> None:
    async with AsyncRouter() as router:
        for streamed in (False, True):
            response = await ask(router, streamed, LLAMA, stop=[OBSERVATION], mock_response=STEP)
            assert response.choices[0].message.content == CUT

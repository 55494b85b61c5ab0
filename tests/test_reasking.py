"""Tools and structured output on models that have neither, whole and streamed, with what that costs."""

from __future__ import annotations

import datetime
import json
import pickle
from typing import Any

import pydantic
import pytest

from areplicate import (
    AnswerMisfitError,
    AsyncRouter,
    BadRequestError,
    CompletionStream,
    Timeout,
    stream_to_completion,
)
from areplicate.chat.responses import ModelResponse
from areplicate.errors import UnsupportedParamsError
from areplicate.local import LocalModel
from areplicate.local.components import language_model_schema
from tests.scripted import NOTATIONS, calls_tools, wrong_then_right
from tests.stage import LLAMA, llama, nothing_runs, sent, stage

pytestmark = pytest.mark.anyio

HI: Any = [{"role": "user", "content": "How is the weather in Paris?"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PARIS = ("get_weather", {"city": "Paris"})
ADA = {"name": "Ada", "age": 36}
PERSON: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "person",
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
            "required": ["name", "age"],
        },
    },
}


async def ask(router: AsyncRouter, streamed: bool, messages: Any = HI, **params: Any) -> ModelResponse:
    if not streamed:
        response: ModelResponse = await router.acompletion(LLAMA, messages, **params)
        return response
    stream: CompletionStream = await router.acompletion(
        LLAMA, messages, stream=True, stream_options={"include_usage": True}, **params
    )
    return await stream_to_completion(stream)


def result_of(response: ModelResponse, text: str) -> Any:
    """The conversation with the results of the calls in a response."""
    calls = response.choices[0].message.tool_calls or []
    results = [{"role": "tool", "tool_call_id": call.id, "content": text} for call in calls]
    return [*HI, response.choices[0].message, *results]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_reasoner_that_calls_within_its_thought_has_called(streamed: bool) -> None:
    call = '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>'
    thinker = LocalModel(owner="qwen", name="qwen3-32b", reply=f"<think>I look.\n{call}")
    async with stage(thinker) as (local, router):
        answered: Any = await router.acompletion("qwen/qwen3-32b", HI, tools=[WEATHER], stream=streamed)
        response = await stream_to_completion(answered) if streamed else answered
    [called] = response.choices[0].message.tool_calls or []
    assert (called.function.name, called.function.arguments) == ("get_weather", '{"city":"Paris"}')
    assert response.choices[0].finish_reason == "tool_calls"
    assert len(local.predictions) == 1


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("notation", NOTATIONS)
async def test_a_tool_is_called_and_its_result_answered(notation: str, streamed: bool) -> None:
    script = calls_tools(PARIS, then="It is sunny.", notation=notation)
    async with stage(llama(reply=script)) as (local, router):
        first = await ask(router, streamed, tools=[WEATHER])
        [call] = first.choices[0].message.tool_calls or []
        assert (call.function.name, json.loads(call.function.arguments)) == PARIS
        assert first.choices[0].finish_reason == "tool_calls" and first.choices[0].message.content is None
        assert first.replicate[0].emulated == ["tools"]

        second = await ask(router, streamed, result_of(first, "sunny"), tools=[WEATHER])
        assert second.choices[0].message.content == "It is sunny."
        assert second.choices[0].finish_reason == "stop"
        assert "tools" not in sent(local)[0]["input"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_functions_are_answered_as_the_older_api_has_it(streamed: bool) -> None:
    """Clients that send `functions`, such as openai 0.28, read no `tool_calls`."""
    script = calls_tools([PARIS, ("get_weather", {"city": "Oslo"})], then="It is sunny.")
    functions = [WEATHER["function"]]
    async with stage(llama(reply=script)) as (_, router):
        first = await ask(router, streamed, functions=functions)
        [choice] = first.choices
        called = choice.message.function_call
        assert called is not None and (called.name, json.loads(called.arguments)) == PARIS
        assert (choice.finish_reason, choice.message.content) == ("function_call", None)
        assert choice.message.tool_calls is None and "tool_calls" not in choice.message.model_dump_json(
            exclude_none=True
        )

        result = {"role": "function", "name": "get_weather", "content": "sunny"}
        second = await ask(router, streamed, [*HI, choice.message, result], functions=functions)
        assert second.choices[0].message.content == "It is sunny."
        named = await ask(router, streamed, functions=functions, function_call={"name": "get_weather"})
        assert named.choices[0].finish_reason == "function_call"


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_call_that_does_not_fit_is_asked_for_again(streamed: bool) -> None:
    wrong = NOTATIONS["hermes"]([("get_weather", {"town": "Paris"})])
    right = NOTATIONS["hermes"]([PARIS])
    async with stage(llama(reply=wrong_then_right(wrong, right))) as (local, router):
        response = await ask(router, streamed, tools=[WEATHER])
        [call] = response.choices[0].message.tool_calls or []
        assert json.loads(call.function.arguments) == {"city": "Paris"}
        prompt = sent(local)[1]["input"]["prompt"]
        assert '"city" is a required property' in prompt and wrong in prompt

        assert len(response.replicate) == 2
        usages = [run.usage for run in response.replicate if run.usage is not None]
        assert response.usage.prompt_tokens == sum(usage.prompt_tokens for usage in usages)
        assert response.usage.completion_tokens == sum(usage.completion_tokens for usage in usages)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_call_that_never_fits_is_given_to_the_caller_whose_own_check_tells_the_model(
    streamed: bool,
) -> None:
    """An agent's session ended with an error, after ten paid predictions, where the agent corrects its model."""
    paris, town = PARIS, ("get_weather", {"town": "Paris"})

    def corrected_by_the_agent(input: dict[str, Any]) -> str:
        called = [paris] if "there is no town" in input["prompt"] else [town]
        return NOTATIONS["hermes"](called)

    async with stage(llama(reply=corrected_by_the_agent)) as (_, router):
        first = await ask(router, streamed, tools=[WEATHER])
        [call] = first.choices[0].message.tool_calls or []
        assert json.loads(call.function.arguments) == {"town": "Paris"}
        assert first.choices[0].finish_reason == "tool_calls" and len(first.replicate) == 2
        second = await ask(router, streamed, result_of(first, "there is no town"), tools=[WEATHER])
        [call] = second.choices[0].message.tool_calls or []
        assert json.loads(call.function.arguments) == {"city": "Paris"}

        strict = {"type": "function", "function": {**WEATHER["function"], "strict": True}}
        with pytest.raises(AnswerMisfitError, match='"city" is a required property'):
            await ask(router, streamed, tools=[strict])


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("choice", ["auto", "required"])
@pytest.mark.parametrize(
    ("name", "arguments"), [("fly", '{"to": "Paris"}'), ("fly", "to Paris"), ("get_weather", "of Paris")]
)
async def test_a_call_that_the_caller_can_refuse_is_given_out(
    name: str, arguments: str, choice: str, streamed: bool
) -> None:
    """An agent tells its model that there is no such tool; an error would end the agent's work."""
    given = arguments if arguments.startswith("{") else json.dumps(arguments)
    wrong = f'<tool_call>{{"name": "{name}", "arguments": {given}}}</tool_call>'

    def corrected_by_the_agent(input: dict[str, Any]) -> str:
        return NOTATIONS["hermes"]([PARIS]) if "no such call" in input["prompt"] else wrong

    async with stage(llama(reply=corrected_by_the_agent)) as (_, router):
        first = await ask(router, streamed, tools=[WEATHER], tool_choice=choice)
        [call] = first.choices[0].message.tool_calls or []
        assert (call.function.name, call.function.arguments) == (name, arguments)
        assert first.choices[0].finish_reason == "tool_calls" and len(first.replicate) == 2
        second = await ask(router, streamed, result_of(first, "no such call"), tools=[WEATHER])
        [call] = second.choices[0].message.tool_calls or []
        assert call.function.name == "get_weather" and len(second.replicate) == 1


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("wrong", ["broken", '{"name": "get_weather", "arguments": 1}'])
async def test_what_is_no_call_of_a_tool_is_never_given_out(wrong: str, streamed: bool) -> None:
    async with stage(llama(reply=f"<tool_call>{wrong}")) as (local, router):
        with pytest.raises(AnswerMisfitError, match="does not fit"):
            await ask(router, streamed, tools=[WEATHER])
        assert len(sent(local)) == 2


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("wrong", ['{"name": "Ada", "age": "old"}', '{"name": "Ada"', "I would rather not."])
async def test_json_that_does_not_fit_is_asked_for_again(wrong: str, streamed: bool) -> None:
    right = f"Sure:\n```json\n{json.dumps(ADA)}\n```"
    async with stage(llama(reply=wrong_then_right(wrong, right))) as (local, router):
        response = await ask(router, streamed, response_format=PERSON)
        assert json.loads(response.choices[0].message.content or "") == ADA
        assert response.replicate[0].emulated == ["response_format"]
        assert len(response.replicate) == len(sent(local)) == 2


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_that_never_fits_is_an_error_with_its_text(streamed: bool) -> None:
    async with stage(llama(reply='{"name": "Ada"}')) as (local, router):
        with pytest.raises(AnswerMisfitError, match='"age" is a required property') as caught:
            await ask(router, streamed, response_format=PERSON)
        assert caught.value.text == '{"name": "Ada"}'
        assert caught.value.prediction_id and caught.value.model == LLAMA
        paid = [run.prediction_id for run in caught.value.replicate]
        assert sorted(paid) == sorted(local.predictions) and caught.value.prediction_id == paid[-1]
        assert all(run.usage.completion_tokens for run in pickle.loads(pickle.dumps(caught.value)).replicate)
        assert len(sent(local)) == 2


async def test_a_stream_is_a_prefix_of_the_json_all_along() -> None:
    pieces = ["Here it is: ", '{"na', 'me": ', '"A', 'da", "ag', 'e": 3', "6} ", "Bye!"]
    async with stage(llama(reply=pieces, run_seconds=8)) as (_, router):
        given = ""
        async for chunk in await router.acompletion(LLAMA, HI, stream=True, response_format=PERSON):
            given += chunk.choices[0].delta.content or ""
            assert '{"name":"Ada","age":36}'.startswith(given)
    assert json.loads(given) == ADA


async def test_each_of_several_answers_is_held_to_it() -> None:
    replies = iter([json.dumps(ADA), "nonsense", json.dumps(ADA)])
    async with stage(llama(reply=lambda input: next(replies))) as (_, router):
        response = await router.acompletion(LLAMA, HI, n=2, response_format=PERSON)
    assert [json.loads(choice.message.content or "") for choice in response.choices] == [ADA, ADA]
    assert [choice.index for choice in response.choices] == [0, 1] and len(response.replicate) == 3


async def test_several_streamed_answers_keep_their_places() -> None:
    async with stage(llama(reply=wrong_then_right("nonsense", json.dumps(ADA)))) as (_, router):
        stream = await router.acompletion(LLAMA, HI, n=2, stream=True, response_format=PERSON)
        response = await stream_to_completion(stream)
    assert [json.loads(choice.message.content or "") for choice in response.choices] == [ADA, ADA]
    assert len(response.replicate) == 4


async def test_text_streams_until_a_call_begins() -> None:
    pieces = [
        "Let ",
        "me ",
        "see. ",
        "<tool",
        '_call>{"name": "get_weather", ',
        '"arguments": {"city": "Paris"}}',
    ]
    async with stage(llama(reply=pieces, run_seconds=6)) as (_, router):
        stream = await router.acompletion(LLAMA, HI, stream=True, tools=[WEATHER])
        deltas = [chunk.choices[0].delta async for chunk in stream]
    assert [delta.content for delta in deltas if delta.content] == ["Let ", "me ", "see. "]
    assert [call.function.name for delta in deltas for call in delta.tool_calls or ()] == ["get_weather"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_limit_that_cuts_json_off_is_a_length_and_no_error(streamed: bool) -> None:
    async with stage(llama(reply=['{"name"', ': "A'], run_seconds=1)) as (local, router):
        response = await ask(router, streamed, response_format=PERSON, max_tokens=2)
    assert response.choices[0].finish_reason == "length"
    assert response.choices[0].message.content == '{"name":"A'
    assert len(sent(local)) == 1


async def test_leaving_the_stream_while_it_asks_again_cancels_what_runs() -> None:
    replies = iter(["nonsense", ["{", '"name"'] + [" "] * 50])
    async with stage(llama(reply=lambda input: next(replies), run_seconds=60)) as (local, router):
        stream = await router.acompletion(LLAMA, HI, stream=True, response_format=PERSON)
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.aclose()
        assert await nothing_runs(local)
        assert local.counts["cancel"] == 1


async def test_the_deadline_is_for_all_attempts_together() -> None:
    async with stage(llama(reply="nonsense", run_seconds=20)) as (_, router):
        with pytest.raises(Timeout):
            await router.acompletion(LLAMA, HI, response_format=PERSON, timeout=30)


async def test_without_emulation_it_is_refused_before_anything_is_sent() -> None:
    async with stage() as (local, router):
        for params in ({"tools": [WEATHER]}, {"response_format": PERSON}):
            with pytest.raises(UnsupportedParamsError):
                await router.acompletion(LLAMA, HI, emulate=False, **params)
            await router.acompletion(LLAMA, HI, emulate=False, drop_params=True, **params)
        assert len(sent(local)) == 2


async def test_a_wrong_tool_is_refused_before_anything_is_sent() -> None:
    async with stage() as (local, router):
        broken = {"type": "function", "function": {"name": "f", "parameters": {"type": "strange"}}}
        with pytest.raises(BadRequestError, match="JSON Schema cannot be used"):
            await router.acompletion(LLAMA, HI, tools=[broken])
        assert not sent(local)


async def test_a_model_with_an_input_for_tools_is_given_them_there() -> None:
    properties: Any = {
        "tools": {"type": "array", "items": {"type": "object"}},
        "system_prompt": {"type": "string"},
    }
    model = LocalModel(
        owner="acme",
        name="takes-tools",
        schema=language_model_schema(properties),
        reply=calls_tools(PARIS, then="It is sunny."),
    )
    async with stage(model) as (local, router):
        response = await router.acompletion("acme/takes-tools", HI, tools=[WEATHER])
        assert response.choices[0].message.tool_calls and response.replicate[0].emulated is None
        assert sent(local)[0]["input"]["tools"] == [WEATHER]


async def test_fallbacks_and_balancing_hold_the_answer_to_it_as_well() -> None:
    models = [llama(reply="nonsense"), LocalModel(owner="acme", name="good", reply=json.dumps(ADA))]
    lists = [
        {"model_name": "bad", "litellm_params": {"model": LLAMA}},
        {"model_name": "good", "litellm_params": {"model": "acme/good"}},
    ]
    async with stage(*models, router={"model_list": lists, "fallbacks": [{"bad": ["good"]}]}) as (_, router):
        response = await router.acompletion("bad", HI, response_format=PERSON)
        assert json.loads(response.choices[0].message.content or "") == ADA


class Person(pydantic.BaseModel):
    name: str
    age: int


async def test_parse_gives_an_object_of_the_class() -> None:
    async with stage(llama(reply=wrong_then_right("nonsense", f"Here:\n{json.dumps(ADA)}"))) as (_, router):
        found = await router.aparse(LLAMA, HI, Person)
        assert found.parsed == Person(name="Ada", age=36) and len(found.response.replicate) == 2


async def test_parse_of_what_a_limit_cut_off_is_an_error_with_the_text() -> None:
    async with stage(llama(reply=['{"name"', ': "A'], run_seconds=1)) as (_, router):
        with pytest.raises(AnswerMisfitError, match="The answer is not a Person") as caught:
            await router.aparse(LLAMA, HI, Person, max_tokens=2)
        assert caught.value.text == '{"name":"A'


@pytest.mark.parametrize("streamed", [False, True])
async def test_calls_and_text_that_a_second_attempt_repeats_are_given_out_once(streamed: bool) -> None:
    right = '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>'
    wrong = f'Let me look. {right}<tool_call>{{"name": "get_weather"}}</tool_call>'
    script = wrong_then_right(wrong, f"Let me look. {right}{right.replace('Paris', 'Oslo')}")
    async with stage(llama(reply=script)) as (_, router):
        message = (await ask(router, streamed, tools=[WEATHER])).choices[0].message
    calls = [json.loads(call.function.arguments)["city"] for call in message.tool_calls or []]
    assert calls == ["Paris", "Oslo"]
    if not streamed:  # what was streamed cannot be taken back
        assert message.content == "Let me look. "


class Booking(pydantic.BaseModel):
    day: datetime.date
    guests: int

    @pydantic.field_validator("guests")
    @classmethod
    def even(cls, guests: int) -> int:
        if guests % 2:
            raise ValueError("only pairs of guests")
        return guests


@pytest.mark.parametrize(
    "wrong", ['{"day": "soon", "guests": 2}', '{"day": "2026-11-25", "guests": 3}'], ids=["format", "class"]
)
async def test_what_the_class_refuses_is_asked_for_again_with_its_reasons(wrong: str) -> None:
    script = wrong_then_right(wrong, '{"day": "2026-11-25", "guests": 4}')
    async with stage(llama(reply=script)) as (local, router):
        answer = await router.aparse(LLAMA, HI, Booking)
        assert answer.parsed == Booking(day=datetime.date(2026, 11, 25), guests=4)
        assert len(sent(local)) == 2
        if "3" in wrong:
            assert "only pairs of guests" in str(sent(local)[1])

"""What a call brings reaches the prompt: a template's values, tools in the family's own form, tokens."""

from __future__ import annotations

from typing import Any

import pytest

from areplicate import Message, register_prompt_template, stream_to_completion
from areplicate.local import LocalDeployment, LocalModel
from areplicate.local.components import language_model_schema
from tests.stage import sent, stage

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_templates")]

HI = [{"role": "user", "content": "Hi"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "clock",
        "description": "The time.",
        "parameters": {"type": "object", "properties": {}},
    },
}
CALL = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
HISTORY = [
    *HI,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "noon"},
]


async def input_of(model: str, messages: Any, reply: str = "Hello.", **given: Any) -> dict[str, Any]:
    """What the model is sent."""
    owner, name = model.split("/")
    async with stage(LocalModel(owner=owner, name=name, reply=reply)) as (local, router):
        await router.acompletion(model=model, messages=messages, **given)
        [body] = sent(local)
    return dict(body["input"])


async def test_what_a_template_reads_is_taken_from_the_call() -> None:
    register_prompt_template(
        "acme/reader",
        chat_template="{{ messages[-1].content }} {{ enable_thinking }} {{ (documents or []) | length }} "
        "{{ tools[0].function.name if tools else 'none' }}",
    )
    assert await input_of("acme/reader", HI, enable_thinking=False, documents=[{"text": "a"}]) == {
        "prompt": "Hi False 1 none"
    }
    inputs = await input_of("acme/reader", HI, enable_thinking=True, tools=[TOOL])
    assert inputs["prompt"] == "Hi True 0 clock"


async def test_a_call_s_own_template_counts_more_than_the_registered_one() -> None:
    register_prompt_template("acme/reader", final_prompt_value="registered")
    assert (await input_of("acme/reader", HI))["prompt"] == "Hiregistered"
    roles = {"user": {"pre_message": "Q: ", "post_message": "\n"}}
    own = await input_of("acme/reader", HI, roles=roles, final_prompt_value="A:")
    assert own["prompt"] == "Q: Hi\nA:"


async def test_a_registered_template_that_has_no_tools_gets_them_in_words() -> None:
    register_prompt_template(
        "acme/reader", chat_template="{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    assert "<tools>" in (await input_of("acme/reader", HI, tools=[TOOL]))["prompt"]


async def test_tools_are_told_and_remembered_as_the_family_reads_them() -> None:
    prompt = (await input_of("acme/qwen3-8b", HISTORY, tools=[TOOL]))["prompt"]
    assert prompt.startswith("<|im_start|>system\n# Tools\n\nYou may call one or more functions")
    assert prompt.endswith(
        '<|im_start|>assistant\n<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\nnoon\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
    )
    llama = (await input_of("acme/llama-3.1-8b-instruct", HISTORY, tools=[TOOL]))["prompt"]
    assert "Environment: ipython" in llama and '{"name": "clock", "parameters": {}}<|eot_id|>' in llama


async def test_a_call_that_is_required_is_asked_for_in_words_too() -> None:
    call = '<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call>'
    for choice in ("auto", "required"):
        prompt = (await input_of("acme/qwen3-8b", HI, reply=call, tools=[TOOL], tool_choice=choice))["prompt"]
        assert ("Call clock now" in prompt) == (choice == "required")


async def test_a_family_without_a_form_is_told_in_words() -> None:
    prompt = (await input_of("acme/vicuna-13b", HISTORY, tools=[TOOL]))["prompt"]
    assert '<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call>' in prompt and "noon" in prompt


async def test_a_token_alone_opens_the_model_s_own_format() -> None:
    model = "meta/meta-llama-3-8b-instruct"
    bare = (await input_of(model, HI))["prompt"]
    opened = (await input_of(model, HI, bos_token="<|begin_of_text|>"))["prompt"]
    assert opened == f"<|begin_of_text|>{bare}"
    register_prompt_template(model, bos_token="<s>")
    assert (await input_of(model, HI))["prompt"] == f"<s>{bare}"


THOUGHT = "Hm.\n</think>\n\nNoon."


@pytest.mark.parametrize(
    ("model", "mark"),
    [
        ("x/qwq-32b", "think"),
        ("x/deepseek-r1-distill-llama-70b", "think"),
        ("x/qwen3-4b-thinking-2507", "think"),
        ("x/glm-5", "think"),
        ("x/olmo-3-7b-think", "think"),
        ("x/exaone-deep-32b", "thought"),
    ],
)
@pytest.mark.parametrize("again", ["", "<{}>\n"])
async def test_an_answer_goes_on_with_the_thought_that_its_prompt_has_opened(
    model: str, mark: str, again: str
) -> None:
    owner, name = model.split("/")
    reply = again.format(mark) + f"Hm.\n</{mark}>\n\nNoon."
    async with stage(LocalModel(owner=owner, name=name, reply=reply)) as (local, router):
        whole = await router.acompletion(model, HI)
        streamed = await stream_to_completion(await router.acompletion(model, HI, stream=True))
        called = await router.acompletion(model, HI, tools=[TOOL], stop=["Never"])
        assert all(body["input"]["prompt"].rstrip().endswith(f"<{mark}>") for body in sent(local))
    for response in (whole, streamed, called):
        message = response.choices[0].message
        assert (message.reasoning_content, message.content) == ("Hm.", "Noon.")


async def test_what_was_thought_since_the_last_question_is_given_back() -> None:
    thinking = {"role": "assistant", "content": None, "reasoning_content": "I look.", "tool_calls": [CALL]}
    since = [*HI, thinking, HISTORY[-1]]
    later = [*since, {"role": "assistant", "content": "Noon."}, *HI]
    assert "<think>\nI look.\n</think>" in (await input_of("x/qwen3-8b", since, tools=[TOOL]))["prompt"]
    assert "I look." not in (await input_of("x/qwen3-8b", later, tools=[TOOL]))["prompt"]
    assert "I look." not in (await input_of("x/qwen2.5-7b-instruct", since, tools=[TOOL]))["prompt"]
    register_prompt_template(
        "x/mine", chat_template="{% for m in messages %}{{ m.reasoning_content }}|{% endfor %}"
    )
    assert await input_of("x/mine", since) == {"prompt": "|I look.||"}


@pytest.mark.parametrize("model", ["x/gpt-oss-20b", "deployments/x/mine"])
async def test_gpt_oss_thinks_and_calls_in_channels_of_their_own(model: str) -> None:
    def reply(input: dict[str, Any]) -> str:
        called = "<|channel|>commentary to=functions.clock <|constrain|>json<|message|>{}<|call|>"
        said = "<|channel|>final<|message|>Noon."
        end = called if "namespace functions" in input["prompt"] else said
        return f"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant{end}"

    oss = LocalModel(owner="x", name="gpt-oss-20b", reply=reply)
    mine = LocalDeployment(owner="x", name="mine", model="x/gpt-oss-20b")
    async with stage(oss, deployments=[mine]) as (_, router):

        async def ask(stream: bool, **options: Any) -> Message:
            answered: Any = await router.acompletion(model, HI, stream=stream, **options)
            response: Any = await stream_to_completion(answered) if stream else answered
            return response.choices[0].message  # type: ignore[no-any-return]

        for stream in (False, True):
            message = await ask(stream)
            assert (message.reasoning_content, message.content) == ("Hm.", "Noon.")
            message = await ask(stream, tools=[TOOL])
            assert (message.reasoning_content, message.content) == ("Hm.", None)
            assert [call.function.name for call in message.tool_calls or ()] == ["clock"]


async def test_a_thought_that_the_caller_begins_is_gone_on_with() -> None:
    async with stage(LocalModel(owner="x", name="qwen3-8b", reply=THOUGHT)) as (_, router):
        begun = [*HI, {"role": "assistant", "content": "<think>\nLet me see:"}]
        response = await router.acompletion("x/qwen3-8b", begun)
        assert response.choices[0].message.reasoning_content == "Hm."
        closed = [*HI, {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nIt is"}]
        response = await router.acompletion("x/qwen3-8b", closed)
        assert response.choices[0].message.content == THOUGHT


async def test_a_server_that_writes_the_format_decides_where_a_thought_begins() -> None:
    server = LocalModel(
        owner="x",
        name="qwq-32b",
        reply="Noon.",
        schema=language_model_schema({"system_prompt": {"type": "string"}}),
    )
    async with stage(server) as (local, router):
        response = await router.acompletion("x/qwq-32b", [{"role": "user", "content": "What is <think>"}])
        assert sent(local)[0]["input"]["prompt"] == "What is <think>"
    assert response.choices[0].message.content == "Noon."

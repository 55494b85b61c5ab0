"""Several turns for models whose server puts a template of its own around the prompt.

Each server here is written down as it formats a system text and a prompt. What it makes of our input
must be what the model was trained on: the conversation in the model's own format.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from areplicate.chat.conversation import Prompting
from areplicate.chat.formats.families import FAMILIES
from areplicate.chat.inputs import build_input
from areplicate.chat.messages import read_messages
from areplicate.chat.schemas import catalogue
from areplicate.chat.schemas.schema import ModelSchema, from_openapi

Server = Callable[[str, str], str]

STRING = {"type": "string"}
WRAPS = {"prompt": STRING, "system_prompt": STRING}

SERVERS: dict[str, tuple[str, Server, str, str]] = {
    # model, server, how the format goes on after its first user message, how it ends
    "llama-3": (
        "someone/llama-3-8b-instruct",
        lambda system, prompt: (
            f"<|start_header_id|>system<|end_header_id|>\n\n{system}<|eot_id|>"
            f"<|start_header_id|>user<|end_header_id|>\n\n{prompt}<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n"
        ),
        "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n",
    ),
    "llama-2": (
        "someone/llama-2-7b-chat",
        lambda system, prompt: f"[INST] <<SYS>>\n{system}\n<</SYS>>\n\n{prompt} [/INST]",
        " [/INST] ",
        " </s><s>[INST] ",
    ),
    "mistral": (
        "someone/mistral-7b-instruct-v0.2",
        lambda system, prompt: f"[INST] {system}\n\n{prompt} [/INST]",
        " [/INST] ",
        "</s> [INST] ",
    ),
    "chatml": (
        "someone/qwen2-7b-instruct",
        lambda system, prompt: (
            f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{prompt}<|im_end|>\n"
            "<|im_start|>assistant\n"
        ),
        "<|im_end|>\n<|im_start|>assistant\n",
        "<|im_end|>\n<|im_start|>user\n",
    ),
    "gemma": (
        "someone/gemma-2-9b-it",
        lambda system, prompt: (
            f"<start_of_turn>user\n{system}\n\n{prompt}<end_of_turn>\n<start_of_turn>model\n"
        ),
        "<end_of_turn>\n<start_of_turn>model\n",
        "<end_of_turn>\n<start_of_turn>user\n",
    ),
}


def schema(**properties: Any) -> ModelSchema:
    return from_openapi({"Input": {"properties": properties}})


texts = st.text(min_size=1, max_size=20).map(str.strip).filter(bool)
turns = st.lists(st.tuples(texts, texts), max_size=3)


@pytest.mark.parametrize("family", SERVERS)
@given(system=texts, earlier=turns, last=texts)
def test_wrapped_again_the_whole_is_the_model_s_own_format(
    family: str, system: str, earlier: list[tuple[str, str]], last: str
) -> None:
    model, server, to_assistant, to_user = SERVERS[family]
    messages = [{"role": "system", "content": system}]
    for question, answer in earlier:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    messages.append({"role": "user", "content": last})

    fields = build_input(messages, {}, model=model, schema=schema(**WRAPS)).fields
    assert fields.keys() == {"prompt", "system_prompt"}
    assert fields["system_prompt"] == system

    whole = "".join(q + to_assistant + a + to_user for q, a in earlier) + last
    assert server(fields["system_prompt"], fields["prompt"]) == server(system, whole)


@pytest.mark.parametrize("family", SERVERS)
def test_one_turn_goes_as_it_is(family: str) -> None:
    model = SERVERS[family][0]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    known = schema(**WRAPS)
    assert build_input(messages, {}, model=model, schema=known).fields == {
        "prompt": "Hi",
        "system_prompt": "Be brief.",
    }
    assert build_input(messages[1:], {}, model=model, schema=known).fields == {"prompt": "Hi"}


@pytest.mark.parametrize("name", ["system_prompt", "system_instruction", "system_message", "instructions"])
def test_system_text_goes_where_the_model_takes_it(name: str) -> None:
    messages = [
        {"role": "system", "content": "One."},
        {"role": "developer", "content": "Two."},
        {"role": "user", "content": "Hi"},
    ]
    fields = build_input(messages, {}, model="x/y", schema=schema(prompt=STRING, **{name: STRING})).fields
    assert fields == {"prompt": "Hi", name: "One.\n\nTwo."}


@pytest.mark.parametrize("empty", ["", " \n"])
@pytest.mark.parametrize("name", ["system_prompt", "system_instruction"])
def test_empty_system_text_stands_for_none_where_the_model_has_a_default(name: str, empty: str) -> None:
    messages = [{"role": "system", "content": empty}, {"role": "user", "content": "Hi"}]
    fields = build_input(messages, {}, model="x/y", schema=schema(prompt=STRING, **{name: STRING})).fields
    assert fields == {"prompt": "Hi", name: empty}


@pytest.mark.parametrize("empty", ["", " \n"])
@pytest.mark.parametrize("family", FAMILIES)
def test_empty_system_text_leaves_nothing_in_a_prompt(family: str, empty: str) -> None:
    template = FAMILIES[family].template
    hi, ok, more = ({"role": role, "content": "Hi"} for role in ("user", "assistant", "user"))
    nothing = {"role": "system", "content": empty}
    assert template.render([hi, ok, nothing, more]) == template.render([hi, ok, more])
    wrapped = template.render_within(read_messages([nothing, hi, ok, more]))
    assert wrapped == template.render_within(read_messages([hi, ok, more]))
    takes_the_default_s_place = template.render([nothing, hi]) != template.render([hi])
    assert takes_the_default_s_place == bool(template.system.default)


def test_system_text_can_be_kept_in_the_prompt() -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    fields = build_input(
        messages, {}, model="x/y", schema=schema(**WRAPS), prompting=Prompting(supports_system_prompt=False)
    ).fields
    assert fields == {"prompt": "Be brief.\n\nHi"}


def test_a_system_prompt_given_by_hand_leaves_the_messages_text_in_the_prompt() -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    fields = build_input(messages, {"system_prompt": "Mine."}, model="x/y", schema=schema(**WRAPS)).fields
    assert fields == {"prompt": "Be brief.\n\nHi", "system_prompt": "Mine."}


def test_system_text_alone_is_no_error() -> None:
    messages = [{"role": "system", "content": "Be brief."}]
    fields = build_input(messages, {}, model="x/y", schema=schema(**WRAPS)).fields
    assert fields == {"prompt": "", "system_prompt": "Be brief."}


@pytest.mark.parametrize("family", ["llama-3", "chatml"])
def test_a_conversation_that_ends_with_the_assistant_is_closed_by_the_server(family: str) -> None:
    model, server, to_assistant, _ = SERVERS[family]
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    fields = build_input(messages, {}, model=model, schema=schema(**WRAPS)).fields
    assert server("S", fields["prompt"]) == server("S", f"Hi{to_assistant}Hello")


@pytest.mark.parametrize("family", SERVERS)
@given(roles=st.lists(st.sampled_from(["system", "user", "assistant", "tool"]), min_size=1, max_size=5))
def test_no_order_of_roles_loses_text(family: str, roles: list[str]) -> None:
    messages = [{"role": role, "content": f"<text {i}>"} for i, role in enumerate(roles)]
    fields = build_input(messages, {}, model=SERVERS[family][0], schema=schema(**WRAPS)).fields
    sent = fields.get("system_prompt", "") + fields["prompt"]
    assert all(message["content"] in sent for message in messages)


@pytest.mark.parametrize(
    "model", ["anthropic/claude-4.5-haiku", "google/gemini-2.5-flash", "moonshotai/kimi-k2.6", "x/unheard-of"]
)
def test_where_no_format_is_known_turns_are_written_out(model: str) -> None:
    known = catalogue.find(model) or schema(**WRAPS)
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Bye"},
    ]
    fields = build_input(messages, {}, model=model, schema=known).fields
    assert fields.pop("prompt") == "User: Hi\n\nAssistant: Hello\n\nUser: Bye\n\nAssistant:"
    assert list(fields.values()) == ["Be brief."]
    assert build_input(messages[1:2], {}, model=model, schema=known).fields == {"prompt": "Hi"}


class TestPromptTemplate:
    MESSAGES = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    )
    CHATML = (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )

    def ask(self, model: str, default: str | None, **more: Any) -> dict[str, Any]:
        known = schema(prompt=STRING, prompt_template={"type": "string", "default": default}, **more)
        return build_input(list(self.MESSAGES), {}, model=model, schema=known).fields

    def test_it_is_switched_off_unless_it_adds_nothing(self) -> None:
        template = "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
        whole = {"prompt": self.CHATML, "prompt_template": "{prompt}"}
        assert self.ask("x/qwen2-7b-instruct", template) == whole
        assert self.ask("x/qwen2-7b-instruct", None) == whole
        assert self.ask("x/qwen2-7b-instruct", "{prompt}") == {"prompt": self.CHATML}
        assert self.ask("x/qwen2-7b-instruct", template, system_prompt=STRING) == whole

    def test_it_tells_the_format_where_the_name_does_not(self) -> None:
        template = "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
        assert self.ask("x/unheard-of", template)["prompt"] == self.CHATML

    def test_one_that_nobody_knows_is_left_to_the_server(self) -> None:
        assert self.ask("x/unheard-of", "<<{prompt}>>") == {"prompt": "Be brief.\n\nHi"}
        assert self.ask("x/unheard-of", "<<{system_prompt}|{prompt}>>", system_prompt=STRING) == {
            "prompt": "Hi",
            "system_prompt": "Be brief.",
        }


def test_what_takes_an_image_writes_the_format_itself() -> None:
    image = {"type": "string", "format": "uri"}
    fields = build_input(
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is this?"}],
        {"image": "https://e.com/a.png"},
        model="someone/llava-13b",
        schema=schema(prompt=STRING, image=image),
    ).fields
    assert fields == {"prompt": "Be brief.\n\nWhat is this?", "image": "https://e.com/a.png"}

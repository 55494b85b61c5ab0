"""Chat formats: each family's, as its models were trained on it, and those that users bring."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from areplicate.chat.formats.arrangement import SystemText
from areplicate.chat.formats.families import FAMILIES, family_of
from areplicate.chat.formats.format import PromptTemplate
from areplicate.chat.formats.templates import (
    inline_template,
    make_template,
    register_prompt_template,
    registered_template,
)
from areplicate.chat.formats.tool_format import Turn
from areplicate.chat.messages import InputMessage
from areplicate.errors import BadRequestError

pytestmark = pytest.mark.usefixtures("no_templates")

CONVERSATION = [
    {"role": "system", "content": "SYS"},
    {"role": "user", "content": "U1"},
    {"role": "assistant", "content": "A1"},
    {"role": "user", "content": "U2"},
]


def template_for(model: str) -> PromptTemplate:
    """The template that a call of the model gets, as far as its name decides."""
    return registered_template(model) or family_of(model).template


HASH = "2796ee9483c3fd7aa2e171d38f4ca12251a30609463dcfd4cd76703f22e96cdf"


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("replicate/meta/meta-llama-3-8b-instruct", "llama-3"),
        ("meta/meta-llama-3.1-405b-instruct", "llama-3.1"),
        ("meta/llama-3.3-70b-instruct", "llama-3.1"),
        ("meta/llama-4-maverick-instruct", "llama-4"),
        ("meta/meta-llama-3-8b", "plain"),
        (f"replicate/llama-2-70b-chat:{HASH}", "llama-2"),
        (f"a16z-infra/llama-2-13b-chat:{HASH}", "llama-2"),
        ("meta/codellama-34b-instruct", "llama-2"),
        ("meta/codellama-70b-instruct", "codellama-70b"),
        ("meta/codellama-13b-python", "plain"),
        ("meta/llama-2-13b", "plain"),
        (f"replicate/vicuna-13b:{HASH}", "vicuna"),
        (f"replicate/daanelson/flan-t5-large:{HASH}", "plain"),
        ("deployments/ishaan-jaff/ishaan-mistral", "mistral"),
        ("mistralai/mistral-7b-instruct-v0.2", "mistral"),
        ("mistralai/mixtral-8x7b-instruct-v0.1", "mistral"),
        ("mistralai/mistral-7b-instruct-v0.3", "mistral-v3"),
        ("mistralai/mistral-nemo-instruct-2407", "mistral-tekken"),
        ("mistralai/mistral-7b-v0.1", "plain"),
        ("mistralai/mixtral-8x7b-v0.1", "plain"),
        ("nateraw/mistral-7b-openorca", "chatml"),
        ("lucataco/hermes-2-pro-llama-3-70b", "hermes"),
        ("lucataco/dolphin-2.9-llama3-8b", "chatml"),
        ("nateraw/nous-hermes-llama2-awq", "alpaca"),
        ("qwen/qwen3-235b-a22b-instruct-2507", "qwen-3-next"),
        ("01-ai/yi-34b-chat", "chatml"),
        ("01-ai/yi-34b", "plain"),
        ("google-deepmind/gemma-2-2b-it", "gemma"),
        ("google-deepmind/gemma-2-2b", "plain"),
        ("google/gemma-3-27b-it", "gemma"),
        ("microsoft/phi-3-mini-4k-instruct", "phi-3"),
        ("microsoft/phi-4", "phi-4"),
        ("nateraw/zephyr-7b-beta", "zephyr"),
        ("lucataco/tinyllama-1.1b-chat-v1.0", "zephyr"),
        ("joehoover/falcon-40b-instruct", "falcon"),
        ("titocosta/starling", "openchat"),
        ("kcaverly/deepseek-coder-33b-instruct-gguf", "deepseek-coder"),
        ("deepseek-ai/deepseek-coder-v2-lite-instruct", "deepseek-llm"),
        ("lucataco/deepseek-r1-distill-qwen-7b", "deepseek-r1"),
        ("ibm-granite/granite-3.1-8b-instruct", "granite-3.1"),
        ("ibm-granite/granite-20b-code-instruct-8k", "granite-code"),
        ("openai/gpt-5.1", "closed"),
        ("anthropic/claude-4.5-haiku", "closed"),
        ("google/gemini-2.5-flash", "closed"),
        ("deepseek-ai/deepseek-v3.1", "closed"),
        ("someone/never-heard-of-it", "plain"),
        ("replicate/custom-llm-version-id", "plain"),
    ],
)
def test_the_family_is_known_by_the_name(model: str, family: str) -> None:
    assert family_of(model).name == family
    assert template_for(model) is FAMILIES[family].template


def test_a_lone_question_goes_to_a_base_model_as_it_is() -> None:
    plain = template_for("meta/meta-llama-3-8b")
    assert plain.render([{"role": "user", "content": "Once upon a time"}]) == "Once upon a time"
    assert plain.render(CONVERSATION[:2]) == "SYS\n\nU1"


def test_formats_of_strict_turns_join_messages_of_one_role() -> None:
    messages = [
        {"role": "user", "content": "U1"},
        {"role": "user", "content": "U2"},
        {"role": "assistant", "content": "A1"},
        {"role": "assistant", "content": "A2"},
        {"role": "system", "content": "S2"},
        {"role": "user", "content": "U3"},
    ]
    assert (
        template_for("mistralai/mistral-7b-instruct-v0.2").render(messages)
        == "[INST] U1\n\nU2 [/INST] A1\n\nA2</s> [INST] S2\n\nU3 [/INST]"
    )
    called = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    answered = [
        {"role": "user", "content": "U1"},
        {"role": "assistant", "content": "A1", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c1", "content": "T1"},
        {"role": "user", "content": "U2"},
    ]
    assert (
        template_for("google/gemma-3-27b-it")
        .render(answered)
        .endswith(
            "<start_of_turn>user\n<tool_response>\nT1\n</tool_response>\n\nU2<end_of_turn>\n<start_of_turn>model\n"
        )
    )


def test_tool_calls_and_their_results_are_written_out() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": '{"zone": "UTC"}'}}
    messages = [
        {"role": "user", "content": "What time is it?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "noon"},
    ]
    assert template_for("qwen/qwen3-32b").render(messages) == (
        "<|im_start|>user\nWhat time is it?<|im_end|>\n"
        '<|im_start|>assistant\n<tool_call>\n{"name": "clock", "arguments": {"zone": "UTC"}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\nnoon\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
    )
    for family in FAMILIES.values():
        assert "noon" in family.template.render(messages)


ROLES = {
    "system": {"pre_message": "[INST] <<SYS>>\n", "post_message": "\n<</SYS>>\n [/INST]\n"},
    "user": {"pre_message": "[INST] ", "post_message": " [/INST]\n"},
    "assistant": {"pre_message": "\n", "post_message": "\n"},
}
OWN: Any = {
    "initial_prompt_value": "You are a good assistant",
    "roles": ROLES,
    "final_prompt_value": "Now answer as best you can:",
}


def test_a_registered_template_is_the_model_s_with_and_without_the_prefix_and_a_version() -> None:
    register_prompt_template(model="togethercomputer/LLaMA-2-7B-32K", **OWN)
    template = registered_template("togethercomputer/LLaMA-2-7B-32K")
    assert template is not None
    assert template.render(CONVERSATION) == (
        "You are a good assistant[INST] <<SYS>>\nSYS\n<</SYS>>\n [/INST]\n[INST] U1 [/INST]\n\nA1\n"
        "[INST] U2 [/INST]\nNow answer as best you can:"
    )
    for name in (
        "replicate/togethercomputer/LLaMA-2-7B-32K",
        f"togethercomputer/LLaMA-2-7B-32K:{HASH}",
        f"replicate/togethercomputer/LLaMA-2-7B-32K:{HASH}",
    ):
        assert template_for(name) is template
    register_prompt_template(model="replicate/owner/other", final_prompt_value="!")
    assert template_for("owner/other").render([{"role": "user", "content": "Hi"}]) == "Hi!"


def test_a_version_may_have_a_template_of_its_own() -> None:
    register_prompt_template(f"owner/name:{HASH}", final_prompt_value="?")
    register_prompt_template("owner/name", final_prompt_value="!")
    for name, prompt in ((f"owner/name:{HASH}", "Hi?"), ("owner/name:another", "Hi!"), ("owner/name", "Hi!")):
        assert template_for(name).render([{"role": "user", "content": "Hi"}]) == prompt


def test_bos_opens_a_turn_and_eos_follows_the_assistant() -> None:
    template = make_template(ROLES, "", "", "<s>", "</s>")
    assert template.render(CONVERSATION) == (
        "<s>[INST] <<SYS>>\nSYS\n<</SYS>>\n [/INST]\n[INST] U1 [/INST]\n\nA1\n</s><s>[INST] U2 [/INST]\n"
    )


@pytest.mark.parametrize(
    ("said", "prompt"),
    [
        (("user", "assistant", "system", "user"), "<s>U:u;A:a;</s><s>S:s;U:u;"),
        (("user", "assistant", "assistant", "user"), "<s>U:u;A:a;</s>A:a;</s><s>U:u;"),
        (("assistant", "user"), "<s>A:a;</s><s>U:u;"),
    ],
)
def test_only_a_question_or_system_text_after_an_answer_opens_a_turn(
    said: tuple[str, ...], prompt: str
) -> None:
    roles = {
        role: {"pre_message": f"{role[0].upper()}:", "post_message": ";"}
        for role in ("system", "user", "assistant")
    }
    template = make_template(roles, "", "", "<s>", "</s>")
    assert template.render([{"role": role, "content": role[0]} for role in said]) == prompt


def test_calls_are_an_answer_that_is_closed() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = [{"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "user", "content": "u"}]
    assert make_template({}, "", "", "<s>", "</s>").render(said).endswith("</tool_call></s><s>u")


def test_white_space_around_a_lone_message_is_taken_off_where_the_format_does() -> None:
    template = FAMILIES["llama-3"].template
    hi, ragged = ([{"role": "user", "content": text}] for text in ("Hi", " Hi\n"))
    assert template.render(ragged) == template.render(hi)


def test_a_template_comes_along_with_one_call() -> None:
    assert inline_template() is None
    assert inline_template(roles=None, bos_token="", initial_prompt_value=None) is None
    template = inline_template(**OWN)
    assert template == make_template(ROLES, OWN["initial_prompt_value"], OWN["final_prompt_value"])
    for name, value in (*OWN.items(), ("bos_token", "<s>"), ("eos_token", "</s>")):
        alone: dict[str, Any] = {name: value}
        assert inline_template(**alone) == make_template(**alone)


ROLES_LOOK = 'roles must look like {"user": {"pre_message": "...", "post_message": "..."}}'


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ({"roles": ["user"]}, f"{ROLES_LOOK}, not list."),
        ({"roles": {"human": {}}}, f"{ROLES_LOOK}; 'human' is not one of system, user, assistant, tool."),
        ({"roles": {"user": "x"}}, f"{ROLES_LOOK}; 'user' has a str."),
        ({"roles": {"user": {"pre_mesage": "x"}}}, f"{ROLES_LOOK}; 'user' has 'pre_mesage'."),
        ({"roles": {"user": {"pre_message": 7}}}, f"{ROLES_LOOK}; 'user' has values that are not strings."),
        ({"roles": {"user": {"post_message": 7}}}, f"{ROLES_LOOK}; 'user' has values that are not strings."),
        *(
            ({name: 7}, f"{name} must be a string, not int.")
            for name in (
                *("initial_prompt_value", "final_prompt_value", "chat_template"),
                *("bos_token", "eos_token"),
            )
        ),
        *(
            (several, "Give exactly one of tokenizer_config, chat_template and roles.")
            for several in (
                {"roles": ROLES, "chat_template": "{{ messages }}"},
                {"roles": ROLES, "tokenizer_config": {}},
                {"chat_template": "{{ messages }}", "tokenizer_config": {}},
            )
        ),
        *(
            ({name: value}, f"{name} has text that is not valid Unicode at character 0.")
            for name, value in (
                *(("model", "\ud800"), ("chat_template", "\ud800")),
                ("roles", {"user": {"pre_message": "\ud800"}}),
            )
        ),
        (
            {"chat_template": "chatml.jinja"},
            "chat_template is 'chatml.jinja', which has no {{ ... }} or {% ... %}: give the template's text and not its "
            "path or name, as Path(...).read_text().",
        ),
        (
            {"tokenizer_config": {}},
            "The tokenizer_config has no chat_template: give one as chat_template=...",
        ),
        (
            {"tokenizer_config": 7},
            "tokenizer_config must be the path of a tokenizer_config.json or a mapping of what stands in it, not 7.",
        ),
    ],
)
def test_what_is_wrong_with_a_template_is_said(template: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        register_prompt_template(**{"model": "owner/name", **template})
    assert caught.value.message == complaint


@pytest.mark.parametrize("model", ["", " ", None, 7])
def test_a_template_needs_a_model(model: Any) -> None:
    with pytest.raises(BadRequestError, match="^register_prompt_template needs the name of a model.$"):
        register_prompt_template(model)


@pytest.mark.parametrize(
    ("given", "prompt"),
    [
        ({"roles": {"user": {"pre_message": "Q: ", "post_message": None}}}, "Q: Hi"),
        ({"roles": {"user": {"post_message": "!"}}}, "Hi!"),
        ({"initial_prompt_value": "<"}, "<Hi"),
        ({"final_prompt_value": ">"}, "Hi>"),
        ({"bos_token": "<s>"}, "<s>Hi"),
        ({"chat_template": "[{{ messages[0].content }}]"}, "[Hi]"),
        ({"chat_template": "{{ bos_token }}{{ messages[0].content }}", "bos_token": "<s>"}, "<s>Hi"),
        ({"chat_template": "{{ messages[0].content }}{{ eos_token }}", "eos_token": "</s>"}, "Hi</s>"),
    ],
)
def test_one_thing_alone_makes_a_template(given: dict[str, Any], prompt: str) -> None:
    template = make_template(**given)
    assert template.render([{"role": "user", "content": "Hi"}]) == prompt


def test_roles_alone_are_a_template_without_anything_around() -> None:
    register_prompt_template("owner/name", roles={"user": {"pre_message": "Q: "}})
    assert template_for("owner/name").render([{"role": "user", "content": "Hi"}]) == "Q: Hi"
    assert (
        make_template({"user": {"pre_message": "Q: "}}).render([{"role": "user", "content": "Hi"}]) == "Q: Hi"
    )


@pytest.mark.parametrize("family", ["llama-2", "chatml", "gemma", "llama-3"])
def test_within_a_server_s_prompt_an_answer_that_opens_follows_an_empty_question(family: str) -> None:
    template = FAMILIES[family].template
    said = (InputMessage("assistant", "Welcome!"), InputMessage("user", "Hi"))
    assert template.render_within(said) == template.render_within((InputMessage("user"), *said))


def test_a_conversation_that_an_answer_opens_is_no_lone_question() -> None:
    said = [{"role": "assistant", "content": "Welcome!"}, {"role": "user", "content": "Hi"}]
    assert FAMILIES["plain"].template.render(said) == "Assistant: Welcome!\n\nUser: Hi\n\nAssistant:"


SAID = [
    Turn("system", "s1"),
    Turn("system", "s2"),
    Turn("user", "u1"),
    Turn("system", "s3"),
    Turn("user", "u2"),
]
ANSWERED = [Turn("user", "u1"), Turn("system", "s1"), Turn("assistant", "a1"), Turn("system", "s2")]


@pytest.mark.parametrize(
    ("place", "said", "placed"),
    [
        ("role", SAID, ["s1", "s2", "u1", "s3", "u2"]),
        ("front", SAID, ["s1\n\ns2\n\ns3", "u1", "u2"]),
        ("next_user", SAID, ["<s1\n\ns2>u1", "<s3>u2"]),
        ("first_user", SAID, ["<s1\n\ns2>u1", "s3", "u2"]),
        ("last_user", SAID, ["u1", "<s3><s1\n\ns2>u2"]),
        ("next_user", ANSWERED, ["u1", "<s1>", "a1", "<s2>"]),
        ("first_user", ANSWERED, ["u1", "s1", "a1", "s2"]),
        ("last_user", ANSWERED, ["u1", "<s1>", "a1", "<s2>"]),
        ("last_user", [SAID[0], *ANSWERED[::2]], ["<s1>u1", "a1"]),
        ("front", ANSWERED, ["s1\n\ns2", "u1", "a1"]),
        ("front", ANSWERED[:1], ["u1"]),
    ],
)
def test_system_text_goes_where_the_format_has_it(place: Any, said: list[Turn], placed: list[str]) -> None:
    roles = {"s": "system", "u": "user", "a": "assistant", "<": "user"}
    assert SystemText(place, ("<", ">")).placed(said) == [Turn(roles[text[0]], text) for text in placed]


@pytest.mark.parametrize(
    ("system", "tools", "said", "opening"),
    [
        (SystemText(default="d"), False, ["user"], "d"),
        (SystemText(default="d"), True, ["user"], "d"),
        (SystemText(default="d", with_tools="t"), True, ["user"], "t"),
        (SystemText(default="d", with_tools="t"), False, ["user"], "d"),
        (SystemText(with_tools="t"), True, ["user"], "t"),
        (SystemText(default=""), False, ["user"], ""),
        (SystemText(), False, ["user"], None),
        (SystemText(default="d"), False, ["system", "user"], None),
        (SystemText(default="d"), False, ["user", "system"], "d"),
        (SystemText(default="d", unless_anywhere=True), False, ["user", "system"], None),
        (SystemText(default="d", unless_anywhere=True), False, ["user"], "d"),
    ],
)
def test_a_default_opens_a_conversation_that_has_no_system_text_of_its_own(
    system: SystemText, tools: bool, said: list[Any], opening: str | None
) -> None:
    messages = tuple(InputMessage(role, "x") for role in said)
    opened = messages if opening is None else (InputMessage("system", opening), *messages)
    assert system.with_default(messages, tools) == opened


texts = st.text(min_size=1, max_size=30)
conversations = st.lists(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["system", "user", "assistant", "tool", "developer"]),
        texts,
    ),
    min_size=1,
    max_size=8,
)


@given(conversations, st.sampled_from(sorted(FAMILIES)))
def test_no_format_loses_text_or_reorders_turns(messages: list[dict[str, str]], family: str) -> None:
    at = 0
    prompt = FAMILIES[family].template.render(messages)
    for message in messages:
        text = message["content"].strip()
        assert text in prompt or json.dumps(text, ensure_ascii=False)[1:-1] in prompt
        if message["role"] in ("user", "assistant"):
            at = prompt.find(text, at)
            assert at >= 0
            at += len(text)


@example([{"role": "assistant", "content": "I"}, {"role": "system", "content": " "}], "", "end")
@given(conversations, st.text(max_size=5), st.text(max_size=5))
def test_a_template_without_roles_is_the_text_alone(
    messages: list[dict[str, str]], initial: str, final: str
) -> None:
    said = [m for m in messages if m["content"].strip() or m["role"] not in ("system", "developer")]
    assume(said)  # a blank one of the system's is left out beside others
    template = make_template(None, initial, final)
    end = "" if said[-1]["role"] == "assistant" else final  # an answer that was begun stays open
    assert template.render(messages) == initial + "".join(m["content"] for m in said) + end


def test_mistral_s_ids_have_at_most_nine_characters() -> None:
    call = {"id": "call_0123456789abcdef", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "U1"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "1"},
    ]
    prompt = template_for("mistralai/mistral-7b-instruct-v0.3").render(messages)
    assert prompt.count('"789abcdef"') == 2 and "call_0" not in prompt


def test_a_text_that_looks_like_a_date_of_the_format_stays_as_it_is() -> None:
    system = {"role": "system", "content": "Write {today:%Y} as it is."}
    for family in FAMILIES.values():
        assert "{today:%Y}" in family.template.render([system, *CONVERSATION[1:]]), family.name

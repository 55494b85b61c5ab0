"""How a model's format is decided, for recorded models and for schemas that no one has seen."""

from __future__ import annotations

from typing import Any

import pytest

from areplicate.chat.formats.families import FAMILIES
from areplicate.chat.inputs import build_input
from areplicate.chat.plan import plan_for
from areplicate.chat.schemas import catalogue
from areplicate.chat.schemas.schema import ModelSchema, from_openapi

STRING = {"type": "string"}
ONE = [{"role": "user", "content": "u1"}]
SYSTEM = [{"role": "system", "content": "s"}, *ONE]
THREE = [*SYSTEM, {"role": "assistant", "content": "a1"}, {"role": "user", "content": "u2"}]


def schema(example: Any = None, **properties: Any) -> ModelSchema:
    inputs = {"prompt": STRING, **properties}
    return from_openapi({"Input": {"properties": inputs}}, model="x/unheard-of", example=example)


def sent(messages: Any, known: ModelSchema | None, model: str) -> dict[str, Any]:
    return build_input(messages, {}, model=model, schema=known).fields


def recorded(model: str, messages: Any) -> dict[str, Any]:
    return sent(messages, catalogue.find(model), model)


@pytest.mark.parametrize("model", ["spuuntries/flatdolphinmaid-8x7b-gguf", "spuuntries/miqumaid-v1-70b-gguf"])
def test_a_template_that_is_no_family_s_is_kept_with_turns_in_its_own_tags(model: str) -> None:
    assert recorded(model, SYSTEM) == {"prompt": "u1", "system_prompt": "s"}
    whole = "u1\n\n### Response:\na1\n\n### Input:\nu2"
    assert recorded(model, THREE) == {"prompt": whole, "system_prompt": "s"}


@pytest.mark.parametrize("model", ["google-deepmind/gemma2-9b-it", "google-deepmind/gemma2-27b-it"])
def test_a_server_that_writes_the_format_gets_the_bare_question(model: str) -> None:
    assert recorded(model, ONE) == {"prompt": "u1"}
    turn = "<end_of_turn>\n<start_of_turn>model\na1<end_of_turn>\n<start_of_turn>user\n"
    assert recorded(model, THREE) == {"prompt": f"s\n\nu1{turn}u2"}


@pytest.mark.parametrize("model", ["gemma-2b-it", "gemma-7b-it", "gemma-2-2b-it"])
def test_its_relatives_that_do_not_get_the_format(model: str) -> None:
    assert recorded(f"google-deepmind/{model}", ONE) == {
        "prompt": "<start_of_turn>user\nu1<end_of_turn>\n<start_of_turn>model\n"
    }


@pytest.mark.parametrize(
    ("model", "one", "three"),
    [
        ("stability-ai/stablelm-tuned-alpha-7b", "u1", "s\n\nu1<|ASSISTANT|>a1<|USER|>u2"),
        ("lucataco/mistrallite", "u1", "s\n\nu1</s><|assistant|>a1</s><|prompter|>u2"),
        ("nomagick/chatglm2-6b", "[Round 1]\n\n问：u1\n\n答：", None),  # noqa: RUF001 - Chinese
        ("uwulewd/airoboros-llama-2-70b", "USER: u1\nASSISTANT:", None),
        ("peter65374/openbuddy-llemma-34b-gguf", "u1", "s\n\nu1\nAssistant: a1</s>\nUser: u2"),
    ],
)
def test_recorded_models(model: str, one: str, three: str | None) -> None:
    assert recorded(model, ONE) == {"prompt": one}
    if three is not None:
        assert recorded(model, THREE) == {"prompt": three}


CHATML = "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
WHOLE = "<|im_start|>user\nu1<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize("name", ["prompt_template", "template", "format"])
@pytest.mark.parametrize(
    "default", [CHATML, f"<|im_start|>system\nYou are X.<|im_end|>\n{CHATML}", CHATML.strip()]
)
def test_a_family_s_template_is_switched_off_whatever_its_input_is_called(name: str, default: str) -> None:
    known = schema(**{name: {"type": "string", "default": default}})
    assert sent(ONE, known, "x/unheard-of") == {"prompt": WHOLE, name: "{prompt}"}
    decision = plan_for(known, None).format
    assert (decision.family, decision.by) == ("chatml", "its prompt template")


def test_an_empty_template_adds_nothing_and_the_examples_own_tells_the_format() -> None:
    known = schema(prompt_template={"type": "string", "default": ""})
    assert sent(ONE, known, "x/qwen2-7b-instruct")["prompt"].endswith(WHOLE)
    known = schema({"prompt": "Hi", "prompt_template": CHATML}, prompt_template=STRING)
    assert (known.format.family, known.format.by) == ("chatml", "example")


@pytest.mark.parametrize("default", ["{} ->", "Q: {question}", "{{ messages }}"])
def test_a_template_without_a_place_for_the_prompt_is_left_alone(default: str) -> None:
    known = schema(prompt_template={"type": "string", "default": default})
    for model in ("x/unheard-of", "x/qwen2-7b-instruct"):
        assert sent(ONE, known, model) == {"prompt": "u1"}


@pytest.mark.parametrize(
    ("template", "before", "after"),
    [
        ("Q: {prompt}\nA:", "Q: ", "\nA:"),
        (
            "GPT4 User: {prompt}<|end_of_turn|>GPT4 Assistant:",
            "GPT4 User: ",
            "<|end_of_turn|>GPT4 Assistant:",
        ),
        ("[X]\n{prompt}\n[/X]\n", "[X]\n", "\n[/X]\n"),
    ],
)
def test_turns_within_a_template_of_its_own(template: str, before: str, after: str) -> None:
    known = schema(prompt_template={"type": "string", "default": template})
    prompt = sent([*ONE, *THREE[2:]], known, "x/unheard-of")["prompt"]
    assert prompt.startswith(f"u1{after}") and prompt.endswith(f"{before}u2")
    assert template.replace("{prompt}", prompt).count(before.strip()) == 2
    assert known.format.by == "prompt template"
    decision = plan_for(known, "x/unheard-of").format
    assert (decision.family, decision.by) == ("its own", "its prompt template")


def test_a_default_prompt_counts_more_than_an_example_and_both_more_than_the_name() -> None:
    vicuna, chatml = "USER: Hi ASSISTANT:", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    known = schema({"prompt": chatml}, prompt={"type": "string", "default": vicuna})
    assert plan_for(known, "x/gemma-2b-it").format.family == "vicuna"
    assert plan_for(schema({"prompt": chatml}), "x/gemma-2b-it").format.family == "chatml"
    by_name = plan_for(schema({"prompt": "Hi"}), "x/gemma-2b-it").format
    assert (by_name.family, by_name.by) == ("gemma", "its name")
    assert plan_for(schema(), None).format.by == "nothing: plain text"


def test_a_model_that_takes_system_text_is_a_chat_model_by_any_name() -> None:
    known = schema(system_prompt=STRING)
    for name, family in (
        ("x/qwen2.5-7b", "qwen-2.5"),
        (f"x/qwen2.5-7b:{'0' * 64}", "qwen-2.5"),
        ("x/granite-3.1-8b", "granite-3.1"),
        ("x/phi-2", "phi-2"),
    ):
        assert plan_for(known, name).format.family == family
    assert plan_for(schema(), "x/qwen2.5-7b").format.family == "plain"


def test_earlier_turns_go_into_the_history() -> None:
    history = [{"role": "user", "content": "u1"}, {"role": "assistant", "content": "a1"}]
    known = schema(system_prompt=STRING, history={"type": "array", "items": {"type": "object"}})
    assert sent(THREE, known, "x/unheard-of") == {"prompt": "u2", "system_prompt": "s", "history": history}
    assert sent(ONE, known, "x/unheard-of") == {"prompt": "u1"}


def test_history_without_an_input_for_system_text() -> None:
    known = schema(history={"type": "array", "items": {"type": "object"}})
    assert sent(THREE, known, "x/unheard-of")["history"][0] == {"role": "system", "content": "s"}


@pytest.mark.parametrize("family", ["llama-3", "chatml", "llama-2", "mistral", "gemma", "vicuna"])
def test_an_answer_that_was_begun_is_continued(family: str) -> None:
    begun = [*ONE, {"role": "assistant", "content": "a1"}]
    template = FAMILIES[family].template
    assert template.render(begun).endswith("a1")
    assert template.render(begun).startswith(template.render(ONE).rstrip())


def test_a_server_that_closes_an_answer_that_was_begun_is_not_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun = [*ONE, {"role": "assistant", "content": "a1"}]
    assert recorded("meta/llama-2-70b-chat", begun)["prompt"] == "u1 [/INST] a1"
    assert (
        "meta/llama-2-70b-chat: its server writes the chat format and closes the assistant's last"
        in caplog.text
    )
    build_input(begun, {"prompt_template": "Q: {prompt}"}, model="x/y")
    assert "This model: its server" in caplog.text


@pytest.mark.parametrize(
    ("model", "family", "wraps"),
    [
        ("google-deepmind/gemma2-9b-it", "gemma", True),
        ("google-deepmind/gemma-2-2b-it", "gemma", False),
        ("google-deepmind/gemma-7b-it", "gemma", False),
        ("stability-ai/stablelm-tuned-alpha-7b", "stablelm", True),
        ("lucataco/mistrallite", "oasst-llama", True),
        ("replicate/dolly-v2-12b", "dolly", True),
        ("deniyes/dolly-v2-12b-demo", "dolly", True),
        ("lucataco/vicuna-7b-v1.3", "vicuna", False),
        ("lucataco/phi-2", "phi-2", False),
        ("tvytlx/chatglm6b", "plain", False),
        ("nwhitehead/llama2-7b-chat-gptq", "llama-2", False),
    ],
)
def test_a_model_whose_server_is_known_has_its_format(model: str, family: str, wraps: bool) -> None:
    for name in (model, f"replicate/{model}", model.upper(), f"{model}:{'0' * 64}"):
        decision = plan_for(schema(), name).format
        assert (decision.family, decision.wraps) == (family, wraps)
        assert decision.template == FAMILIES[family].template and decision.by.startswith("its server: ")


def test_the_inputs_of_replicate_s_own_llama_2_server_tell_its_format() -> None:
    both = schema(replicate_weights=STRING, system_prompt=STRING)
    decision = plan_for(both, "x/unheard-of").format
    assert decision.family == "llama-2"
    assert decision.by == "its inputs: Replicate's own Llama 2 server has the same"
    for known in (schema(replicate_weights=STRING), schema(system_prompt=STRING)):
        assert plan_for(known, "x/unheard-of").format.family == "plain"


def test_the_prompt_s_own_default_is_no_template() -> None:
    known = schema(prompt={"type": "string", "default": "USER: {prompt} ASSISTANT:"})
    assert known.format.template is None and plan_for(known, None).format.switch_off is None


def test_the_name_decides_between_families_of_one_format() -> None:
    properties = {"prompt": STRING, "prompt_template": {"type": "string", "default": CHATML}}
    for model, family in (("x/qwen2.5-7b-instruct", "qwen-2.5"), ("x/unheard-of", "chatml")):
        known = from_openapi({"Input": {"properties": properties}}, model=model)
        assert (known.format.family, known.format.by) == (family, "prompt template")
        example = {"prompt": WHOLE}
        known = from_openapi({"Input": {"properties": {"prompt": STRING}}}, model=model, example=example)
        assert (known.format.family, known.format.by) == (family, "example")
    example = {"prompt": "So: SYSTEM: Be kind. USER: Hi ASSISTANT: Hello!"}
    for model, family in (("x/vicuna-13b", "vicuna"), ("x/unheard-of", "synthia")):
        known = from_openapi({"Input": {"properties": {"prompt": STRING}}}, model=model, example=example)
        assert known.format.family == family
    known = schema(prompt={"type": "string", "default": WHOLE})
    assert known.format.by == "default prompt"
    assert plan_for(known, None).format.by == "its default prompt"


def test_the_models_of_ollama_are_those_that_chat() -> None:
    known = sent(THREE, schema(), "lucataco/ollama-llama2-70b")
    assert known == {"prompt": "s\n\nu1 [/INST] a1 </s><s>[INST] u2"}

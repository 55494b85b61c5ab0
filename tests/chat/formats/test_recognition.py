"""In whose format a prompt or a server's template is written, and the turns of one that nobody knows."""

from __future__ import annotations

import pytest

from areplicate.chat.formats.families import (
    OwnTurns,
    family_of_prompt,
    family_of_template,
    family_seen_in,
    own_turns,
)

LLAMA_3 = "<|start_header_id|>{}<|end_header_id|>\n\n"
ASKED = LLAMA_3.format("user") + "{prompt}<|eot_id|>" + LLAMA_3.format("assistant")
GEMMA = "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n"
CHATML = "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("template", "family"),
    [
        (ASKED, "llama-3"),
        (f"<|begin_of_text|>{ASKED}", "llama-3"),
        (f"{ASKED}\n\n  ", "llama-3"),
        (LLAMA_3.format("system") + "{system_prompt}<|eot_id|>" + ASKED, "llama-3"),
        (LLAMA_3.format("system") + "Be kind.<|eot_id|>" + ASKED, "llama-3"),
        (LLAMA_3.format("system") + "<|eot_id|>" + ASKED, "llama-3"),
        (LLAMA_3.format("system") + LLAMA_3.format("user") + "Hi<|eot_id|>" + ASKED, None),
        ("Be kind.<｜User｜>{prompt}<｜Assistant｜>", "deepseek"),  # noqa: RUF001 - its tokens' own bar
        ("<s>[INST] <<SYS>>\n{system_prompt}\n<</SYS>>\n\n{prompt} [/INST]", "llama-2"),
        (CHATML, "chatml"),
        ("{system_prompt} USER: {prompt} ASSISTANT:", "vicuna"),
        ("SYSTEM: {system_prompt} USER: {prompt} ASSISTANT:", None),
        ("SYSTEM: {system_prompt}\nUSER: {prompt}\nASSISTANT:", "synthia"),
        ("[INST] Be kind.\n\n{prompt} [/INST]", "mistral"),
        ("[INST] Be kind. {prompt} [/INST]", None),
        ("[INST] Hi [/INST] Hello</s> [INST] Be kind.\n\n{prompt} [/INST]", None),
        ("Be kind. [INST] {prompt} [/INST]", None),
        ("Be kind. " + ASKED, None),
        (ASKED + "Sure!", None),
        (ASKED.replace("{prompt}", "Q: {prompt}"), None),
        (ASKED + "<|eot_id|>" + ASKED, None),
        ("{prompt}", None),
        ("Q: {prompt}\nA:", None),
    ],
)
def test_a_template_is_a_family_s_where_it_is_one_turn_in_its_format(
    template: str, family: str | None
) -> None:
    found = family_of_template(template, None)
    assert (found and found.name) == family


@pytest.mark.parametrize(
    ("prompt", "family"),
    [
        (ASKED, "llama-3"),
        (ASKED.replace("{prompt}", "Hi") + "Hello<|eot_id|>" + ASKED, "llama-3"),
        (LLAMA_3.format("system") + "Be kind.<|eot_id|>" + ASKED, "llama-3"),
        (CHATML, "chatml"),
        ("Look at this: " + CHATML, None),
        (GEMMA, "gemma"),
        (GEMMA + "Hello<end_of_turn>\n" + GEMMA, "gemma"),
        ("Look at this: " + GEMMA, "gemma"),
        ("### System: Be kind.\n\n### User:\nHi\n\n### Assistant:\n", "stable-beluga"),
        (ASKED + "Sure!", None),
        ("Hi<|eot_id|>" + LLAMA_3.format("assistant"), None),
        ("Hi", None),
    ],
)
def test_a_prompt_is_in_a_family_s_format_from_beginning_to_end(prompt: str, family: str | None) -> None:
    found = family_of_prompt(prompt, None)
    assert (found and found.name) == family


def test_the_model_s_own_family_counts_first() -> None:
    for find in (family_of_template, family_of_prompt):
        for name, family in (("x/qwen2.5-7b-instruct", "qwen-2.5"), ("x/unheard-of", "chatml")):
            found = find(CHATML, name)
            assert found is not None and found.name == family


@pytest.mark.parametrize(
    ("model", "family"), [("x/vicuna-13b", "vicuna"), ("x/gemma-2b-it", "synthia"), (None, "synthia")]
)
def test_of_the_families_whose_marks_a_prompt_has_the_models_own_counts_first(
    model: str | None, family: str
) -> None:
    found = family_seen_in("SYSTEM: Be kind.\nUSER: Hi ASSISTANT: Hello!", model)
    assert found is not None and found.name == family
    assert family_seen_in("Hi", model) is None


@pytest.mark.parametrize(
    ("template", "turns"),
    [
        ("Q: {prompt}\nA:", ("Q: ", "\nA:", "\n")),
        ("Be kind.\n\nQ: {prompt}\nA:", ("Q: ", "\nA:", "\n\n")),
        ("Be kind.\n\n {prompt}\nA:", (" ", "\nA:", "\n\n")),
        ("Be kind.\n\nX\n{prompt}\nY\n", ("X\n", "\nY\n", "\n\n")),
        ("{system_prompt}\nQ: {prompt}\nA:", ("Q: ", "\nA:", "\n")),
        ("Rules:\n\nBe kind.\n\n### Q\n{prompt}\n\n### A\n", ("### Q\n", "\n\n### A\n", "\n\n")),
        ("<|a|>{prompt}<|b|>", ("<|a|>", "<|b|>", "<|b|>")),
        ("<|b|><|a|>{prompt}<|b|>\n", ("<|a|>", "<|b|>\n", "<|b|>\n")),
        ("<|s|>Be kind.<|b|><|a|>{prompt}<|b|><|c|>", ("<|a|>", "<|b|><|c|>", "<|b|>")),
        ("[X]{prompt}</s>[Y]", ("[X]", "</s>[Y]", "</s>")),
        ("Be kind.</s>\nQ: {prompt} A:", ("Q: ", " A:", "</s>\n")),
        ("{prompt}", ("", "", "\n")),
        ("One {prompt} two {prompt} three", ("One {prompt} two ", " three", " ")),
    ],
)
def test_the_turns_of_a_template_that_nobody_knows(template: str, turns: tuple[str, str, str]) -> None:
    assert own_turns(template) == turns


def test_a_template_without_a_place_for_the_prompt_has_no_turns() -> None:
    assert own_turns("Be kind.") is None


@pytest.mark.parametrize(
    ("turns", "prompt"),
    [
        (OwnTurns("Q: ", "\nA:", "\n"), "s\n\nQ: u1\nA: a1\nQ: u2\nA:"),
        (OwnTurns("[X]", "[/X]", "</s>"), "s\n\n[X]u1[/X]a1</s>[X]u2[/X]"),
    ],
)
def test_earlier_turns_stand_in_its_own_tags(turns: OwnTurns, prompt: str) -> None:
    said = [("system", "s"), ("user", "u1"), ("assistant", "a1"), ("user", "u2")]
    assert turns.template().render([{"role": role, "content": text} for role, text in said]) == prompt

"""`areplicate models`: read by a person in a terminal."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from areplicate.cli import main
from areplicate.local import LocalModel, LocalReplicate
from areplicate.local.components import component_schemas


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["models", *args])


def test_show_tells_inputs_mapping_and_conversation() -> None:
    shown = run("show", "meta/llama-2-70b-chat")
    assert shown.exit_code == 0
    for words in (
        "prompt*",
        "0.01 to 5",
        "max_tokens             max_new_tokens",
        "stop                   stop_sequences",
        "System text goes into system_prompt",
        '"system_prompt": "Be brief."',
        "Who left Troy? [/INST] Odysseus. </s><s>[INST] And who waited?",
    ):
        assert words in shown.output


@pytest.mark.parametrize(
    ("model", "decided"),
    [
        ("google-deepmind/gemma2-9b-it", "gemma, decided by its server: lucataco/cog-gemma2-it predict.py"),
        ("01-ai/yi-34b-chat", "chatml, decided by its prompt template"),
        ("spuuntries/flatdolphinmaid-8x7b-gguf", "its own, decided by its prompt template"),
        ("nomagick/chatglm2-6b", "chatglm-2, decided by its default prompt"),
        ("tomasmcm/synthia-13b-v1.2", "synthia, decided by its example"),
        ("meta/llama-2-70b-chat", "llama-2, decided by its name"),
        ("halevi/sandbox1", "llama-2, decided by its inputs"),
        ("kyrick/prompt-parrot", "plain, decided by nothing: plain text"),
    ],
)
def test_show_tells_what_decided_the_format(model: str, decided: str) -> None:
    assert f"Its chat format: {decided}" in " ".join(run("show", model).output.split())


def test_show_prints_the_prompt_that_the_model_reads() -> None:
    shown = run("show", "google-deepmind/gemma2-9b-it").output
    assert shown.endswith(
        "The model reads:\n\n<start_of_turn>user\nBe brief.\n\nWho left Troy?<end_of_turn>\n"
        "<start_of_turn>model\nOdysseus.<end_of_turn>\n<start_of_turn>user\nAnd who waited?<end_of_turn>\n"
        "<start_of_turn>model\n\n"
    )
    assert "The model reads" not in run("show", "anthropic/claude-4-sonnet").output


@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_show_works_for_every_model_of_the_catalogue(step: int) -> None:
    """For one in eight, but for `make test-slow`: to draw all of the tables takes seconds."""
    from areplicate.chat.schemas import catalogue

    for name in catalogue.names()[::step]:
        shown = run("show", name)
        assert shown.exit_code == 0, (name, shown.output)
        assert name in shown.output


def test_another_model_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = {
        "prompt": {"type": "string"},
        "temp": {"type": "number"},
        "style": {"type": "string", "enum": ["[/b]", ":cat:"]},
    }
    monkeypatch.setenv("REPLICATE_API_KEY", "r8_x")
    with LocalReplicate(
        [LocalModel(owner="x", name="new", schema=component_schemas({"properties": inputs}, {}))]
    ) as local:
        shown = run("show", "x/new", "--api-base", local.api_base)
        unknown = run("show", "x/other", "--api-base", local.api_base)
    assert (
        "temperature" in shown.output
        and "No input for max_tokens, top_p, reasoning_effort: drop_params" in shown.output
    )
    assert "[/b], :cat:" in shown.output, "what others have written is no markup"
    assert "No input for tools, response_format: the prompt explains them." in shown.output
    assert "No input for stop: the answer is cut there." in shown.output
    assert unknown.exit_code == 1
    assert "The inputs of x/other could not be looked up: it does not exist" in unknown.output


def test_list_searches_names() -> None:
    listed = run("list", "--search", "CLAUDE")
    assert listed.exit_code == 0
    assert "anthropic/claude-4-sonnet" in listed.output and "llama" not in listed.output
    assert len(run("list").output.splitlines()) == 230


@pytest.mark.parametrize("args", [("show", "nonsense"), ("show", ""), ("list", "--search", "no such name")])
def test_what_is_wrong_is_said_without_a_traceback(args: tuple[str, ...]) -> None:
    failed = run(*args)
    assert failed.exit_code == 1
    assert failed.output.startswith("Error: ") and "Traceback" not in failed.output

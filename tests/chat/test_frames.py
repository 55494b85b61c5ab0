"""A question that is put between what stands around it is the same as one that is written out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from areplicate.chat import frames
from areplicate.chat.conversation import Prompting
from areplicate.chat.formats import arrangement
from areplicate.chat.formats.families import FAMILIES
from areplicate.chat.formats.format import PromptTemplate
from areplicate.chat.frames import Frames
from areplicate.chat.inputs import input_of, read_settings
from areplicate.chat.plan import plan_for
from areplicate.chat.schemas.schema import ModelSchema
from areplicate.chat.schemas.values import AskedModel
from areplicate.errors import BadRequestError
from tests.chat.test_all_models import example_of
from tests.recorded import models, schema_of

TEXTS = (
    "Hi",
    " Hi\n",
    "",
    "a\n\nb",
    "{round} {today:%Y}",
    "<think>x</think>y",
    "x</think>",
    "so <think>",
    "<|channel|>analysis<|message|>",
    "\0u",
    "\u3000x",
    "x" * 600,
)
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/penelope.png"}}
QUESTIONS: tuple[list[dict[str, Any]], ...] = (
    *([{"role": "user", "content": text}] for text in TEXTS),
    *(
        [{"role": "system", "content": system}, {"role": "user", "content": text}]
        for system in ("S", *TEXTS[1:3], "so <think>")
        for text in TEXTS
    ),
    [{"role": "developer", "content": "S"}, {"role": "user", "content": "Hi"}],
    [{"role": "user", "content": [{"type": "text", "text": "Hi"}, IMAGE]}],
    [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "So"}],
    [{"role": "assistant", "content": "So"}, {"role": "user", "content": "Hi"}],
    [{"role": "user", "content": "Hi"}, {"role": "system", "content": "S"}],
)


def outcome(make: Any, *args: Any) -> Any:
    """The input, with its fields in their order: two that differ in it alone would not be known as equal."""
    try:
        made = make(*args)
    except BadRequestError as error:
        return str(error)
    return made, list(made.fields)


def same(
    schema: ModelSchema | None,
    model: str,
    params: dict[str, Any],
    prompting: Prompting | None = None,
    drop_params: bool = True,
) -> None:
    prompting = prompting or Prompting()
    settings = read_settings(params, plan_for(schema, model), AskedModel(model, drop_params), False)
    made = Frames(settings, prompting)
    for messages in QUESTIONS:
        whole = outcome(input_of, messages, settings, prompting)
        assert outcome(made.input_of, messages) == whole


@pytest.mark.parametrize("family", FAMILIES)
def test_every_format(family: str) -> None:
    template = FAMILIES[family].template
    same(None, "any/model", {"max_tokens": 5}, Prompting(template))
    same(None, "any/model", {}, Prompting(template, supports_system_prompt=True))


def test_every_recorded_model() -> None:
    for model in models():
        name, schema = model["model"], schema_of(model)
        plan = plan_for(schema, name)
        needed = {
            each: example_of(schema, each)
            for each in schema.required
            if each not in (plan.prompt, plan.messages) and not schema.fields[each].media
        }
        same(schema, name, {"max_tokens": 20, **needed})
        if plan.system is not None:
            same(schema, name, {plan.system: "By hand.", **needed})


@pytest.mark.parametrize(
    "roles", [{}, {"user": ("<u>", "</u>")}, {"user": ("Q: ", "\n"), "system": ("S: ", "\n")}]
)
@pytest.mark.parametrize("closing", ["", "\n", "A: ", "<think>", "<think>\n", "ink>"])
def test_every_end_of_a_caller_s_own_format(roles: dict[str, tuple[str, str]], closing: str) -> None:
    same(None, "any/model", {}, Prompting(PromptTemplate(roles, final_prompt_value=closing)))


@pytest.mark.parametrize("model", ["meta/meta-llama-3-8b-instruct", "nateraw/openchat_3.5-awq"])
def test_a_question_is_not_written_out_again(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = next(schema_of(each) for each in models() if each["model"] == model)
    settings = read_settings({}, plan_for(schema, model), AskedModel(model, False), False)
    made = Frames(settings, Prompting())
    monkeypatch.setattr(frames, "input_of", None)
    for system in ([], [{"role": "system", "content": "Be brief."}]):
        built = made.input_of([*system, {"role": "user", "content": "Who left Troy?"}])
        assert "Who left Troy?" in built.fields["prompt"]


def test_a_day_later_the_format_says_another_day(monkeypatch: pytest.MonkeyPatch) -> None:
    prompting, prompts = Prompting(FAMILIES["llama-3.2"].template), set()
    made = Frames(read_settings({}, plan_for(None, "any/model"), AskedModel(None, False), False), prompting)
    for day in (26, 27):
        monkeypatch.setattr(arrangement, "today", lambda day=day: datetime(2024, 7, day))
        prompts.add(made.input_of([{"role": "user", "content": "Hi"}]).fields["prompt"])
    assert len(prompts) == 2


def test_each_question_that_is_too_long_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    model = "microsoft/phi-3-mini-4k-instruct"
    made = Frames(read_settings({}, plan_for(None, model), AskedModel(model, False), False), Prompting())
    for _ in range(2):
        made.input_of([{"role": "user", "content": "word" + " word" * 5000}])
    assert caplog.text.count("reads 4096 tokens at once") == 2


def test_files_among_the_parameters_go_with_each_question() -> None:
    model = "yorickvp/llava-13b"
    schema = next(schema_of(each) for each in models() if each["model"] == model)
    plan = plan_for(schema, model)
    made = Frames(
        read_settings({"image": Path("cat.png")}, plan, AskedModel(model, False), True), Prompting()
    )
    for text in ("Hi", "Who left Troy?"):
        (slot,) = made.input_of([{"role": "user", "content": text}]).media
        assert slot.field == "image"


def test_each_question_is_held_to_the_bounds_of_its_input() -> None:
    model = "meta/meta-llama-3-8b-instruct"
    schema = next(schema_of(each) for each in models() if each["model"] == model)
    short = msgspec.structs.replace(schema.fields["prompt"], max_length=300)
    schema = msgspec.structs.replace(schema, fields={**schema.fields, "prompt": short})
    same(schema, model, {}, drop_params=False)

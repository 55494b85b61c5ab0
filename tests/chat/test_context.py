"""A text that is longer than what the model reads at once is not sent in silence."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from areplicate.chat.inputs import build_input
from areplicate.chat.plan import plan_for
from areplicate.chat.schemas import catalogue
from areplicate.chat.schemas.schema import from_openapi

STRING = {"type": "string"}


def warned(caplog: pytest.LogCaptureFixture, words: int, model: str, **inputs: Any) -> bool:
    known = from_openapi({"Input": {"properties": {"prompt": STRING, **inputs}}})
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="areplicate"):
        build_input([{"role": "user", "content": "word " * words}], {}, model=model, schema=known)
    return "at once" in caplog.text


def test_a_context_that_the_name_tells(caplog: pytest.LogCaptureFixture) -> None:
    assert warned(caplog, 5000, "microsoft/phi-3-mini-4k-instruct")
    assert not warned(caplog, 3000, "microsoft/phi-3-mini-4k-instruct")
    assert not warned(caplog, 5000, "microsoft/phi-3-mini-128k-instruct")
    assert not warned(caplog, 5000, "someone/never-heard-of-it")


def test_a_context_that_an_input_tells(caplog: pytest.LogCaptureFixture) -> None:
    assert warned(caplog, 3000, "x/y", n_ctx={"type": "integer", "default": 2048})
    assert warned(
        caplog, 3000, "x/y", system_prompt=STRING, context_length={"type": "integer", "maximum": 2048}
    )
    assert not warned(caplog, 1000, "x/y", n_ctx={"type": "integer", "default": 2048})


@pytest.mark.parametrize(
    ("prompt", "system", "too_long"),
    [
        ("a" * 43, None, False),
        ("a" * 44, None, True),
        ("a" * 20, "b" * 24, True),
        ("data:image/png;base64," + "A" * 999, None, False),
    ],
)
def test_a_text_is_too_long_where_its_characters_are_more_than_four_a_token(
    caplog: pytest.LogCaptureFixture, prompt: str, system: str | None, too_long: bool
) -> None:
    inputs = {"prompt": STRING, "system_prompt": STRING, "n_ctx": {"type": "integer", "default": 10}}
    messages = [{"role": "user", "content": prompt}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    with caplog.at_level(logging.WARNING, logger="areplicate"):
        build_input(messages, {}, model="x/y", schema=from_openapi({"Input": {"properties": inputs}}))
    assert bool(caplog.records) is too_long


def test_a_long_conversation_of_messages_is_told_with_its_size(caplog: pytest.LogCaptureFixture) -> None:
    known = from_openapi({"Input": {"properties": {"messages": {"type": "array"}}}}, model="x/y-4k")
    with caplog.at_level(logging.WARNING, logger="areplicate"):
        build_input([{"role": "user", "content": "x" * 24_000}], {}, model="x/y-4k", schema=known)
    [record] = caplog.records
    assert record.getMessage() == (
        "x/y-4k reads 4096 tokens at once, and the text has about 6000: the model may not see all of it. Shorten "
        "the conversation or choose a model with a longer context."
    )


@pytest.mark.parametrize(
    ("model", "context"),
    [
        ("ibm-granite/granite-20b-code-instruct-8k", 8192),
        ("nateraw/mixtral-8x7b-32kseqlen", 32768),
        ("01-ai/yi-34b-200k", 204800),
        ("mistralai/mistral-7b-v0.1", None),
    ],
)
def test_recorded_models(model: str, context: int | None) -> None:
    assert plan_for(catalogue.find(model), model).context == context

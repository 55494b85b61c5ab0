"""OpenAI's older Completions API."""

from __future__ import annotations

from typing import Any

import pytest

from areplicate.chat.apis.completions import CompletionChoice, completion, read_completions
from areplicate.chat.responses import Choice, Message, ModelResponse, Usage
from areplicate.errors import BadRequestError

USAGE = Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)


@pytest.mark.parametrize(("prompt", "texts"), [("Hi", ["Hi"]), (["Hi", "Ho"], ["Hi", "Ho"]), ("", [""])])
def test_each_prompt_is_one_message_of_a_user(prompt: Any, texts: list[str]) -> None:
    body = {"model": "m", "prompt": prompt, "stream": True, "temperature": 0.5, "best_of": 1, "echo": False}
    asked = read_completions({**body, "suffix": None, "logprobs": None})
    assert [each.messages for each in asked] == [[{"role": "user", "content": text}] for text in texts]
    assert all(each.params == {"temperature": 0.5} for each in asked)


@pytest.mark.parametrize("prompt", [None, [], 3, ["Hi", 3], [[1, 2]]])
def test_a_prompt_that_is_no_text_is_refused(prompt: Any) -> None:
    with pytest.raises(BadRequestError, match="^prompt must be a string or a list of strings.$") as caught:
        read_completions({"prompt": prompt})
    assert caught.value.param == "prompt"


@pytest.mark.parametrize(
    ("name", "value"), [("suffix", "x"), ("logprobs", 1), ("echo", True), ("best_of", 2)]
)
def test_what_no_model_has_is_refused(name: str, value: Any) -> None:
    with pytest.raises(BadRequestError, match=f"^{name} is not available from Replicate's models") as caught:
        read_completions({"prompt": "Hi", name: value})
    assert caught.value.param == name


def answer(id: str, *texts: str | None) -> ModelResponse:
    choices = [
        Choice(index=index, message=Message(role="assistant", content=text), finish_reason="length")
        for index, text in enumerate(texts)
    ]
    return ModelResponse(id=id, created=5, model="a/b", choices=choices, usage=USAGE)


def test_the_answers_to_all_prompts_are_numbered_through() -> None:
    made = completion([answer("x", "a", "b"), answer("y", "c", None)], USAGE)
    assert (made.id, made.object, made.created, made.model) == ("cmpl-x", "text_completion", 5, "a/b")
    assert made.usage == USAGE
    assert made.choices == [
        CompletionChoice(index=index, text=text, finish_reason="length")
        for index, text in enumerate(("a", "b", "c", ""))
    ]

"""A conversation that is longer than what a model reads is told as OpenAI's and Anthropic's APIs tell it, by which
agents know that they must shorten it; a failing model is asked again by some of them instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.gateway.agents.conftest import TOO_LONG
from tests.gateway.process import MASTER, Gateway
from tests.lazily import Lazily, openai

if TYPE_CHECKING:
    import anthropic
else:
    anthropic = Lazily("anthropic")

ASKED = {"model": "too-long", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("stream", [False, True])
def test_by_chat_completions(running: Gateway, stream: bool) -> None:
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key=MASTER) as client:
        with pytest.raises(openai.APIError, match="prompt is too long") as caught:
            list(client.chat.completions.create(**ASKED, stream=stream))
    assert (caught.value.code, caught.value.type) == ("context_length_exceeded", "invalid_request_error")
    assert TOO_LONG in str(caught.value)


def test_by_responses(running: Gateway) -> None:
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key=MASTER) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model="too-long", input="Hi")
        assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize("stream", [False, True])
def test_by_messages(running: Gateway, stream: bool) -> None:
    with anthropic.Anthropic(base_url=running.url, api_key=MASTER) as client:
        with pytest.raises(anthropic.APIStatusError, match="invalid_request_error.*prompt is too long"):
            list(client.messages.create(**ASKED, max_tokens=9, stream=stream))

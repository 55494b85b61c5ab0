"""A conversation that is longer than what a model reads is told as OpenAI's and Anthropic's APIs tell it, with a
status before the answer begins: by that agents know that they must shorten it, and some of them by that alone. A
failing model is asked again by some of them instead."""

from __future__ import annotations

import json
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
        with pytest.raises(openai.BadRequestError, match="prompt is too long") as caught:
            list(client.chat.completions.create(**ASKED, stream=stream))
    assert (caught.value.code, caught.value.type) == ("context_length_exceeded", "invalid_request_error")
    assert TOO_LONG in str(caught.value)


@pytest.mark.parametrize("stream", [False, True])
def test_by_responses(running: Gateway, stream: bool) -> None:
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key=MASTER) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model="too-long", input="Hi", stream=stream)
        assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize("stream", [False, True])
def test_by_messages(running: Gateway, stream: bool) -> None:
    with anthropic.Anthropic(base_url=running.url, api_key=MASTER) as client:
        with pytest.raises(anthropic.BadRequestError, match="invalid_request_error.*prompt is too long"):
            list(client.messages.create(**ASKED, max_tokens=9, stream=stream))


def test_after_a_streamed_response_has_begun(running: Gateway) -> None:
    """By an `error`, which OpenAI's SDKs raise, and by a `response.failed`: some clients know only one of them."""
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key=MASTER) as client:
        with client.responses.create(model="too-long-late", input="Hi", stream=True) as stream:
            with pytest.raises(openai.APIError, match="prompt is too long") as caught:
                list(stream)
    assert caught.value.code == "context_length_exceeded"
    with running.http() as http:
        answer = http.post("/v1/responses", json={"model": "too-long-late", "input": "Hi", "stream": True})
    last = json.loads(answer.text.strip().rpartition("data: ")[2])
    assert last["type"] == "response.failed"
    assert last["response"]["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize("path", ["chat/completions", "responses", "messages"])
def test_a_model_that_fails_for_its_own_sake_has_begun_its_answer(running: Gateway, path: str) -> None:
    """Clients that ask again after a 5xx, each time for another prediction, do not see one here."""
    asked = {"input": "Hi"} if path == "responses" else {"messages": ASKED["messages"]}
    with running.http() as http:
        answer = http.post(f"/v1/{path}", json={"model": "fails", "max_tokens": 9, "stream": True, **asked})
    assert answer.status_code == 200 and "CUDA out of memory" in answer.text

"""What Anthropic's clients send, as a chat completion."""

from __future__ import annotations

from typing import Any

import pytest

from areplicate.chat.apis.messages_input import read_request


def read(*messages: Any) -> list[Any]:
    return read_request({"model": "m", "max_tokens": 9, "messages": list(messages)}).messages


def test_an_answer_without_a_word_may_be_sent_back() -> None:
    assert read({"role": "assistant", "content": []}) == [{"role": "assistant", "content": ""}]


@pytest.mark.parametrize(
    "source",
    [
        {"type": "text", "media_type": "text/plain", "data": "One.\nTwo."},
        {"type": "content", "content": "One.\nTwo."},
        {"type": "content", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]},
    ],
)
def test_a_document_stands_apart_from_the_question(source: Any) -> None:
    document = {"type": "document", "source": source, "title": "Numbers"}
    (message,) = read({"role": "user", "content": [document, {"type": "text", "text": "How many?"}]})
    said = "".join(part["text"] for part in message["content"])
    assert said == "<document title='Numbers'>\nOne.\nTwo.\n</document>\nHow many?"

"""What the messages of a call may be, and what is said about those that are wrong."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from areplicate.chat.messages import Media, Message, read_messages
from areplicate.chat.responses import Message as Answer
from areplicate.errors import BadRequestError


def test_text_comes_as_a_string_or_as_parts() -> None:
    parts = [{"type": "text", "text": "What do you know "}, {"type": "text", "text": "about earth?"}]
    assert read_messages([{"role": "user", "content": parts}]) == (
        Message("user", "What do you know about earth?"),
    )


def test_developer_is_system_and_function_is_tool() -> None:
    read = read_messages(
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "function", "name": "clock", "content": "12:00"},
        ]
    )
    assert [message.role for message in read] == ["system", "tool"]
    assert read[1].name == "clock"


def test_an_answer_can_be_sent_back_as_it_came() -> None:
    answer = Answer(role="assistant", content="Hello!")
    dumped = SimpleNamespace(model_dump=lambda: {"role": "assistant", "content": "Hello!", "refusal": None})
    assert read_messages([answer, dumped]) == (Message("assistant", "Hello!"),) * 2


def test_an_assistant_that_calls_tools_needs_no_content() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    (read,) = read_messages([{"role": "assistant", "content": None, "tool_calls": [call]}])
    assert read.text == "" and read.tool_calls == (call,)


@pytest.mark.parametrize("arguments", [{"arguments": ""}, {"arguments": " "}, {"arguments": None}, {}])
def test_the_arguments_of_a_call_that_has_none_are_json(arguments: dict[str, Any]) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "clock", **arguments}}
    (read,) = read_messages([{"role": "assistant", "content": None, "tool_calls": [call]}])
    assert read.tool_calls[0]["function"] == {"name": "clock", "arguments": "{}"}


def test_a_tool_may_have_nothing_to_tell() -> None:
    assert read_messages([{"role": "tool", "tool_call_id": "call_1", "content": None}])[0].text == ""


def test_the_older_function_call_is_a_tool_call() -> None:
    (read,) = read_messages(
        [{"role": "assistant", "content": None, "function_call": {"name": "clock", "arguments": "{}"}}]
    )
    assert read.tool_calls[0]["function"]["name"] == "clock"


@pytest.mark.parametrize(
    ("part", "media"),
    [
        (
            {"type": "image_url", "image_url": {"url": "https://e.com/a.png", "detail": "low"}},
            Media("image", "https://e.com/a.png"),
        ),
        ({"type": "image_url", "image_url": "cat.png"}, Media("image", "cat.png")),
        (
            {"type": "video_url", "video_url": {"url": "https://e.com/a.mp4"}},
            Media("video", "https://e.com/a.mp4"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "mp3"}},
            Media("audio", "data:audio/mp3;base64,UklGRg=="),
        ),
        (
            {"type": "input_video", "input_video": {"data": "AAAA", "format": "webm"}},
            Media("video", "data:video/webm;base64,AAAA"),
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}},
            Media("file", "data:application/pdf;base64,JVBE", "a.pdf"),
        ),
        (
            {"type": "file", "file": {"file_data": "JVBE", "filename": "a.pdf"}},
            Media("file", "data:application/octet-stream;base64,JVBE", "a.pdf"),
        ),
        ({"type": "file", "file": {"file_url": "https://e.com/a.pdf"}}, Media("file", "https://e.com/a.pdf")),
    ],
)
def test_media_parts(part: dict[str, Any], media: Media) -> None:
    (read,) = read_messages([{"role": "user", "content": [{"type": "text", "text": "Look:"}, part]}])
    assert read.text == "Look:" and read.media == (media,)


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        (None, "messages must be a list"),
        ("Hello", "messages must be a list"),
        ({"role": "user"}, "messages must be a list"),
        ([], "messages is empty"),
        (["Hello"], "messages[0] must be a mapping with role and content, not str"),
        ([{"content": "Hello"}], "messages[0] has the role None; use one of system, developer, user"),
        ([{"role": "bot", "content": "Hello"}], "messages[0] has the role 'bot'"),
        ([{"role": ["user"], "content": "Hello"}], "messages[0] has the role ['user']"),
        ([{"role": "user"}], "messages[0] has no content"),
        ([{"role": "user", "content": None}], "messages[0] has no content"),
        ([{"role": "user", "content": 7}], "messages[0] has content of type int"),
        ([{"role": "user", "content": [7]}], "messages[0] has a content part that must be a mapping"),
        (
            [{"role": "user", "content": [{"type": "hologram"}]}],
            "content part of type 'hologram'; known are text",
        ),
        ([{"role": "user", "content": [{"type": "text"}]}], "whose text is not a string"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "without a URL"),
        (
            [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}],
            "without file_data",
        ),
        (
            [{"role": "user", "content": "a\ud800b"}],
            "messages[0] has text that is not valid Unicode at character 1",
        ),
        (
            [{"role": "assistant", "content": None, "tool_calls": [{}]}],
            "messages[0] has a tool call whose function",
        ),
        (
            [{"role": "assistant", "content": None, "tool_calls": [{"function": {}}]}],
            'messages[0] has a tool call without {"function"',
        ),
        ([{"role": "tool", "tool_call_id": 7, "content": "x"}], "messages[0] has a tool_call_id of type int"),
        ([{"role": "user", "content": "Hi"}, {"role": "user"}], "messages[1] has no content"),
    ],
)
def test_what_is_wrong_with_messages_is_said(messages: Any, complaint: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read_messages(messages)
    assert complaint in caught.value.message


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
part_like = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "input_audio", "file", "video_url", "x"]) | json_like},
    optional=dict.fromkeys(("text", "image_url", "input_audio", "file", "video_url"), json_like),
)
message_like = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"]) | json_like},
    optional={
        "content": st.text() | st.lists(part_like, max_size=3) | json_like,
        "tool_calls": json_like,
        "name": json_like,
    },
)


@given(st.lists(message_like, max_size=3) | json_like)
def test_whatever_is_passed_is_read_or_refused(messages: Any) -> None:
    try:
        read = read_messages(messages)
    except BadRequestError as error:
        assert "messages" in error.message
    else:
        assert all(isinstance(message, Message) for message in read)
        assert read_messages(read) == read


@pytest.mark.parametrize("more", [{}, {"content": None}, {"content": None, "tool_calls": []}])
def test_an_assistant_may_have_said_nothing(more: dict[str, Any]) -> None:
    """As other clients keep an answer that was cut off before its first word."""
    [message] = read_messages([{"role": "assistant", **more}])
    assert message.text == "" and not message.tool_calls

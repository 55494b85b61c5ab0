"""What the messages of a call may be, and what is said about those that are wrong."""

from __future__ import annotations

import io
import mimetypes
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from areplicate.chat.messages import InputMessage, Media, MediaKind, mime_of, read_messages
from areplicate.chat.responses import Message
from areplicate.errors import BadRequestError


def test_text_comes_as_a_string_or_as_parts() -> None:
    parts = [{"type": "text", "text": "What do you know "}, {"type": "text", "text": "about earth?"}]
    assert read_messages([{"role": "user", "content": parts}]) == (
        InputMessage("user", "What do you know about earth?"),
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
    answer = Message(role="assistant", content="Hello!")
    dumped = SimpleNamespace(model_dump=lambda: {"role": "assistant", "content": "Hello!", "refusal": None})
    assert read_messages([answer, dumped]) == (InputMessage("assistant", "Hello!"),) * 2


def test_an_assistant_that_calls_tools_needs_no_content() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    (read,) = read_messages([{"role": "assistant", "content": None, "tool_calls": [call]}])
    assert read.text == "" and read.tool_calls == (call,)


@pytest.mark.parametrize("arguments", [{"arguments": ""}, {"arguments": " "}, {"arguments": None}, {}])
def test_the_arguments_of_a_call_that_has_none_are_json(arguments: dict[str, Any]) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "clock", **arguments}}
    (read,) = read_messages([{"role": "assistant", "content": None, "tool_calls": [call]}])
    assert read.tool_calls[0]["function"] == {"name": "clock", "arguments": "{}"}


@pytest.mark.parametrize("arguments", ['{"zone": "UTC"}', "not JSON", {"zone": "UTC"}])
def test_the_arguments_of_a_call_stay_what_they_are(arguments: Any) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": arguments}}
    (read,) = read_messages([{"role": "assistant", "content": None, "tool_calls": [call]}])
    assert read.tool_calls == (call,)


def test_a_tool_may_have_nothing_to_tell() -> None:
    assert read_messages([{"role": "tool", "tool_call_id": "call_1", "content": None}])[0].text == ""


def test_only_an_assistant_calls_tools() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    assert read_messages([{"role": "user", "content": "Hi", "tool_calls": [call]}]) == (
        InputMessage("user", "Hi"),
    )


def test_an_answer_s_refusal_is_its_text() -> None:
    (read,) = read_messages([{"role": "assistant", "content": None, "refusal": "No."}])
    assert read == InputMessage("assistant", "No.")
    assert (
        read_messages([{"role": "user", "content": [{"type": "refusal", "refusal": "No."}]}])[0].text == "No."
    )


def test_a_message_goes_out_with_all_that_came_in() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    for message in (
        {"role": "user", "content": "Hi", "name": "Ann"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "noon", "tool_call_id": "c1"},
    ):
        assert [read.as_openai() for read in read_messages([message])] == [message]


def test_the_older_function_call_is_a_tool_call() -> None:
    (read,) = read_messages(
        [{"role": "assistant", "content": None, "function_call": {"name": "clock", "arguments": "{}"}}]
    )
    assert read.tool_calls[0]["function"]["name"] == "clock"


SOUNDS_AND_FILMS: list[tuple[str, MediaKind]] = [("input_audio", "audio"), ("input_video", "video")]
CONTENTS: list[tuple[str, str, MediaKind]] = [
    ("image_url", "url", "image"),
    ("input_audio", "data", "audio"),
    ("input_video", "data", "video"),
    ("file", "file_data", "file"),
]


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
        ({"type": "file", "file": {"file_id": "https://e.com/a.pdf"}}, Media("file", "https://e.com/a.pdf")),
        (
            {"type": "file", "file": {"url": "https://e.com/a.pdf", "filename": "b.pdf"}},
            Media("file", "https://e.com/a.pdf", "b.pdf"),
        ),
        ({"type": "audio_url", "audio_url": "https://e.com/a.mp3"}, Media("audio", "https://e.com/a.mp3")),
        *(
            ({"type": kind, kind: {"data": data}}, Media(medium, data))
            for data in ("data:x/y;base64,AAAA", "http://e.com/a", "https://e.com/a")
            for kind, medium in SOUNDS_AND_FILMS
        ),
        *(
            ({"type": "file", "file": {"file_data": data}}, Media("file", data))
            for data in ("data:x/y;base64,AAAA", "http://e.com/a", "https://e.com/a")
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA"}},
            Media("audio", "data:audio/wav;base64,AAAA"),
        ),
        (
            {"type": "input_video", "input_video": {"data": "AAAA"}},
            Media("video", "data:video/mp4;base64,AAAA"),
        ),
        ({"type": "input_audio", "input_audio": "https://e.com/a"}, Media("audio", "https://e.com/a")),
        (
            {"type": "input_video", "input_video": {"url": "https://e.com/a"}},
            Media("video", "https://e.com/a"),
        ),
        *(
            ({"type": kind, kind: {key: b"GIF8"}}, Media(medium, "data:image/gif;base64,R0lGOA=="))
            for kind, key, medium in CONTENTS
        ),
        ({"type": "image_url", "image_url": Path("a/b.png")}, Media("image", str(Path("a/b.png")))),
        (
            {"type": "file", "file": {"file_data": b"%PDF", "filename": "a.pdf"}},
            Media("file", "data:application/pdf;base64,JVBERg==", "a.pdf"),
        ),
    ],
)
def test_media_parts(part: dict[str, Any], media: Media) -> None:
    (read,) = read_messages([{"role": "user", "content": [{"type": "text", "text": "Look:"}, part]}])
    assert read.text == "Look:" and read.media == (media,)


def test_open_files_are_read_later_and_keep_their_names(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF")
    with path.open("rb") as file:
        for filename, kept in ((None, "a.pdf"), ("b.pdf", "b.pdf")):
            part = {"type": "file", "file": {"file_data": file, "filename": filename}}
            [medium] = read_messages([{"role": "user", "content": [part]}])[0].media
            assert medium == Media("file", "", kept, file)
    nameless = io.BytesIO(b"GIF8")
    [medium] = read_messages([{"role": "user", "content": [{"type": "image_url", "image_url": nameless}]}])[
        0
    ].media
    assert medium == Media("image", "", None, nameless)


@pytest.mark.parametrize(
    ("content", "mime"),
    [
        (b"\x89PNG\r\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"BM....", "image/bmp"),
        (b"RIFF....WEBPVP8", "image/webp"),
        (b"%PDF-1.7", "application/pdf"),
        (b"ID3..", "audio/mpeg"),
        (b"\xff\xfb..", "audio/mpeg"),
        (b"OggS..", "audio/ogg"),
        (b"fLaC..", "audio/flac"),
        (b"RIFF....WAVEfmt ", "audio/wav"),
        (b"\x1aE\xdf\xa3..", "video/webm"),
        (b"....ftypisom", "video/mp4"),
        (b"....ftypheic", "image/heic"),
        (b"....ftypavif", "image/avif"),
        (b"....ftypM4A ", "audio/mp4"),
        (b"....ftypqt  ", "video/quicktime"),
        (b"RIFF....AVI ", "application/octet-stream"),
        (b"Hello", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_files_are_known_by_how_they_begin(content: bytes, mime: str) -> None:
    assert mime_of(content) == mime


def test_names_mean_the_same_on_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mimetypes, "_db", mimetypes.MimeTypes())  # as without the system's list
    assert mime_of(b"", "cat.webp") == "image/webp"
    assert mime_of(b"\x89PNG", "cat") == "image/png"


def user(*parts: Any) -> list[Any]:
    return [{"role": "user", "content": list(parts)}]


def calls(*tool_calls: Any, **more: Any) -> list[Any]:
    return [{"role": "assistant", "content": None, "tool_calls": list(tool_calls), **more}]


PARTS = ": give a string or a list of content parts"
ROLES = "; use one of system, developer, user, assistant, tool, function"
FILE = (
    'has a file part without file_data: give {"file": {"file_data": "data:application/pdf;base64,...", "filename": '
    '"a.pdf"}}; ids of files that were uploaded elsewhere mean nothing to Replicate'
)


@pytest.mark.parametrize(
    ("messages", "kind"), [(None, "NoneType"), ("Hello", "str"), ({"role": "user"}, "dict"), (7, "int")]
)
def test_messages_are_a_list(messages: Any, kind: str) -> None:
    example = '[{"role": "user", "content": "Hello"}]'
    with pytest.raises(BadRequestError) as caught:
        read_messages(messages)
    assert caught.value.message == f"messages must be a list such as {example}, not {kind}."
    assert caught.value.param == "messages"


@pytest.mark.parametrize("messages", [[], ()])
def test_there_is_at_least_one_message(messages: Any) -> None:
    with pytest.raises(BadRequestError, match="^messages is empty: give at least one message.$") as caught:
        read_messages(messages)
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        (["Hello"], "must be a mapping with role and content, not str"),
        ([{"content": "Hello"}], f"has the role None{ROLES}"),
        ([{"role": "bot", "content": "Hello"}], f"has the role 'bot'{ROLES}"),
        ([{"role": ["user"], "content": "Hello"}], f"has the role ['user']{ROLES}"),
        ([{"role": "user"}], f"has no content{PARTS}"),
        ([{"role": "user", "content": None}], f"has no content{PARTS}"),
        ([{"role": "user", "content": 7}], f"has content of type int{PARTS}"),
        (user(7), "has a content part that must be a mapping with a type, not int"),
        (user({"type": 7}), "has a content part whose type must be a string such as text, not 7"),
        (
            user({"type": "hologram"}),
            "has a content part of type 'hologram'; known are text, image_url, audio_url, input_audio, video_url, "
            "input_video and file",
        ),
        *(
            (user({"type": kind}), f'has a part of type "{kind}" whose {key} is not a string')
            for kind, key in (
                ("text", "text"),
                ("input_text", "text"),
                ("output_text", "text"),
                ("refusal", "refusal"),
            )
        ),
        *(
            (
                user({"type": kind}),
                f'has a part of type "{kind}" without a URL: write {{"{kind}": {{"url": "https://..."}}}}',
            )
            for kind in ("image_url", "video_url", "audio_url", "input_audio", "input_video")
        ),
        (user({"type": "file"}), FILE),
        (user({"type": "file", "file": {"file_id": "file-1"}}), FILE),
        (user({"type": "file", "file": {"file_url": ""}}), FILE),
        (user({"type": "file", "file": {"filename": 7}}), "has filename of type int: give a string"),
        (calls(tool_calls=7), "has tool_calls that are not a list"),
        (calls(7), "has a tool call that must be a mapping, not int"),
        (calls({}), "has a tool call whose function must be a mapping, not NoneType"),
        *(
            (
                calls({"function": function}),
                'has a tool call without {"function": {"name": ..., "arguments": ...}}',
            )
            for function in ({}, {"name": 7})
        ),
        (calls({"id": 7, "function": {"name": "x"}}), "has id of type int: give a string"),
        (
            calls({"function": {"name": "x", "arguments": object()}}),
            "has tool_calls that JSON cannot hold: Encoding objects of type object is unsupported",
        ),
        (
            calls(function_call={"name": "x", "arguments": object()}),
            "has function_call that JSON cannot hold: Encoding objects of type object is unsupported",
        ),
        (
            [{"role": "tool", "tool_call_id": 7, "content": "x"}],
            "has tool_call_id of type int: give a string",
        ),
        ([{"role": "user", "name": 7, "content": "x"}], "has name of type int: give a string"),
    ],
)
def test_what_is_wrong_with_a_message_is_said(messages: list[Any], complaint: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read_messages([{"role": "user", "content": "Hi"}, *messages])
    assert (caught.value.message, caught.value.param) == (f"messages[1] {complaint}.", "messages")


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": "a\ud800b"},
        {"role": "user", "content": [{"type": "text", "text": "a\ud800"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": "a\ud800"}]},
        {"role": "assistant", "content": None, "refusal": "a\ud800"},
        Message(role="assistant", content="a\ud800"),
    ],
)
def test_half_of_a_surrogate_pair_cannot_be_sent(message: Any) -> None:
    with pytest.raises(
        BadRequestError, match=r"^messages\[0\] has text that is not valid Unicode at character 1.$"
    ):
        read_messages([message])


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
        assert all(isinstance(message, InputMessage) for message in read)
        assert read_messages(read) == read


@pytest.mark.parametrize("more", [{}, {"content": None}, {"content": None, "tool_calls": []}])
def test_an_assistant_may_have_said_nothing(more: dict[str, Any]) -> None:
    """As other clients keep an answer that was cut off before its first word."""
    [message] = read_messages([{"role": "assistant", **more}])
    assert message.text == "" and not message.tool_calls

"""The event stream parser, against the rules of the HTML standard."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from areplicate.replicate.protocol.events import Event, EventParser


def parse(*pieces: bytes) -> list[Event]:
    parser = EventParser()
    return [event for piece in pieces for event in parser.feed(piece)]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_every_line_ending_ends_a_line(end: bytes) -> None:
    lines = [b"event: output", b"id: 1:0", b"data: one", b"data: two", b"", b""]
    # A lone CR at the end waits for nothing: the event is out.
    assert parse(end.join(lines)) == [Event("output", "one\ntwo", "1:0")]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"\xef\xbb\xbfdata: bom\n\n", [Event("message", "bom")]),
        (b"data\n\n", [Event("message", "")]),
        (b"data:\n\n", [Event("message", "")]),
        (b"data:  two spaces\n\n", [Event("message", " two spaces")]),
        (b"event: lost\n\ndata: x\n\n", [Event("message", "x")]),
        (b"data: unfinished\n", []),
        (b": hi\n\n", []),
        (b":408: 408 Request Timeout\ndata: x\n\n", [Event("message", "x")]),
        (b"id: 5\ndata: a\n\ndata: b\n\n", [Event("message", "a", "5"), Event("message", "b", "5")]),
        (b"id: a\0b\ndata: x\n\n", [Event("message", "x")]),
        (b"retry: 1500\ndata: x\n\n", [Event("message", "x")]),
        (b"unknown: field\ndata: x\n\n", [Event("message", "x")]),
        (b'data: {"a": 1}\ndata: data: x\n\n', [Event("message", '{"a": 1}\ndata: x')]),
    ],
)
def test_the_standards_rules(stream: bytes, events: list[Event]) -> None:
    assert parse(stream) == events


def test_a_line_without_end_is_given_up() -> None:
    parser = EventParser()
    with pytest.raises(ValueError, match="a line of more than 16 MiB"):
        for _ in range(20):
            parser.feed(b"x" * 2**20)


def test_a_long_line_in_tiny_pieces_is_not_copied_with_each() -> None:
    def seconds(length: int) -> float:
        begun, parser = time.thread_time(), EventParser()
        for _ in range(length):
            parser.feed(b"x")
        return time.thread_time() - begun

    assert seconds(200_000) < 20 * seconds(25_000)  # eight times as long, and not sixty-four


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(stream) + 1) for cut in cuts})
    return [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]


fields = st.sampled_from([b"data", b"event", b"id", b"retry", b"", b"dat"])
values = st.one_of(st.binary(max_size=8), st.text(max_size=8).map(str.encode))
lines = st.one_of(
    st.tuples(fields, st.sampled_from([b":", b": ", b""]), values).map(b"".join),
    st.just(b""),
)
streams = st.lists(st.tuples(lines, st.sampled_from([b"\n", b"\r", b"\r\n"])).map(b"".join)).map(b"".join)


@given(stream=streams, bom=st.booleans(), cuts=st.lists(st.integers(0, 500), max_size=12))
@example(stream=b"event: a\r\ndata: x\r\n\r\n", bom=False, cuts=[9, 18])  # between CR and LF
@example(stream=b"data: a\rdata: b\r\r", bom=False, cuts=[3, 8, 12])  # within lines that end with CR alone
# before a mark that is not the first:
@example(stream=b"data: a\n\xef\xbb\xbfdata: b\n\n", bom=False, cuts=[8])
def test_where_the_bytes_are_split_does_not_matter(stream: bytes, bom: bool, cuts: list[int]) -> None:
    stream = b"\xef\xbb\xbf" * bom + stream
    assert parse(*split(stream, cuts)) == parse(stream)


def test_a_byte_order_mark_may_come_in_pieces() -> None:
    stream = b"\xef\xbb\xbfdata: x\n\n"
    for cut in range(1, len(stream)):
        assert parse(stream[:1], stream[1:cut], stream[cut:]) == [Event("message", "x")]


texts = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=40)


@given(texts=st.lists(texts, max_size=8), cuts=st.lists(st.integers(0, 2000), max_size=20))
def test_any_text_comes_through_whole(texts: list[str], cuts: list[int]) -> None:
    stream = "".join(
        "event: output\n" + "".join(f"data: {line}\n" for line in text.split("\n")) + "\n" for text in texts
    ).encode()
    assert [event.data for event in parse(*split(stream, cuts))] == texts

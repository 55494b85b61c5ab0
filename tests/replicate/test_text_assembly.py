"""Any text, cut and replayed in any way, is assembled whole; without a socket."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from areplicate.replicate.protocol.events import Event
from areplicate.replicate.text_assembly import TextAssembly, as_streamed, grows, remainder

POEM = ["Roses", " are\n", "\n", "red", "", " ", "red", " red", "\n\n", "end"]

SENTENCE = "This sentence has about forty characters. "


def events_of(pieces: list[str], ids: str = "17:%d") -> list[Event]:
    events = [Event("output", as_streamed(piece), ids % place) for place, piece in enumerate(pieces)]
    return [*events, Event("done", "{}", ids % len(pieces))]


def feed(assembly: TextAssembly, events: list[Event]) -> str:
    return "".join(assembly.add(event) for event in events)


class Server:
    """An event stream of some pieces.

    Args:
        resumes: it goes on after `Last-Event-ID`, or ("repeats") with the very event of that id; else it
            begins again.
        ids: "kept" from connection to connection, "renamed" at each, or "none".
    """

    def __init__(self, pieces: list[str], resumes: str, ids: str) -> None:
        self.pieces = pieces
        self.resumes = resumes
        self.ids = ids
        self.connections = 0

    def connect(self, last_id: str) -> list[Event]:
        self.connections += 1
        spelled = {"kept": "17:%d", "renamed": f"{self.connections}x%dx", "none": ""}[self.ids]
        events = events_of(self.pieces, spelled) if spelled else events_of(self.pieces, "%.0s")
        if not last_id or self.resumes == "no":
            return events
        digits = last_id.rstrip("x").replace(":", "x").rpartition("x")[2]
        return events[int(digits) + (self.resumes == "after") :]


texts = st.lists(st.text(st.sampled_from("ab \n\r😀"), max_size=4), max_size=12)
cuts = st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=8)


servers = st.tuples(st.sampled_from(["after", "repeats", "no"]), st.sampled_from(["kept", "renamed", "none"]))
servers = servers.filter(lambda server: server != ("repeats", "renamed"))  # which nobody could follow


@settings(max_examples=200)
@given(
    pieces=texts,
    cuts=cuts,
    server=servers,
)
@example(pieces=["ha"] * 8, cuts=[(3, False), (3, False)], server=("after", "renamed"))
@example(pieces=["!"] * 100, cuts=[(50, False)], server=("after", "renamed"))
@example(pieces=["a\r", "\nb", "\rc"], cuts=[(1, True), (1, True)], server=("after", "kept"))
@example(pieces=list("abcdefgh"), cuts=[(6, False), (2, False), (1, True)], server=("no", "kept"))
def test_cuts_replays_and_unknown_ids_lose_and_repeat_nothing(
    pieces: list[str], cuts: list[tuple[int, bool]], server: tuple[str, str]
) -> None:
    """Each connection brings some events and is cut; between two there may be a look at the prediction."""
    stream, assembly = Server(pieces, *server), TextAssembly()
    whole = "".join(as_streamed(pieces))
    written, given_out = 0, ""
    for count, look in cuts:
        if assembly.lost or assembly.done:
            break
        assembly.reconnected()
        seen = stream.connect(assembly.last_id)[:count]
        written = max(written, len(seen))
        given_out += feed(assembly, seen)
        if look:
            given_out += assembly.catch_up("".join(as_streamed(pieces[: written + 1])))
        assert whole.startswith(given_out) and given_out == assembly.text
    if assembly.whole:
        assert given_out == whole, "a stream that says so has brought everything"
    rest, agrees = assembly.finish(whole)
    assert agrees
    assert given_out + rest == assembly.text == whole


@given(pieces=texts, cuts=cuts)
def test_a_server_that_goes_on_where_it_was_told_to_never_loses_its_place(
    pieces: list[str], cuts: list[tuple[int, bool]]
) -> None:
    server, assembly = Server(pieces, "after", "kept"), TextAssembly()
    for count, _ in [*cuts, (100, False)]:
        assembly.reconnected()
        feed(assembly, server.connect(assembly.last_id)[:count])
    assert assembly.text == "".join(as_streamed(pieces))
    assert assembly.whole and not assembly.lost


def test_a_server_that_forgets_only_at_times_is_followed_all_the_same() -> None:
    events, assembly = events_of(list("abcdefgh")), TextAssembly()
    for seen in (events[:6], events[:3]):  # a replay that ends before what was given out
        assembly.reconnected()
        feed(assembly, seen)
        assert assembly.last_id == "17:5", "what was read the furthest"
    assembly.reconnected()
    feed(assembly, events[6:])
    assert (assembly.text, assembly.whole, assembly.last_id) == ("abcdefgh", True, "17:7")


def test_a_server_that_begins_again_and_goes_on_is_followed_by_its_first_id() -> None:
    events, assembly = events_of(list("abcdefgh")), TextAssembly()
    feed(assembly, events[:6])
    assembly.reconnected()
    assert feed(assembly, events) == "gh"
    assert assembly.whole and not assembly.lost


def test_a_server_that_begins_again_under_other_numbers_gives_nothing_twice() -> None:
    pieces, assembly = list("abcdef"), TextAssembly()
    feed(assembly, events_of(pieces, "17:%d")[:3])
    assembly.reconnected()
    assert feed(assembly, events_of(pieces, "18:%d0")) == ""
    assert assembly.lost and not assembly.whole


def test_an_event_that_is_delivered_twice_adds_its_text_once() -> None:
    first, *others, done = events_of(POEM)
    assembly = TextAssembly()
    assert feed(assembly, [first, *(event for each in others for event in (each, each)), done]) == "".join(
        POEM
    )
    assert assembly.whole


def test_what_comes_after_the_end_adds_nothing() -> None:
    assembly = TextAssembly()
    assert feed(assembly, events_of(POEM) * 2) == "".join(POEM) and assembly.whole


@pytest.mark.parametrize("ids", ["%.0s", "17:0%.0s"], ids=["none", "one for all"])
def test_words_that_a_model_repeats_are_kept_where_ids_do_not_tell_them_apart(ids: str) -> None:
    assert feed(TextAssembly(), events_of(["ha"] * 9, ids)) == "ha" * 9


def test_nothing_is_known_of_a_text_that_has_not_begun() -> None:
    assembly = TextAssembly()
    assert (assembly.text, assembly.last_id) == ("", "")
    assert [assembly.done, assembly.whole, assembly.lost] == [False, False, False]


def test_a_stream_goes_on_after_its_last_event_whatever_that_was() -> None:
    assembly = TextAssembly()
    feed(assembly, [Event("logs", "Loading", "1:0")])
    assert assembly.last_id == "1:0", "before any text"
    feed(assembly, [Event("output", "ha", "1:1"), Event("logs", "Written", "1:2")])
    assembly.reconnected()
    repeated = [Event("logs", "Written", "1:2"), Event("output", "ha", "1:3"), Event("done", "{}", "1:4")]
    assert feed(assembly, repeated) == "ha"
    assert (assembly.text, assembly.whole) == ("haha", True)


def test_a_text_that_has_not_begun_begins_under_any_id() -> None:
    assembly = TextAssembly()
    feed(assembly, [Event("logs", "Loading", "a0a")])
    assembly.reconnected()
    assert feed(assembly, [Event("output", "ha", "b0b")]) == "ha"
    assert not assembly.lost


def test_a_text_under_unknown_ids_goes_on_at_once_where_it_says_something_else() -> None:
    assembly = TextAssembly()
    feed(assembly, [Event("output", "abc", "a0a")])
    assembly.reconnected()
    assert feed(assembly, [Event("output", "def", "b1b"), Event("output", "abc", "b2b")]) == "defabc"
    assert not assembly.lost


@pytest.mark.parametrize(
    ("given", "output", "ahead"),
    [
        ("one", "one two", " two"),
        ("", "one", "one"),
        ("one", "one", ""),
        ("one two", "one", ""),
        ("one\n\n", "one\r\ntwo", ""),
        ("one", "two three", ""),
    ],
)
def test_a_look_gives_what_the_stream_is_behind_by(given: str, output: str, ahead: str) -> None:
    assembly = TextAssembly()
    feed(assembly, [Event("output", given, "1:0")])
    assert assembly.catch_up(output) == ahead
    assert assembly.text == given + ahead


def test_a_repetition_under_unknown_ids_is_told_by_nothing_but_a_look() -> None:
    for pieces in (["ha", "ha", "ha!"], ["!"] * 200):
        assembly = TextAssembly()
        middle = len(pieces) // 2
        feed(assembly, events_of(pieces[:middle], "a%da")[:-1])
        assembly.reconnected()
        feed(assembly, events_of(pieces[middle:], "b%db"))
        assert assembly.lost and not assembly.whole
        assert assembly.finish("".join(pieces))[1] and assembly.text == "".join(pieces)


def test_a_replay_that_does_not_say_the_same_is_lost() -> None:
    assembly = TextAssembly()
    feed(assembly, events_of(["abc"])[:1])
    assembly.reconnected()
    assert feed(assembly, events_of(["xyz", "more"])[:1]) == ""
    assert assembly.lost
    assert feed(assembly, events_of(["", "", "d", "ef"])) == "" and not assembly.whole
    assert assembly.finish("abcdef") == ("def", True)


@pytest.mark.parametrize(
    ("end", "whole"),
    [
        (Event("done", "{}"), True),
        (Event("done", ""), True),
        (Event("done", '{"reason": "canceled"}'), False),
        (Event("done", '{"reason": "error"}'), False),
        (Event("error", '{"detail": "CUDA out of memory"}'), False),
    ],
)
def test_a_streams_end(end: Event, whole: bool) -> None:
    assembly = TextAssembly()
    feed(assembly, [Event("output", "a", "1:0"), Event("logs", "b", "1:1"), end])
    assert (assembly.text, assembly.done, assembly.whole) == ("a", True, whole)
    assert assembly.last_id == "1:1"


@pytest.mark.parametrize(
    ("text", "output", "rest", "agrees"),
    [
        ("", "all", "all", True),
        ("one ", "one two", "two", True),
        ("one\n\ntwo", "one\r\ntwo", "", True),
        ("one\n\ntw", "one\r\ntwo\nthree", "o\nthree", True),
        ("a\nb", "a\rb c", " c", True),
        ("a \n", "a\r\n\r\nb", "\r\nb", True),
        ("\n\n", "x", "x", True),
        ('{"a": 1}', '{"a":1}', "", True),
        ("trailing  ", "trailing", "", True),
        ("too much", "too", "", False),
        ("some text", "", "", False),
        ("Helo wor", "Hello world", "rld", False),
        (
            "One event is lost and this much of the text comes after it",
            "One event, here, is lost and this much of the text comes after it, to the end",
            ", to the end",
            False,
        ),
        ("Who left Troy and came home?", "Who then left Troy and came home? He", " He", False),
        ("Who and came home?", "Who left Troy and came home?", "", False),
        ("ab", "ac  ", "", False),
        ("lo world", "Hello world, yes", ", yes", False),
        ("Beginning: " + SENTENCE, SENTENCE + "in the middle " + SENTENCE + "end", "end", False),
        ("Begin: " + SENTENCE, "Beginning: " + SENTENCE + "more " + SENTENCE, "more " + SENTENCE, False),
    ],
)
def test_what_an_output_has_beyond_a_text(text: str, output: str, rest: str, agrees: bool) -> None:
    assert remainder(text, output) == (rest, agrees)


@given(output=st.text(st.sampled_from("ab \n\r\t"), max_size=30), data=st.data())
def test_white_space_never_loses_or_repeats_a_word(output: str, data: Any) -> None:
    written = output[: data.draw(st.integers(0, len(output)))]
    text = "".join(
        data.draw(st.sampled_from(["", " ", "\n\n"])) if character.isspace() else character
        for character in written
    )
    rest, agrees = remainder(text, output)
    assert agrees
    assert "".join((text + rest).split()) == "".join(output.split())


def test_a_text_in_small_pieces_takes_little_more_memory_than_its_characters() -> None:
    gc.collect()
    tracemalloc.start()
    try:
        assembly = TextAssembly()
        for number in range(5_000):
            assembly.add(Event("output", f"{number:04} ", f"17:{number}"))
        took, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert assembly.text == "".join(f"{number:04} " for number in range(5_000))
    assert took < 2 * 25_000


@given(ids=st.tuples(st.text(max_size=4) | st.just("9" * 5000), st.text(max_size=4) | st.just("1" * 5000)))
def test_any_id_is_taken(ids: tuple[str, str]) -> None:
    assembly = TextAssembly()
    for id in ids:
        assembly.reconnected()
        feed(assembly, [Event("output", "a", id), Event("output", "b", id)])
    assert assembly.text.startswith("ab")


def test_what_grows_while_it_is_written() -> None:
    assert grows("text") and grows(["a", "b"]) and grows([])
    assert not grows(None) and not grows({"a": 1}) and not grows(["a", 1]) and not grows([{}])


def test_line_breaks_are_the_event_streams() -> None:
    assert as_streamed(["a\r", "\nb", "c\r\nd", 1]) == ["a\n", "\nb", "c\nd", 1]
    assert as_streamed("a\rb") == "a\nb" and as_streamed(None) is None

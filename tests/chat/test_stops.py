"""A text ends at the first stop sequence, however it comes in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from areplicate.chat.stops import StopCutter

LETTERS = st.text(alphabet="ab", max_size=4)


@given(pieces=st.lists(LETTERS, max_size=8), sequences=st.lists(LETTERS, max_size=3))
def test_it_ends_before_the_first_one(pieces: list[str], sequences: list[str]) -> None:
    cutter, text = StopCutter(sequences), "".join(pieces)
    given_out = "".join([*map(cutter.feed, pieces), cutter.end()])
    found = [text.find(sequence) for sequence in sequences if sequence and sequence in text]
    assert given_out == text[: min(found, default=len(text))]
    assert (cutter.found is not None) == bool(found)
    if cutter.found is not None:
        assert text.startswith(cutter.found, len(given_out))


@pytest.mark.parametrize("text", ["</sto", "a</stop", "a<", "a</stop b<"])
def test_all_that_may_begin_one_is_held_back(text: str) -> None:
    cutter = StopCutter(["</stop>"])
    begun = text[text.rindex("<") :]
    assert cutter.feed(text) == text.removesuffix(begun)
    assert cutter.feed("</stop>".removeprefix(begun)) == "" and cutter.found == "</stop>"


def test_nothing_is_held_back_that_begins_none() -> None:
    cutter = StopCutter(["\n\nHuman:"])
    assert [cutter.feed(piece) for piece in ("Hi", " there\n", "\nHu", "manity", "\n\nHuman: x", "y")] == [
        "Hi",
        " there",
        "",
        "\n\nHumanity",
        "",
        "",
    ]
    assert (cutter.end(), cutter.found) == ("", "\n\nHuman:")

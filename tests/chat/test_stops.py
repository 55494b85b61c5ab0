"""A text ends at the first stop sequence, however it comes in pieces."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from areplicate.chat.adapting import adapt
from areplicate.chat.stops import StopCutter, before_stop

LETTERS = st.text(alphabet="ab", max_size=4)


def stopped(text: str, sequences: list[str]) -> tuple[str, bool]:
    """What is left of a text that is written character by character until it ends in a sequence."""
    for end in range(len(text) + 1):
        if found := [each for each in sequences if each and text[:end].endswith(each)]:
            return text[: end - max(map(len, found))], True
    return text, False


@given(pieces=st.lists(LETTERS, max_size=8), sequences=st.lists(LETTERS, max_size=3))
@example(pieces=["a", "b", "abb"], sequences=["aba", "b"])
def test_it_ends_before_the_first_one(pieces: list[str], sequences: list[str]) -> None:
    cutter, text = StopCutter(sequences), "".join(pieces)
    given_out = "".join([*map(cutter.feed, pieces), cutter.end()])
    assert (given_out, cutter.found is not None) == stopped(text, sequences)
    assert given_out == before_stop(text, sequences)
    if cutter.found is not None:
        assert text.startswith(cutter.found, len(given_out))


CALL = '<tool_call>{"name": "t", "arguments": {"q": "ab"}}</tool_call>'
TOOL = {"type": "function", "function": {"name": "t", "parameters": {"type": "object"}}}


@given(
    parts=st.lists(st.sampled_from(["a", "b", "\n", "<think>ab</think>", CALL, '{"a": "b"}']), max_size=8),
    cuts=st.sets(st.integers(0, 200), max_size=12),
    stop=st.lists(LETTERS.filter(bool), min_size=1, max_size=3),
    tools=st.booleans(),
)
def test_an_answer_ends_there_however_it_comes(
    parts: list[str], cuts: set[int], stop: list[str], tools: bool
) -> None:
    text, params = "".join(parts), {"stop": stop, **({"tools": [TOOL]} if tools else {})}
    contract = adapt([{"role": "user", "content": "Hi"}], params, schema=None).contract
    assert contract is not None

    def read(*pieces: str) -> tuple[list[str], list[str], str | None]:
        reader = contract.reader(streamed=True)
        deltas = [delta for piece in pieces for delta in reader.feed(piece)] + reader.end()
        texts = ["".join(filter(None, [getattr(d, name) for d in deltas])) for name in _TEXTS]
        calls = [call.function.arguments for delta in deltas for call in delta.tool_calls or ()]
        return texts, calls, reader.stopped_at

    whole = read(text)
    ends = sorted(cuts)
    assert read(*[text[a:b] for a, b in zip([0, *ends], [*ends, None], strict=True)]) == whole
    assert not any(each in whole[0][0] for each in stop) or whole[1], "calls may stand between its two halves"


_TEXTS = ("content", "reasoning_content")


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

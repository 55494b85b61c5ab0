"""Values of other libraries: each becomes what JSON has, or stays what it is."""

from __future__ import annotations

import enum
import io
from collections import OrderedDict
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from areplicate.chat.plain import as_json, plain, shown
from areplicate.errors import BadRequestError
from tests.lazily import Lazily

np: Any = Lazily("numpy")
openai: Any = Lazily("openai")


class Text(str):
    """As Markup and LangChain's texts are: what `str()` makes of it may be something else."""

    def __str__(self) -> str:
        return "something else"


class Colour(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Person(BaseModel):
    name: str
    colour: Colour


class Box(msgspec.Struct):
    inside: str


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Text("text"), "text"),
        (type("Whole", (int,), {})(7), 7),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Decimal("0.5"), 0.5),
        (Fraction(1, 2), 0.5),
        ({3}, [3]),
        (OrderedDict(a=Text("b")), {"a": "b"}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (Person(name="x", colour=Colour.RED), {"name": "x", "colour": "red"}),
        (Box("x"), {"inside": "x"}),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        (SimpleNamespace(_repr_png_=lambda: b"a picture of Pillow's"), b"a picture of Pillow's"),
    ],
)
def test_they_become_plain(value: Any, expected: Any) -> None:
    read = plain(value)
    assert read == expected and type(read) is type(expected)
    if not isinstance(expected, bytes):
        assert msgspec.json.encode(read) == msgspec.json.encode(expected)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: np.str_("numpy"), "numpy"),
        (lambda: np.float64(0.5), 0.5),
        (lambda: np.float32(0.5), 0.5),
        (lambda: np.int64(7), 7),
        (lambda: np.bool_(True), True),
        (lambda: np.array(3), 3),
        (lambda: np.array(["a", "b"]), ["a", "b"]),
        (lambda: (1, {Text("a"): (np.int64(2),)}), [1, {"a": [2]}]),
        (lambda: {"stop": openai.NOT_GIVEN, "n": [openai.omit]}, {"stop": None, "n": [None]}),
    ],
)
def test_so_do_those_of_numpy_and_openai(make: Callable[[], Any], expected: Any) -> None:
    test_they_become_plain(make(), expected)


@pytest.mark.parametrize(
    "value", [None, True, b"x", Path("a"), print, object, Person, io.BytesIO(), io.StringIO()]
)
def test_what_has_no_plain_form_stays(value: Any) -> None:
    assert plain(value) is value


def broken() -> Any:
    raise RuntimeError("mine")


def circle() -> Any:
    ring: list[Any] = []
    ring.append(ring)
    return ring


@pytest.mark.parametrize("value", [SimpleNamespace(model_dump=broken), circle()])
def test_what_cannot_be_read_is_named(value: Any) -> None:
    with pytest.raises(BadRequestError, match="tools cannot be read: its .* raised") as caught:
        plain(value, "tools")
    assert caught.value.param == "tools"


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.binary(),
        lambda v: st.lists(v) | st.dictionaries(st.text(), v),
    )
)
def test_what_is_plain_already_is_left_as_it_is(value: Any) -> None:
    assert repr(plain(value)) == repr(value)


@pytest.mark.parametrize("value", ["a\ud800", ["a\ud800"], {"a\ud800": 1}, Box("a\ud800"), Text("a\ud800")])
def test_half_of_a_surrogate_pair_is_refused_wherever_it_is(value: Any) -> None:
    message = "^stop has text that is not valid Unicode at character 1.$"
    with pytest.raises(BadRequestError, match=message) as caught:
        plain(value, "stop")
    assert caught.value.param == "stop"
    assert plain("é") == "é"


def test_what_json_has_no_form_for_is_an_error() -> None:
    assert as_json({1: ["a", date(2026, 1, 2)]}) == {"1": ["a", "2026-01-02"]}
    for value in ([float("nan")], [b"a"], object()):
        with pytest.raises(ValueError, match=r"\w"):
            as_json(value)


def test_a_value_in_a_message_has_sixty_characters_at_the_most() -> None:
    assert shown("x" * 58) == repr("x" * 58)
    assert shown("x" * 59) == f"'{'x' * 56}..."

    class Broken:
        def __repr__(self) -> str:
            raise ZeroDivisionError

    assert shown(Broken()) == "a Broken"

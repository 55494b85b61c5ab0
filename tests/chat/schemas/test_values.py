"""What a model's input takes, what it becomes, and what is said of what it does not take."""

from __future__ import annotations

import json
import logging
import math
from decimal import Decimal
from typing import Any

import pytest

from areplicate.chat.schemas.schema import Field
from areplicate.chat.schemas.values import AskedModel, fit, sendable
from areplicate.errors import BadRequestError

STRICT, DROPS = AskedModel("a/b", False), AskedModel("a/b", True)
INTEGER, NUMBER, STRING = Field("integer"), Field("number"), Field("string")
BETWEEN = Field("integer", minimum=1, maximum=8)
HALF_OPEN = Field("number", minimum=0.5), Field("number", maximum=0.5)
SIZED = Field("string", min_length=2, max_length=4)
CHOICE = Field("string", enum=("low", "high"))


@pytest.mark.parametrize(
    ("field", "value", "sent"),
    [
        (INTEGER, 3, 3),
        (INTEGER, 3.0, 3),
        (INTEGER, -(2**63), -(2**63)),
        (INTEGER, 2**64 - 1, 2**64 - 1),
        (BETWEEN, 1, 1),
        (BETWEEN, 8, 8),
        (BETWEEN, 1.0, 1),
        (BETWEEN, 8.0, 8),
        (NUMBER, 3, 3),
        (NUMBER, 0.5, 0.5),
        (NUMBER, 1e300, 1e300),
        (NUMBER, -(10**40), -1e40),
        (HALF_OPEN[0], 0.5, 0.5),
        (HALF_OPEN[0], 10**9, 10**9),
        (HALF_OPEN[1], 0.5, 0.5),
        (HALF_OPEN[1], -(10**9), -(10**9)),
        (STRING, "", ""),
        (SIZED, "ab", "ab"),
        (SIZED, "abcd", "abcd"),
        (Field("string", min_length=2), "a" * 99, "a" * 99),
        (Field("string", max_length=2), "", ""),
        (Field("boolean"), False, False),
        (Field("array"), ("a", 1), ["a", 1]),
        (Field("object"), {"a": 1}, {"a": 1}),
        (Field(), ["a"], ["a"]),
        (CHOICE, "low", "low"),
        (Field("integer", enum=(1, 2)), 2.0, 2),
    ],
)
def test_what_fits_is_sent(field: Field, value: Any, sent: Any) -> None:
    for asked in (STRICT, DROPS):
        made = fit("x", value, field, asked)
        assert made == sent and type(made) is type(sent)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (INTEGER, "3", "x must be an integer, not str '3'."),
        (INTEGER, True, "x must be an integer, not bool True."),
        (INTEGER, 3.5, "x must be an integer, not float 3.5."),
        (INTEGER, None, "x must be an integer, not NoneType None."),
        (INTEGER, math.inf, "x=inf is not a number that can be sent."),
        (INTEGER, 2**64, "x has more than 64 bits."),
        (INTEGER, -(2**63) - 1, "x has more than 64 bits."),
        (NUMBER, 10**400, "x has more than 64 bits."),
        (NUMBER, math.nan, "x=nan is not a number that can be sent."),
        (NUMBER, "3", "x must be a number, not str '3'."),
        (NUMBER, False, "x must be a number, not bool False."),
        (BETWEEN, True, "x must be an integer, not bool True."),
        (STRING, 3, "x must be a string, not int 3."),
        (Field("boolean"), 1, "x must be true or false, not int 1."),
        (Field("array"), "a", "x must be a list, not str 'a'."),
        (Field("object"), [], "x must be an object, not list []."),
        (SIZED, "a", "x has 1 characters; a/b needs at least 2."),
        (SIZED, "abcde", "x has 5 characters; a/b takes at most 4."),
        (Field("string", min_length=2), "a", "x has 1 characters; a/b needs at least 2."),
        (Field("string", max_length=2), "abc", "x has 3 characters; a/b takes at most 2."),
    ],
)
def test_what_is_of_another_type_or_length_is_refused(field: Field, value: Any, message: str) -> None:
    for asked in (STRICT, DROPS):
        with pytest.raises(BadRequestError) as caught:
            fit("x", value, field, asked)
        assert str(caught.value).partition(" (model")[0] == message
        assert (caught.value.param, caught.value.model) == ("x", "a/b")


@pytest.mark.parametrize(
    ("field", "value", "nearest", "bounds"),
    [
        (BETWEEN, 0, 1, "1 to 8"),
        (BETWEEN, 9, 8, "1 to 8"),
        (BETWEEN, 9.0, 8, "1 to 8"),
        (HALF_OPEN[0], -0.25, 0.5, "at least 0.5"),
        (HALF_OPEN[1], 0.75, 0.5, "at most 0.5"),
        (Field("number", minimum=0), -1, 0, "at least 0"),
        (Field("integer", maximum=2147483647), 2**40, 2147483647, "at most 2147483647"),
        (Field("number", maximum=0), 1, 0, "at most 0"),
    ],
)
def test_a_number_outside_the_bounds_is_refused_or_moved_to_the_nearest(
    field: Field, value: float, nearest: float, bounds: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(BadRequestError, match=r"is outside what a/b takes: ") as caught:
        fit("x", value, field, STRICT)
    assert f"takes: {bounds}. Give a value within, or drop_params=True to have it moved" in str(caught.value)
    assert (caught.value.param, caught.value.model) == ("x", "a/b")
    with caplog.at_level(logging.INFO, "areplicate"):
        assert fit("x", value, field, DROPS) == nearest
    assert f"became {nearest}; it takes {bounds}" in caplog.text


def test_another_choice_is_refused_or_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(
        BadRequestError, match="x='mid' is not a choice of a/b, which are 'low', 'high'."
    ) as caught:
        fit("x", "mid", CHOICE, STRICT)
    assert (caught.value.param, caught.value.model) == ("x", "a/b")
    with caplog.at_level(logging.INFO, "areplicate"):
        assert fit("x", "mid", CHOICE, DROPS) is None
    assert "x='mid' is left out; it takes 'low', 'high'" in caplog.text


def test_a_model_without_a_name_is_this_model() -> None:
    with pytest.raises(BadRequestError, match="is outside what this model takes"):
        fit("x", 9, BETWEEN, AskedModel(None, False))


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("a", "a"),
        (True, True),
        (3, 3),
        (0.5, 0.5),
        (("a", 1), ["a", 1]),
        ({"a": (1,)}, {"a": [1]}),
        (None, None),
    ],
)
def test_what_json_can_hold_is_sent(value: Any, sent: Any) -> None:
    assert json.loads(json.dumps(sendable("x", value, STRICT))) == sent


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"a", "x must be text (decode it), or for an image or another file its input, not bytes b'a'."),
        (object, "x must be a value that JSON can hold, not type"),
        (math.nan, "x=nan is not a number that can be sent."),
        (2**64, "x has more than 64 bits."),
        ([Decimal("NaN"), object()], "x must be a value that JSON can hold, not list"),
    ],
)
def test_what_json_cannot_hold_is_refused(value: Any, message: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        sendable("x", value, STRICT)
    assert str(caught.value).startswith(message)
    assert (caught.value.param, caught.value.model) == ("x", "a/b")

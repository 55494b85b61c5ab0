"""What a keyword of a call is taken for, and what a gateway's client may say."""

from __future__ import annotations

import logging
import math
import re
import warnings
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import areplicate
from areplicate.options.access import checked_base
from areplicate.options.client_fields import names_for, read_from_client
from areplicate.options.declared import BY_NAME, OPTIONS
from areplicate.options.given import Given, read_keywords
from areplicate.options.unknown_names import unknown

OWN = {"top_k", "min_tokens"}
"""Inputs of the model that the tests speak of."""
OURS = {option.name for option in OPTIONS if not option.openai}


def test_keywords_are_parted_and_none_is_not_given() -> None:
    drop = {"additional_drop_params": ["seed"]}
    given = read_keywords(
        {"seed": None, "timeout": 5, "temperature": 0.5, "top_k": 3, "tools": None, "n": None, **drop}
    )
    assert given == Given({"timeout": 5, **drop}, {"temperature": 0.5}, {"top_k": 3})


def test_what_a_call_says_counts_more_than_what_was_set_up_for_it() -> None:
    setup = read_keywords({"timeout": 5, "n": 2, "temperature": 0.5, "seed": 1, "top_k": 3, "min_tokens": 1})
    call = read_keywords({"timeout": 6, "temperature": 0.75, "top_k": 4})
    both = setup.updated(call)
    assert both.options == {"timeout": 6, "n": 2}
    assert both.params == {"temperature": 0.75, "seed": 1}
    assert both.inputs == {"top_k": 4, "min_tokens": 1}
    assert both.key == setup.updated(call).key != call.updated(setup).key
    of_its_own = read_keywords({"extra_body": {"top_k": 5}})
    assert of_its_own.key is setup.updated(of_its_own).key is of_its_own.updated(call).key is None


def test_what_another_client_says_is_not_given_hides_nothing_behind_it() -> None:
    not_given = type("NotGiven", (), {})()
    assert read_keywords({"stop": not_given, "top_k": 3}) == Given({}, {}, {"top_k": 3})


@pytest.mark.parametrize(
    ("body", "setup"), [({"drop_params": True}, False), ({}, True), ({"drop_params": False}, True)]
)
def test_who_drops_what_is_not_known_keeps_what_is(body: dict[str, Any], setup: bool) -> None:
    asked = {"wrong": 1, "top_k": 3, "max_tokens": 5}
    kept = read_from_client({**asked, **body}, OWN, setup)
    assert kept == {"top_k": 3, "max_tokens": 5, **body}
    with pytest.raises(areplicate.BadRequestError, match="wrong"):
        read_from_client({**asked, "drop_params": False}, OWN)


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ({"temperature": Fraction(1, 2)}, {"temperature": 0.5}),
        ({"temperature": Decimal("0.5")}, {"temperature": 0.5}),
        ({"stop": ("a", "b")}, {"stop": ["a", "b"]}),
        ({"top_k": Fraction(3)}, {"top_k": 3.0}),
        ({"logit_bias": {50256: -100}}, {"logit_bias": {"50256": -100}}),
        ({"metadata": {"day": date(2026, 1, 2)}}, {"metadata": {"day": "2026-01-02"}}),
        ({"response_format": Fraction}, {"response_format": Fraction}),
        ({"image": b"png"}, {"image": b"png"}),
    ],
)
def test_values_of_other_types_are_read_as_json_has_them(given: Any, read_as: Any) -> None:
    read_ones = read_keywords(given)
    assert {**read_ones.params, **read_ones.inputs} == read_as
    assert [type(each) for each in (*read_ones.params.values(), *read_ones.inputs.values())] == [
        type(each) for each in read_as.values()
    ]


class Unreadable(dict[str, Any]):
    def items(self) -> Any:
        raise OSError


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("stop", b"x", "stop must be text (decode it), not b'x'."),
        ("tools", [math.nan], "tools holds a value that JSON cannot: Out of range float values"),
        ("tools", [object()], "tools holds a value that JSON cannot: "),
        ("top_k", "\ud800", "top_k has text that is not valid Unicode at character 0."),
        ("top_k", Unreadable(), "top_k cannot be read: its Unreadable raised OSError."),
    ],
)
def test_a_value_that_cannot_be_sent_is_refused_by_name(name: str, value: Any, why: str) -> None:
    with pytest.raises(areplicate.BadRequestError) as caught:
        read_keywords({name: value})
    assert why in str(caught.value)
    assert caught.value.param == name


class Asked:
    """A function with a method of its own, which nothing may call."""

    def __call__(self, status: object) -> None: ...

    def tolist(self) -> list[int]:
        return [1]


def test_a_function_stays_what_it_is() -> None:
    asked = Asked()
    assert read_keywords({"on_status": asked}).options == {"on_status": asked}


@pytest.mark.parametrize(
    ("known", "hint"),
    [
        ([], "x_name is neither an option nor an input of a/b. extra_body={'x_name': ...} sends it"),
        (["x_names"], "of a/b. Did you mean x_names? extra_body="),
        (["x_names", "y_name", "x_nam", "xname"], "Did you mean x_names or xname or x_nam?"),
        (["xname", "x__name", "x_nam", "x_names"], "Did you mean x_names or x__name or xname?"),
        (["name_of_it", "xyz_ab", "no_name_2"], "of a/b. extra_body="),
    ],
)
def test_a_name_that_is_not_known_is_told_with_at_most_three_that_are(known: list[str], hint: str) -> None:
    error = unknown("x_name", known, "a/b")
    assert hint in str(error)
    assert (error.param, error.model) == ("x_name", "a/b")
    assert str(unknown("x_name", [])).endswith("an input of this model."), (
        "no client may send it all the same"
    )
    assert len(str(unknown("x" * 1_000_000, known))) < 500, "it is told, and not repeated at any length"


@pytest.mark.parametrize(
    ("theirs", "ours", "value", "other"),
    [
        ("base_url", "api_base", "https://a.b/v1", "https://c.d/v1"),
        ("max_retries", "num_retries", 1, 2),
        ("request_timeout", "timeout", 1, 2),
        ("headers", "extra_headers", {"a": "b"}, {"c": "d"}),
        ("supports_system_message", "supports_system_prompt", True, False),
    ],
)
def test_other_clients_names_are_understood(theirs: str, ours: str, value: Any, other: Any) -> None:
    assert read_keywords({theirs: value}).options == {ours: value}
    assert read_keywords({theirs: value, ours: None}).options == {ours: value}
    for both in ({theirs: value, ours: other}, {ours: other, theirs: value}):
        assert read_keywords(both).options == {ours: other}, "the name that areplicate gives it counts"


@pytest.mark.parametrize(
    ("name", "wrong", "wanted"),
    [
        ("num_retries", "2", "a whole number"),
        ("timeout", "soon", "a positive number of seconds"),
        ("stream", "yes", "True or False"),
        *(
            ("extra_body", value, "a mapping of names to values")
            for value in ("x", [1], {1: "a"}, {"a": 1, 2: 3})
        ),
        ("stream_options", [1], "a mapping of names to values"),
        ("base_url", 3, "a string"),
        ("on_status", 3, "a function"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(name: str, wrong: Any, wanted: str) -> None:
    with pytest.raises(
        areplicate.BadRequestError, match=f"^{name} must be {wanted}.*, not {re.escape(repr(wrong))}"
    ) as caught:
        read_keywords({name: wrong})
    assert caught.value.param == name


def test_a_secret_of_another_type_is_not_shown() -> None:
    for name, secret in (("api_key", b"r8_secret"), ("headers", ["r8_secret"]), ("proxy", b"r8_secret")):
        with pytest.raises(areplicate.BadRequestError, match=f"{name} must be") as caught:
            read_keywords({name: secret})
        assert "r8_secret" not in str(caught.value)
        assert f"not {type(secret).__name__}." in str(caught.value) and caught.value.param == name


@pytest.mark.parametrize("name", ["cache", "api_version", "tags", "model_info", "aws_secret_access_key"])
def test_what_means_nothing_here_is_left_out_with_a_warning(name: str) -> None:
    with pytest.warns(areplicate.AreplicateWarning, match=f"^{name} has no effect") as caught:
        assert read_keywords({name: "s3cret"}) == Given({}, {}, {})
    assert "s3cret" not in str(caught[0].message)


def test_a_warning_points_at_the_callers_line() -> None:
    with pytest.warns(areplicate.AreplicateWarning) as caught:
        read_keywords({"cache": True})
    assert caught[0].filename == __file__


@pytest.mark.parametrize("name", ["guardrails", "model_list", "client", "prompt_id", "mock_tool_calls"])
def test_what_would_change_something_is_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(areplicate.UnsupportedParamsError, match=f"{name} cannot be given") as caught:
        read_keywords({name: ["x"]})
    assert caught.value.param == name
    assert len(str(caught.value)) > len(f"{name} cannot be given to a call here: .")
    with pytest.warns(areplicate.AreplicateWarning):
        assert read_keywords({name: []}) == Given({}, {}, {}), "asking for nothing of it is no mistake"


class TestAGatewaysClient:
    def test_asks_for_an_answer_in_openai_s_words_and_the_model_s(self) -> None:
        body: dict[str, Any] = {
            "seed": None,
            "cache": {},
            "stream": True,
            "temperature": 0.2,
            "user": "me",
            "top_k": 3,
            "n": None,
        }
        assert read_from_client(body, OWN) == {"stream": True, "temperature": 0.2, "user": "me", "top_k": 3}

    @pytest.mark.parametrize(
        "name", [*sorted(set(BY_NAME) - names_for("client")), "client", "model_list", "self", "nonsense"]
    )
    @pytest.mark.parametrize("inputs", [OWN, {*OWN, "api_base", "base_url"}], ids=["", "a model that has it"])
    def test_reaches_nothing_else(self, name: str, inputs: set[str]) -> None:
        with pytest.raises(areplicate.BadRequestError, match=name) as caught:
            read_from_client({"temperature": 0.2, name: "http://evil.example"}, inputs)
        assert caught.value.param == name

    def test_cannot_set_what_concerns_the_connection(self) -> None:
        """By its own name or another's: where requests go, with which key, how long and how often."""
        held = {"api_key", "api_base", "extra_headers", "extra_body", "timeout", "num_retries", "on_status"}
        held |= {"fallbacks", "mock_response"}
        held |= {"default_headers", "proxy", "ssl"}
        assert {BY_NAME[name].name for name in names_for("client")} == {
            *(option.name for option in OPTIONS if option.openai),
            *OURS - held,
        }

    def test_may_use_another_clients_name_beside_which_the_own_name_counts(self) -> None:
        theirs, ours = {"supports_system_message": True}, {"supports_system_prompt": False}
        assert read_from_client(theirs, OWN) == {"supports_system_prompt": True}
        for body in ({**theirs, **ours}, {**ours, **theirs}):
            assert read_from_client(body, OWN) == ours
        assert read_from_client({**ours, "supports_system_message": None}, OWN) == ours
        assert read_from_client({**theirs, "supports_system_prompt": None}, OWN) == {
            "supports_system_prompt": True
        }

    def test_may_ask_for_nothing_of_what_there_is_not(self) -> None:
        assert read_from_client({"guardrails": [], "top_k": 3}, OWN) == {"top_k": 3}

    def test_is_told_the_nearest_name(self) -> None:
        with pytest.raises(areplicate.BadRequestError, match="Did you mean temperature"):
            read_from_client({"temprature": 1}, OWN)
        with pytest.raises(areplicate.BadRequestError, match="Did you mean min_tokens"):
            read_from_client({"min_token": 1}, OWN)


@given(st.dictionaries(st.text() | st.sampled_from(sorted(BY_NAME)), st.none() | st.booleans() | st.text()))
def test_whatever_a_gateways_client_says_only_what_is_named_passes(body: dict[str, Any]) -> None:
    try:
        asked = read_from_client(body, OWN)
    except areplicate.BadRequestError as error:
        assert error.param in [name[:100] for name in body]
    else:
        assert asked.keys() <= names_for("client") | OWN
        try:
            again = read_keywords(asked)
        except areplicate.BadRequestError as error:
            assert error.param in asked
            return
        assert again.options.keys() <= names_for("client")
        assert again.inputs.keys() <= OWN


def test_a_warning_is_shown_where_nobody_set_up_a_log() -> None:
    assert all(isinstance(handler, logging.NullHandler) for handler in areplicate.logs.logger.handlers)
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        read_keywords({"cache": True})
    assert [str(warning.message) for warning in caught] == [
        "cache has no effect here and is left out: areplicate has no such option."
    ]


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://api.replicate.com", "https://api.replicate.com/v1"),
        ("https://api.replicate.com/", "https://api.replicate.com/v1"),
        ("http://127.0.0.1:4100", "http://127.0.0.1:4100/v1"),
        ("http://127.0.0.1:4100/v1/", "http://127.0.0.1:4100/v1"),
        ("https://gateway.example/account/replicate", "https://gateway.example/account/replicate"),
    ],
)
def test_a_base_without_a_path_gets_replicate_s(given: str, base: str) -> None:
    assert checked_base(given) == base


def test_an_async_on_status_is_refused_instead_of_never_being_awaited() -> None:
    async def tell(status: object) -> None: ...

    with pytest.raises(areplicate.BadRequestError, match="on_status must be a function that is not async"):
        read_keywords({"on_status": tell})

"""What the values of options may be, what a wrong one is told, and what holds where none is given."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import aiohttp
import httpx
import pytest

import areplicate
from areplicate.options import access
from areplicate.options import values as v
from areplicate.options.given import Given, checked_fallbacks, read_keywords
from tests.lazily import Lazily

openai: Any = Lazily("openai")

BASE = "https://api.replicate.com/v1"
NAMES = ("timeout", "stop", "temperature", "top_k", "tools", "extra_headers")
VARIABLES = ("REPLICATE_API_KEY", "REPLICATE_API_TOKEN", "REPLICATE_API_BASE", "REPLICATE_BASE_URL")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name in ("api_key", "api_base", "request_timeout", "num_retries"):
        monkeypatch.setattr(areplicate, name, None)


@pytest.mark.parametrize(
    ("check", "given", "value"),
    [
        (v.checked_count, None, 1),
        (v.checked_count, 1, 1),
        (v.checked_count, 128, 128),
        (v.checked_timeout, 0.5, 0.5),
        (v.checked_timeout, 3, 3.0),
        (v.checked_timeout, 1e12, 7 * 24 * 3600.0),
        (v.checked_timeout, math.inf, 7 * 24 * 3600.0),
        (v.checked_timeout, timedelta(minutes=1), 60.0),
        (v.checked_timeout, httpx.Timeout(30, connect=5), 30.0),
        (v.checked_timeout, aiohttp.ClientTimeout(total=3), 3.0),
        (v.checked_timeout, httpx.Timeout(None), v.checked_timeout(float("inf"))),
        (v.checked_timeout, aiohttp.ClientTimeout(total=None), v.checked_timeout(float("inf"))),
        (lambda value: read_keywords({"timeout": value}).options["timeout"], httpx.Timeout(5), 5.0),
        (lambda _: read_keywords(dict.fromkeys(NAMES, openai.NOT_GIVEN)), None, Given({}, {}, {})),
        (lambda value: v.checked_whole("num_retries", value, least=0), 0, 0),
        (lambda value: v.checked_whole("num_retries", value, least=2), 2, 2),
        (lambda value: v.checked_rate("rpm", value), 0.5, 0.5),
        (lambda value: v.checked_rate("rpm", value), 1, 1.0),
        (lambda value: v.checked_rate("rpm", value), math.inf, math.inf),
        (lambda value: v.checked_rate("rpm", value), 10**400, math.inf),
        (lambda value: v.checked_names("drop", value), None, ()),
        (lambda value: v.checked_names("drop", value), ["a", "b"], ["a", "b"]),
        (lambda value: v.checked_names("drop", value), ("a",), ("a",)),
        (lambda value: dict(v.checked_headers("headers", value)), None, {}),
        (lambda value: dict(v.checked_headers("headers", value)), {}, {}),
        (
            lambda value: dict(v.checked_headers("headers", value)),
            {"X-A": " \tX\tc ! X\t ", "X-B": None},
            {"X-A": "X\tc ! X"},
        ),
        (
            lambda value: dict(v.checked_headers("headers", value)),
            {"x-!#$%&'*+.^_`|~09azAZ-": ""},
            {"x-!#$%&'*+.^_`|~09azAZ-": ""},
        ),
        (v.wants_usage, None, False),
        (v.wants_usage, {"include_usage": True}, True),
        (v.wants_usage, {"include_usage": False}, False),
        (v.wants_usage, {"other": True}, False),
    ],
)
def test_right_values(check: Callable[[Any], Any], given: Any, value: Any) -> None:
    checked = check(given)
    assert checked == value and type(checked) is type(value)


@pytest.mark.parametrize(
    ("check", "given", "message"),
    [
        *((v.checked_count, n, f"n must be a whole number from 1 to 128, not {n}") for n in (0, 129, True)),
        (v.checked_count, 1.5, "n must be a whole number from 1 to 128, not 1.5"),
        *(
            (v.checked_timeout, seconds, f"timeout must be a positive number of seconds, not {seconds}")
            for seconds in (0, -1, math.nan, True, "3")
        ),
        *(
            (
                lambda value: v.checked_whole("num_retries", value, least=0),
                number,
                f"num_retries must be a whole number, at least 0, not {number}",
            )
            for number in (-1, 1.0, True, "1")
        ),
        *(
            (
                lambda value: v.checked_rate("rpm", value),
                rate,
                f"rpm must be a positive number, not {rate}",
            )
            for rate in (0, -0.1, math.nan, True, "1")
        ),
        *(
            (
                lambda value: v.checked_names("drop", value),
                names,
                f"drop must be a list of names, not {names}",
            )
            for names in ("abc", [1], {"a": 1}, ["a", None])
        ),
        (
            lambda value: v.checked_headers("h", value),
            ["X-A"],
            'h must be a mapping such as {"X-Team": "search"}, not list.',
        ),
        *(
            (
                lambda value: v.checked_headers("h", value),
                {name: "a"},
                f'h must be a mapping of HTTP header names such as "X-Team", not {name}.',
            )
            for name in ("X A", "X:A", "", "Ä", 3)
        ),
    ],
)
def test_a_wrong_value_is_told_what_it_must_be(check: Callable[[Any], Any], given: Any, message: str) -> None:
    with pytest.raises(areplicate.BadRequestError) as caught:
        check(given)
    assert message.replace("'", "") in str(caught.value).replace("'", "")
    assert caught.value.param == message.split(" must ")[0]


@pytest.mark.parametrize(
    "value", ["secret\n", "secret\r", "secret\0", "secret\x7f", "secret\udc80", b"secret", 3]
)
def test_a_header_that_is_not_one_line_is_refused_and_not_shown(value: Any) -> None:
    with pytest.raises(
        areplicate.BadRequestError, match=r"headers\['X-A'\] must be a string of one line\."
    ) as caught:
        v.checked_headers("headers", {"X-A": value})
    assert "secret" not in str(caught.value)
    assert caught.value.param == "headers"


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "EXPECT", "Upgrade"])
def test_a_header_that_says_how_a_request_is_sent_is_refused(name: str) -> None:
    with pytest.raises(areplicate.BadRequestError, match=rf"headers\['{name}'\] cannot be set") as caught:
        v.checked_headers("headers", {name: "5"})
    assert caught.value.param == "headers"


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("api.replicate.com", "api_base must be a URL that begins with https:// or http://, not "),
        ("ftp://a.b", "api_base must be a URL that begins with https:// or http://, not "),
        (3, "api_base must be a URL that begins with https:// or http://, not 3"),
        ("http://a.b:port", "api_base must be a URL ("),
        ("http://a..b", "api_base must be a URL ("),
        *(
            (
                base,
                "api_base must be the URL of a host and a path, such as https://api.replicate.com/v1, without ",
            )
            for base in (
                "http://",
                "http:///v1",
                "http://a.b/v1?key=x",
                "http://a.b/v1#x",
                "http://a.b/v1\n",
                "http://a b",
            )
        ),
        ("https://me:secret@a.b/v1", "api_base must not contain a user or a password: give default_headers="),
        *(
            (base, "api_base must not contain a user or a password: give default_headers=")
            for base in (
                *("https://me@a.b/v1", "https://me:secret@a.b:99999/v1", "https://me:secret@[::1/v1"),
                *("me:secret@a.b", "ftp://me:secret@a.b", "https://me:secret@a b", "https://me:secret/7@a.b"),
            )
        ),
    ],
)
def test_a_base_that_is_no_url_is_refused(base: Any, message: str) -> None:
    with pytest.raises(areplicate.BadRequestError) as caught:
        access.checked_base(base)
    assert message in str(caught.value) and "secret" not in str(caught.value)
    assert caught.value.param == "api_base"


@pytest.mark.parametrize(
    ("call", "router", "process", "held"),
    [
        ((None, None), (None, None), (None, None), (1800.0, 8)),
        ((None, None), (None, None), (5, 1), (5.0, 1)),
        ((None, None), (6, 2), (5, 1), (6.0, 2)),
        ((7, 0), (6, 2), (5, 1), (7.0, 0)),
        ((7, None), (6, 2), (5, 1), (7.0, 2)),
        ((None, 3), (None, None), (5, 1), (5.0, 3)),
    ],
)
def test_timeout_and_retries_are_the_calls_the_routers_or_the_processs(
    call: Any, router: Any, process: Any, held: tuple[float, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(areplicate, "request_timeout", process[0])
    monkeypatch.setattr(areplicate, "num_retries", process[1])
    assert v.timeout_and_retries(call[0], router[0], call[1], router[1]) == held


def test_wrong_retries_are_refused_by_name() -> None:
    with pytest.raises(areplicate.BadRequestError, match="num_retries must be a whole number") as caught:
        v.timeout_and_retries(None, None, -1, None)
    assert caught.value.param == "num_retries"


@pytest.mark.parametrize(
    ("given", "process", "environment", "key"),
    [
        ("mine", "process", {"REPLICATE_API_KEY": "env"}, "mine"),
        (None, "process", {"REPLICATE_API_KEY": "env"}, "process"),
        (None, None, {"REPLICATE_API_KEY": "env", "REPLICATE_API_TOKEN": "token"}, "env"),
        (None, None, {"REPLICATE_API_KEY": "", "REPLICATE_API_TOKEN": "token"}, "token"),
        ("", None, {"REPLICATE_API_TOKEN": "token"}, "token"),
    ],
)
def test_where_the_key_comes_from(
    given: str | None,
    process: str | None,
    environment: dict[str, str],
    key: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(areplicate, "api_key", process)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert access.chosen_key(given) == key
    assert access.chosen(None, given) == (BASE, key)


def test_without_a_key_it_is_said_how_to_give_one() -> None:
    with pytest.raises(
        areplicate.AuthenticationError, match="^There is no API key: set REPLICATE_API_KEY or pass api_key=.$"
    ):
        access.chosen_key(None)


def test_a_key_of_another_type_is_not_shown() -> None:
    with pytest.raises(areplicate.BadRequestError, match="^api_key must be a string, not bytes.$") as caught:
        access.chosen_key(b"r8_secret")  # type: ignore[arg-type]
    assert caught.value.param == "api_key"


@pytest.mark.parametrize(
    ("given", "process", "environment", "base"),
    [
        ("http://mine/v1", "http://process/v1", {"REPLICATE_API_BASE": "http://env/v1"}, "http://mine/v1"),
        (None, "http://process/v1", {"REPLICATE_API_BASE": "http://env/v1"}, "http://process/v1"),
        (
            None,
            None,
            {"REPLICATE_API_BASE": "http://env/v1", "REPLICATE_BASE_URL": "http://url"},
            "http://env/v1",
        ),
        (None, None, {"REPLICATE_BASE_URL": "http://url"}, "http://url/v1"),
        (None, None, {}, BASE),
    ],
)
def test_where_the_base_comes_from(
    given: str | None,
    process: str | None,
    environment: dict[str, str],
    base: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(areplicate, "api_base", process)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert access.chosen(given, "key") == (base, "key")


@pytest.mark.parametrize(
    ("given", "models"),
    [
        ("a/b", ["a/b"]),
        (["a/b", "c/d"], ["a/b", "c/d"]),
        ({"model": "a/b"}, ["a/b"]),
        ([{"model": "a/b", "temperature": 0.5, "timeout": 3, "top_k": 1}], ["a/b"]),
        ([], []),
    ],
)
def test_fallbacks_are_models_with_options_of_their_own(given: Any, models: list[str]) -> None:
    read = checked_fallbacks(given)
    assert [model for model, _ in read] == models
    if isinstance(given, list) and given and isinstance(given[0], dict):
        own = read[0][1]
        assert (own.options, own.params, own.inputs) == ({"timeout": 3}, {"temperature": 0.5}, {"top_k": 1})


@pytest.mark.parametrize("given", [3, [3], [["a/b"]], {"temperature": 1}, [{"model": 3}], ["a/b", None]])
def test_fallbacks_that_are_no_models_are_refused(given: Any) -> None:
    with pytest.raises(
        areplicate.BadRequestError,
        match=r'^fallbacks must be a list of models such as \["owner/name", \{"model": "owner/name"\}\], not ',
    ) as caught:
        checked_fallbacks(given)
    assert repr(given) in str(caught.value)
    assert caught.value.param == "fallbacks"

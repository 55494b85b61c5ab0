"""Whatever a caller passes ends in an answer or in an `APIError` that can be shown."""

from __future__ import annotations

import datetime
import io
import warnings
from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import areplicate
from areplicate import AsyncRouter, CompletionStream, ModelResponse
from areplicate.chat.apis.messages_input import read_request as read_messages
from areplicate.chat.apis.responses_input import read_request as read_responses
from areplicate.local import LocalModel, LocalReplicate
from areplicate.options.declared import BY_NAME
from areplicate.options.other_clients import IGNORED, REFUSED
from tests.fast_forward import FastForwardLoop
from tests.lazily import Lazily
from tests.stage import HELLO, KEY, LLAMA, llama

np: Any = Lazily("numpy")

Ask = Callable[..., str]


class Broken:
    """Everything that one may do with a value raises."""

    def _raise(self, *args: Any, **options: Any) -> Any:
        raise ZeroDivisionError("of the caller's own")

    __str__ = __bool__ = __iter__ = __len__ = __getitem__ = __int__ = __float__ = _raise
    __fspath__ = __contains__ = model_dump = tolist = read = _raise


class BrokenText(str):
    __str__ = Broken._raise


class Unequal:
    """As pandas' NA and its tables are: to compare it, or to ask whether it is true, raises."""

    __hash__ = object.__hash__
    __eq__ = __bool__ = Broken._raise


class Unshowable(Unequal):
    __repr__ = Broken._raise


class Unhashable(str):
    __hash__ = None  # type: ignore[assignment]


class Colour(str, Enum):
    RED = "red"


def circle() -> list[Any]:
    ring: list[Any] = []
    ring.append({"role": ring})
    return ring


ODD = st.deferred(
    lambda: st.sampled_from(
        [
            *(object(), object, len, Broken(), BrokenText("x"), Colour.RED, Path("/nowhere"), circle(), ...),
            *(Unequal(), Unhashable("x"), {"a": Unequal()}, {"a": b"x"}, 10**400),
            *(
                1j,
                Decimal("NaN"),
                Decimal("0.5"),
                datetime.datetime(2026, 1, 1),
                np.array([1, 2]),
                np.float64("nan"),
            ),
            *(
                np.str_("text"),
                np.array(["a"]),
                MappingProxyType({"a": 1}),
                {1: 2},
                {(1, 2): 3},
                {None: None},
            ),
            *(range(3), iter([1]), frozenset("ab"), bytearray(b"x"), memoryview(b"x"), io.StringIO("x")),
            *(
                io.BytesIO(b"\x89PNG"),
                MagicMock(),
                ValueError("x"),
                NotImplemented,
                2**100,
                -1,
                "\ud800",
                "",
                b"",
            ),
        ]
    )
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=5)
ANYTHING = st.recursive(
    PLAIN | ODD,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    sorted({*BY_NAME, *IGNORED, *REFUSED, "top_k", "image", "system_prompt", "prompt", "stop_words", "temp"})
) | st.text(max_size=10)
ROLES = st.sampled_from(["system", "user", "assistant", "tool"]) | ANYTHING
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "input_audio", "file"]) | ANYTHING},
    optional=dict.fromkeys(("text", "image_url", "input_audio", "file"), ANYTHING),
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": ROLES, "content": st.text(max_size=9) | st.lists(PARTS, max_size=2) | ANYTHING},
        optional={"tool_calls": ANYTHING, "name": ANYTHING, "tool_call_id": ANYTHING},
    )
    | ANYTHING,
    max_size=3,
)


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Asks on a loop that skips waiting, and says how it ended."""
    loop = FastForwardLoop()

    def done(work: Coroutine[Any, Any, Any]) -> Any:
        return loop.run_until_complete(work)

    unknown = LocalModel(owner="some", name="body")
    local = LocalReplicate([llama(), unknown])
    done(local.__aenter__())  # on the same loop: one in a thread would be waited for, and that is skipped
    try:
        router = AsyncRouter(api_key=KEY, api_base=local.api_base, max_retries=0, creations_per_minute=1e9)

        async def end(**given: Any) -> str:
            try:
                answer = await router.acompletion(**given)
                if isinstance(answer, CompletionStream):
                    async with answer:
                        return "streamed" if [chunk async for chunk in answer] else "empty"
                assert isinstance(answer, ModelResponse)
                return "answered"
            except areplicate.APIError as error:
                assert KEY not in f"{error} {error!r}" and error.message
                return type(error).__name__
            except Exception as error:
                assert error is given.get("mock_response")
                return "as it was asked for"

        def asked(**given: Any) -> str:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ending: str = done(end(**given))
                return ending

        yield asked
        done(router.aclose())
    finally:
        done(local.__aexit__(None, None, None))
        loop.close()


@given(st.dictionaries(NAMES, ANYTHING, max_size=3), st.sampled_from([LLAMA, "some/body"]))
def test_any_options(ask: Ask, options: dict[str, Any], model: str) -> None:
    ask(**{"model": model, "messages": HELLO, "timeout": 60, **options})


@given(MESSAGES | ANYTHING, st.sampled_from([LLAMA, "some/body"]))
def test_any_messages(ask: Ask, messages: Any, model: str) -> None:
    ask(model=model, messages=messages, timeout=60)


PARAMETERS: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "get_weather", "parameters": PARAMETERS}
CALLED = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
HI = {"type": "text", "text": "Hi"}
CONVERSATIONS: dict[str, dict[str, Any]] = {
    "chat": {
        "messages": [
            {"role": "user", "content": [HI]},
            {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": CALLED}]},
            {"role": "tool", "tool_call_id": "c1", "content": "sunny", "name": "get_weather"},
        ],
        "tools": [{"type": "function", "function": WEATHER}],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": PARAMETERS}},
    },
    "responses": {
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "x"}]},
            {"type": "function_call", "call_id": "c1", **CALLED},
            {
                "type": "function_call_output",
                "call_id": "c1",
                "output": [{"type": "input_text", "text": "x"}],
            },
        ],
        "tools": [{"type": "function", **WEATHER}, {"type": "web_search"}],
        "tool_choice": {"type": "function", "name": "get_weather"},
        "text": {"format": {"type": "json_schema", "name": "x", "schema": PARAMETERS}},
        "reasoning": {"effort": "low"},
    },
    "messages": {
        "max_tokens": 100,
        "system": [HI],
        "messages": [
            {"role": "user", "content": [HI]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "x", "signature": "y"},
                    {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Paris"}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [HI]}]},
        ],
        "tools": [{"name": "get_weather", "input_schema": PARAMETERS}],
        "tool_choice": {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    },
}
JSON: list[Any] = [None, True, -1, "", "x", [], [None], {}, {"type": "x"}]


@pytest.mark.parametrize("api", CONVERSATIONS)
def test_anything_in_any_place_of_a_conversation(ask: Ask, api: str) -> None:
    """Each value of a conversation with tools, in turn, is something else, as JSON may have it, or missing."""
    for body in _almost_right(CONVERSATIONS[api]):
        try:
            if api == "chat":
                given = body
            else:
                read_request = {"responses": read_responses, "messages": read_messages}[api]
                asked = read_request(body)
                given = {"messages": asked.messages, **asked.params}
        except areplicate.APIError:
            continue
        ask(**{"model": LLAMA, "messages": None, "timeout": 60, "drop_params": True, **given})


def _almost_right(value: Any) -> Iterator[Any]:
    """The value with one thing in it changed, in every way."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for place, item in items:
        others: list[Any] = [*JSON, *_almost_right(item)]
        for other in others:
            changed = value.copy()
            changed[place] = other
            yield changed
        without = value.copy()
        del without[place]
        yield without


@given(ANYTHING)
def test_any_model(ask: Ask, model: Any) -> None:
    assert ask(model=model, messages=HELLO, timeout=60) not in ("answered", "streamed")


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "model_list",
                "fallbacks",
                "timeout",
                "max_retries",
                "api_key",
                "api_base",
                "trusted_hosts",
                "pool_size",
                "held_creations",
                "creations_per_minute",
                "allowed_fails",
                "cooldown_time",
            ]
        ),
        ANYTHING,
        max_size=2,
    )
)
def test_any_router(options: dict[str, Any]) -> None:
    try:
        AsyncRouter(**options)
    except areplicate.APIError as error:
        assert str(error)


CALL = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
UNREADABLE = [
    Unequal(),
    Unshowable(),
    {"a": Unshowable()},
    {"a": b"x"},
    {"a": float("nan")},
    circle(),
    b"{}",
    10**5000,
]


@pytest.mark.parametrize("value", UNREADABLE, ids=lambda value: type(value).__name__)
def test_what_json_has_no_form_for_is_refused_by_name(ask: Ask, value: Any) -> None:
    for name in ("tools", "tool_choice", "stop", "logit_bias", "response_format"):
        assert ask(model=LLAMA, messages=HELLO, **{name: value}) == "BadRequestError", name
    called = {**CALL, "function": {"name": "look", "arguments": value}}
    for message in (
        {"role": "assistant", "tool_calls": [called]},
        {"role": "assistant", "function_call": called["function"]},
        {"role": "user", "content": [{"type": value, "text": "Hello"}]},
        {"role": value, "content": "Hello"},
    ):
        assert ask(model=LLAMA, messages=[*HELLO, message]) == "BadRequestError", message.keys()


def test_numbers_without_end_are_as_good_as_endless() -> None:
    AsyncRouter(timeout=10**400, creations_per_minute=10**400)


def test_a_key_of_the_process_that_is_no_string_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(areplicate, "api_key", 5)
    with pytest.raises(areplicate.BadRequestError, match="api_key must be a string, not int"):
        areplicate.completion(LLAMA, HELLO)


@pytest.mark.parametrize("given", [None, int, "Answer", {"type": "json_object"}], ids=str)
def test_an_object_is_made_of_a_class_only(given: Any) -> None:
    with pytest.raises(areplicate.BadRequestError, match="response_format must be a pydantic class"):
        areplicate.parse(LLAMA, HELLO, given)


def test_no_object_is_made_of_a_stream() -> None:
    class Answer(BaseModel):
        word: str

    with pytest.raises(areplicate.BadRequestError, match="leave stream out"):
        areplicate.parse(LLAMA, HELLO, Answer, stream=True)


def test_a_text_to_embed_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(areplicate.BadRequestError, match="input has text that is not valid Unicode"):
        areplicate.embedding(LLAMA, ["fine", "\ud800"])


@pytest.mark.parametrize(
    "template",
    [
        {"tokenizer_config": b"{}"},
        {"tokenizer_config": {"chat_template": [1]}},
        {"tokenizer_config": {"chat_template": "\ud800"}},
        {"chat_template": "\ud800"},
        {"roles": {"user": {"pre_message": "\ud800"}}},
        {"roles": {"user": {"pre_message": Unequal()}}},
        {"roles": {"user": {"pre": "[INST]"}}},
    ],
    ids=lambda template: next(iter(template)),
)
def test_a_template_that_cannot_be_sent_is_refused_at_once(template: dict[str, Any]) -> None:
    with pytest.raises(areplicate.BadRequestError):
        areplicate.register_prompt_template("some/body", **template)


def test_a_good_call_is_answered(ask: Ask) -> None:
    assert ask(model=LLAMA, messages=HELLO) == ask(model="some/body", messages=HELLO) == "answered"
    assert ask(model=LLAMA, messages=HELLO, stream=True) == "streamed"

"""How a call's messages and parameters become a model's input."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from areplicate.chat.adapting import adapt
from areplicate.chat.conversation import Prompting
from areplicate.chat.formats.templates import make_template
from areplicate.chat.inputs import answer_limit, build_input
from areplicate.chat.params import PARAMS
from areplicate.chat.schemas import catalogue
from areplicate.chat.schemas.schema import ModelSchema, from_openapi
from areplicate.errors import BadRequestError, UnsupportedParamsError

pytestmark = pytest.mark.usefixtures("no_templates")

LLAMA_3 = "meta/meta-llama-3-8b-instruct"
HELLO = [{"role": "user", "content": "Hello"}]
SYSTEM_APART = Prompting(supports_system_prompt=True)


def schema(required: tuple[str, ...] = (), **properties: dict[str, Any]) -> ModelSchema:
    return from_openapi({"Input": {"properties": properties, "required": list(required)}})


def built(
    params: dict[str, Any] | None = None, *, messages: Any = HELLO, model: str = "x/y", **more: Any
) -> dict[str, Any]:
    return build_input(messages, params or {}, model=model, **more).fields


STRING = {"type": "string"}
INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}
PROMPT: Any = {"prompt": STRING}


class TestTheSeedExamples:
    def test_the_input_is_the_conversation_in_llama_s_format_and_nothing_more(self) -> None:
        messages = [
            {"role": "system", "content": "Be a good human!"},
            {"role": "user", "content": "What do you know about earth?"},
        ]
        expected = {
            "prompt": "<|start_header_id|>system<|end_header_id|>\n\nBe a good human!<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nWhat do you know about earth?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n"
        }
        assert built(messages=messages, model=LLAMA_3, schema=catalogue.find(LLAMA_3)) == expected
        assert built(messages=messages, model=LLAMA_3) == expected
        assert built(messages=messages, model=f"replicate/{LLAMA_3}") == expected

    def test_openai_s_and_the_model_s_own_parameters_go_through(self) -> None:
        params = {"max_tokens": 20, "temperature": 0.5, "seed": -1, "min_tokens": 2, "top_k": 20}
        fields = built(params, model=LLAMA_3, schema=catalogue.find(LLAMA_3))
        assert {name: fields[name] for name in params} == params

    @pytest.mark.parametrize(
        ("supports", "hello", "alone"),
        [
            (None, {"prompt": "Hello", "system_prompt": "Be brief."}, {"prompt": ""}),
            (True, {"prompt": "Hello", "system_prompt": "Be brief."}, {"prompt": ""}),
            (False, {"prompt": "Be brief.\n\nHello"}, {"prompt": "Be brief."}),
        ],
    )
    def test_and_so_it_is_where_the_server_writes_the_format(
        self, supports: bool | None, hello: dict[str, Any], alone: dict[str, Any]
    ) -> None:
        model, said = "meta/llama-2-70b-chat", [{"role": "system", "content": "Be brief."}]
        options: Any = {"schema": catalogue.find(model), "prompting": Prompting(None, supports)}
        assert built(messages=[*said, *HELLO], model=model, **options) == hello
        assert built(messages=said, model=model, **options) == {**hello, **alone}

    def test_a_system_text_alone_may_be_apart_too(self) -> None:
        said = [{"role": "system", "content": "Be brief."}]
        apart = built(messages=said, model=LLAMA_3, prompting=SYSTEM_APART)
        assert apart == {"prompt": "", "system_prompt": "Be brief."}

    def test_supports_system_prompt_sends_the_system_text_apart(self) -> None:
        messages = [{"role": "system", "content": "Be brief."}, *HELLO]
        for known in (None, catalogue.find(LLAMA_3)):
            assert built(messages=messages, model=LLAMA_3, schema=known, prompting=SYSTEM_APART) == {
                "prompt": "<|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>"
                "<|start_header_id|>assistant<|end_header_id|>\n\n",
                "system_prompt": "Be brief.",
            }


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            "max_tokens",
            "max_new_tokens",
            "max_length",
            "max_completion_tokens",
            "max_output_tokens",
            "max_gen_len",
            "max_output_len",
            "new_tokens",
        ],
    )
    @pytest.mark.parametrize("asked", ["max_tokens", "max_completion_tokens"])
    def test_the_token_limit_goes_under_the_model_s_own_name(self, name: str, asked: str) -> None:
        made = build_input(HELLO, {asked: 20}, model="x/y", schema=schema((), **PROMPT, **{name: INTEGER}))
        assert made.fields == {"prompt": "Hello", name: 20}
        assert made.max_tokens == 20

    def test_where_a_model_counts_the_prompt_too_the_other_limit_is_set(self) -> None:
        both = schema(**PROMPT, max_tokens=INTEGER, max_new_tokens=INTEGER)
        assert built({"max_tokens": 20}, schema=both) == {"prompt": "Hello", "max_new_tokens": 20}

    def test_a_limit_under_one_of_a_model_s_own_names_for_it_goes_there(self) -> None:
        both = schema(**PROMPT, max_new_tokens=INTEGER, max_length=INTEGER)
        assert built({"max_length": 20}, schema=both) == {"prompt": "Hello", "max_length": 20}

    def test_what_is_no_limit_to_the_model_is_none_here(self) -> None:
        for value in (0, -1):
            known = schema(**PROMPT, max_new_tokens=INTEGER)
            made = build_input(HELLO, {"max_new_tokens": value}, model="x/y", schema=known)
            assert (made.fields["max_new_tokens"], made.max_tokens) == (value, None)

    def test_the_newer_of_openai_s_two_limits_counts(self) -> None:
        limited = schema(**PROMPT, max_tokens=INTEGER)
        fields = built({"max_tokens": 10, "max_completion_tokens": 20}, schema=limited)
        assert fields["max_tokens"] == 20
        assert built({"max_completion_tokens": 20, "max_tokens": 10}, schema=limited) == fields
        assert build_input(HELLO, {"max_tokens": 1}, model="x/y", schema=limited).max_tokens == 1

    @pytest.mark.parametrize(
        ("name", "kind", "sent"),
        [
            ("stop_sequences", STRING, "END,STOP"),
            ("stop", STRING, "END,STOP"),
            ("stop", {"type": "array", "items": STRING}, ["END", "STOP"]),
        ],
    )
    def test_stop_sequences_in_the_form_the_model_takes(self, name: str, kind: Any, sent: Any) -> None:
        known = schema(**PROMPT, **{name: kind})
        assert built({"stop": ["END", "STOP"]}, schema=known)[name] == sent
        assert built({"stop": "END"}, schema=known)[name] in ("END", ["END"])
        assert name not in built({"stop": []}, schema=known)

    def test_a_stop_sequence_with_a_comma_cannot_be_said_to_a_model_that_separates_by_commas(self) -> None:
        known = schema(**PROMPT, stop_sequences=STRING)
        with pytest.raises(UnsupportedParamsError, match="separates stop sequences by commas") as caught:
            built({"stop": ["a,b"]}, schema=known)
        assert caught.value.param == "stop"
        assert built({"stop": ["a,b"]}, schema=known, drop_params=True) == {"prompt": "Hello"}
        assert built({"stop": ["a,b", "c"]}, schema=known, drop_params=True)["stop_sequences"] == "c"

    def test_temperature_is_temp_for_some(self) -> None:
        assert built({"temperature": 0.5}, schema=schema(**PROMPT, temp=NUMBER))["temp"] == 0.5

    def test_a_model_s_own_parameter_goes_under_the_name_this_model_has_for_it(self) -> None:
        known = schema(**PROMPT, repeat_penalty=NUMBER, min_new_tokens=INTEGER, random_seed=INTEGER)
        fields = built({"repetition_penalty": 1.1, "min_tokens": 2, "seed": 3}, schema=known)
        assert fields == {"prompt": "Hello", "repeat_penalty": 1.1, "min_new_tokens": 2, "random_seed": 3}

    @pytest.mark.parametrize(
        "name", ["text", "question", "input_text", "user_prompt", "user_message", "user_input"]
    )
    def test_the_prompt_has_other_names(self, name: str) -> None:
        inputs: Any = {name: STRING}
        assert built(schema=schema(**inputs)) == {name: "Hello"}

    def test_structured_parameters_in_the_form_the_model_takes(self) -> None:
        tool = {"type": "function", "function": {"name": "clock", "parameters": {}}}
        params = {"tools": [tool], "tool_choice": "auto", "response_format": {"type": "json_object"}}
        objects = schema(
            **PROMPT,
            tools={"type": "array", "items": {"type": "object"}},
            tool_choice=STRING,
            response_format={"type": "object"},
        )
        assert built(params, schema=objects) == {"prompt": "Hello", **params}
        texts = schema(**PROMPT, tools={"type": "array", "items": STRING}, response_format=STRING)
        fields = built({k: v for k, v in params.items() if k != "tool_choice"}, schema=texts)
        assert fields["tools"] == ['{"type":"function","function":{"name":"clock","parameters":{}}}']
        assert fields["response_format"] == '{"type":"json_object"}'

    def test_tools_that_may_not_be_used_are_not_shown(self) -> None:
        known = schema(**PROMPT, tools={"type": "array", "items": {"type": "object"}})
        tools = [{"type": "function", "function": {"name": "clock"}}]
        for emulate in (False, True):
            given = {"tools": tools, "tool_choice": "none"}
            adapted = adapt(HELLO, given, schema=known, model="x/y", emulate=emulate)
            assert built(adapted.params, schema=known) == {"prompt": "Hello"}
        assert built({"tools": []}, schema=known) == {"prompt": "Hello"}

    def test_a_name_given_by_hand_counts_more_than_the_mapping(self) -> None:
        known = schema(**PROMPT, max_new_tokens=INTEGER)
        made = build_input(HELLO, {"max_new_tokens": 64, "max_tokens": 20}, model="x/y", schema=known)
        assert made.fields["max_new_tokens"] == made.max_tokens == 64
        assert built({"prompt": "My own"}, schema=known) == {"prompt": "My own"}

    def test_without_a_schema_the_names_that_most_models_use(self) -> None:
        params = {"max_tokens": 20, "temperature": 0.5, "top_p": 0.9, "stop": ["a", "b"], "top_k": 5}
        made = build_input(HELLO, params, model="x/y")
        assert made.fields == {
            "prompt": "Hello",
            "max_tokens": 20,
            "max_new_tokens": 20,
            "temperature": 0.5,
            "top_p": 0.9,
            "stop_sequences": "a,b",
            "top_k": 5,
        }
        assert made.max_tokens == 20


CLAUDE_S = {
    "extended_thinking": {"type": "boolean"},
    "thinking_budget_tokens": {"type": "integer", "minimum": 1024, "maximum": 64000},
}


class TestValues:
    KNOWN = schema(
        **PROMPT,
        max_tokens={"type": "integer", "minimum": 1024, "maximum": 64000},
        temperature={"type": "number", "minimum": 0.01, "maximum": 5},
        top_p={"type": "number", "maximum": 1},
        mode={"type": "string", "enum": ["fast", "slow"]},
        debug={"type": "boolean"},
        words={"type": "array", "items": STRING},
        note={"type": "string"},
        options={"type": "object"},
        top_k=INTEGER,
        n_predict=INTEGER,
    )

    @pytest.mark.parametrize(
        ("params", "complaint"),
        [
            ({"max_tokens": 20}, "max_tokens=20 is outside what x/y takes: 1024 to 64000."),
            ({"temperature": -1}, "temperature=-1 is outside what x/y takes: 0.01 to 5."),
            ({"temperature": 5.1}, "temperature=5.1 is outside what x/y takes: 0.01 to 5."),
            ({"top_p": 1.5}, "top_p=1.5 is outside what x/y takes: at most 1."),
            ({"mode": "medium"}, "mode='medium' is not a choice of x/y, which are 'fast', 'slow'."),
            ({"temperature": float("nan")}, "temperature=nan is not a number that can be sent."),
            ({"top_p": float("inf")}, "top_p=inf is not a number that can be sent."),
            ({"temperature": "warm"}, "temperature must be a number, not str 'warm'."),
            ({"temperature": True}, "temperature must be a number, not bool True."),
            ({"max_tokens": 2000.5}, "max_tokens must be an integer, not float 2000.5."),
            ({"max_tokens": 0}, "max_tokens=0 leaves no room for an answer"),
            ({"max_tokens": "many"}, "max_tokens must be an integer, not str 'many'."),
            ({"top_k": "x" * 99}, "top_k must be an integer, not str 'xxx"),
            ({"debug": "yes"}, "debug must be true or false, not str 'yes'."),
            ({"words": "a"}, "words must be a list, not str 'a'."),
            ({"note": 7}, "note must be a string, not int 7."),
            ({"options": []}, "options must be an object, not list []."),
            ({"stop": 7}, "stop must be a string or a list of strings, not int 7."),
            ({"stop": ["x"] * 129}, "stop takes up to 128 sequences, not 129."),
            ({"stop": ["x" * 1001]}, "A sequence of stop may have 1,000 characters, not 1,001."),
            ({"stop_words": [7]}, "stop_words must be a string or a list of strings, not list [7]."),
            ({"n_predict": [7]}, "n_predict must be an integer, not list [7]."),
            ({"temp": "warm"}, "temp (temperature) must be a number, not str 'warm'."),
            ({"seed": "x"}, "seed must be an integer, not str 'x'."),
            ({"seed": 2**70}, "seed has more than 64 bits."),
            ({"other": float("nan")}, "other=nan is not a number that can be sent."),
            ({"other": object}, "other must be a value that JSON can hold"),
            ({"response_format": "json"}, "response_format must be an object, not str 'json'."),
            ({"reasoning_effort": 3}, "reasoning_effort must be a string, not int 3."),
            ({"logprobs": "yes"}, "logprobs must be true or false"),
            ({"logit_bias": []}, "logit_bias must be an object, not list []."),
        ],
    )
    def test_what_does_not_fit_is_refused_with_the_reason(
        self, params: dict[str, Any], complaint: str
    ) -> None:
        with pytest.raises(BadRequestError) as caught:
            built(params, schema=self.KNOWN)
        assert caught.value.message.startswith(complaint)
        assert caught.value.model == "x/y" and {caught.value.param} == params.keys()

    @pytest.mark.parametrize("value", [float("nan"), "warm", [], True])
    def test_openai_s_parameters_are_checked_without_a_schema_too(self, value: Any) -> None:
        with pytest.raises(BadRequestError):
            built({"temperature": value})

    @pytest.mark.parametrize(
        ("inputs", "effort", "sent"),
        [
            ({"reasoning_effort": STRING}, "low", {"reasoning_effort": "low"}),
            ({"thinking_level": STRING}, "high", {"thinking_level": "high"}),
            ({"thinking_budget": INTEGER}, "medium", {"thinking_budget": 2048}),
            ({"thinking_budget": INTEGER}, "none", {"thinking_budget": 0}),
            (CLAUDE_S, "low", {"extended_thinking": True, "thinking_budget_tokens": 1024}),
            (CLAUDE_S, "high", {"extended_thinking": True, "thinking_budget_tokens": 4096}),
            (CLAUDE_S, "none", {"extended_thinking": False}),
            ({"enable_thinking": {"type": "boolean"}}, "high", {"enable_thinking": True}),
            ({"thinking": {"type": "string", "enum": ["medium", "None"]}}, "none", {"thinking": "None"}),
        ],
    )
    def test_how_long_to_think_is_a_word_a_switch_or_a_number_of_tokens(
        self, inputs: Any, effort: str, sent: Any
    ) -> None:
        known = schema(**PROMPT, **inputs)
        assert built({"reasoning_effort": effort}, schema=known) == {"prompt": "Hello", **sent}
        if "reasoning_effort" not in inputs and "thinking_level" not in inputs:
            choices = (
                "is not a choice of x/y" if "thinking" in inputs else "takes none, minimal, low, .*, not"
            )
            with pytest.raises(BadRequestError, match=choices):
                built({"reasoning_effort": "much"}, schema=known)

    @pytest.mark.parametrize(
        ("choices", "effort", "sent"),
        [
            (["medium", "None"], "high", "medium"),
            (["low", "high"], "xhigh", "high"),
            (["low", "high"], "medium", "low"),
            (["low", "medium", "high"], "none", "low"),
            (["minimal", "low"], "max", "low"),
            (["low", "high"], "much", None),
            (["fast", "deep"], "low", None),
        ],
    )
    def test_a_word_that_a_model_does_not_have_is_moved_to_the_nearest(
        self, choices: list[str], effort: str, sent: str | None
    ) -> None:
        known = schema(**PROMPT, reasoning_effort={"type": "string", "enum": choices})
        fields = built({"reasoning_effort": effort}, schema=known, drop_params=True)
        assert fields.get("reasoning_effort") == sent
        with pytest.raises(BadRequestError, match="is not a choice of x/y"):
            built({"reasoning_effort": effort}, schema=known)

    @pytest.mark.parametrize("least", [0, 0.0, 1e-8, 0.009])
    @pytest.mark.parametrize("name", ["temperature", "temp", "top_p", "presence_penalty", "length_penalty"])
    def test_zero_is_the_least_that_a_model_takes(
        self, name: str, least: float, caplog: pytest.LogCaptureFixture
    ) -> None:
        number: dict[str, Any] = {name: {"type": "number", "minimum": 0.01, "maximum": 5}}
        known = schema(**PROMPT, **number)
        with caplog.at_level(logging.INFO, "areplicate"):
            assert built({name: least}, schema=known) == {"prompt": "Hello", name: 0.01}
        assert f"{name}={least!r} became 0.01; it takes 0.01 to 5" in caplog.text

    @pytest.mark.parametrize("limit", [0, -1])
    @pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n_predict"])
    def test_no_limit_may_be_said_with_a_number_where_misfits_are_dropped(
        self, name: str, limit: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        known = schema(**PROMPT, max_tokens=INTEGER)
        with caplog.at_level(logging.INFO, "areplicate"):
            assert built({name: limit}, schema=known, drop_params=True) == {"prompt": "Hello"}
        assert "x/y: " in caplog.text and f"={limit} is left out" in caplog.text
        with pytest.raises(BadRequestError, match="give 1 or more, or leave it out for no limit"):
            built({name: limit}, schema=known)

    def test_whole_floats_are_integers_where_integers_are_taken(self) -> None:
        fields = built({"max_tokens": 2000.0, "temperature": 1, "top_k": 7.0}, schema=self.KNOWN)
        assert fields["max_tokens"] == 2000 and type(fields["max_tokens"]) is int
        assert type(fields["top_k"]) is int
        assert fields["temperature"] == 1

    def test_dropping_moves_numbers_to_the_bounds_and_says_so(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "areplicate")
        fields = built(
            {"max_tokens": 20, "temperature": 9, "mode": "medium"}, schema=self.KNOWN, drop_params=True
        )
        assert fields == {"prompt": "Hello", "max_tokens": 1024, "temperature": 5}
        assert "max_tokens=20 became 1024; it takes 1024 to 64000" in caplog.text
        assert "mode='medium' is left out" in caplog.text

    def test_the_name_the_user_gave_and_the_model_s_are_both_told(self) -> None:
        known = schema(**PROMPT, max_new_tokens={"type": "integer", "maximum": 512})
        with pytest.raises(BadRequestError, match=r"max_tokens \(max_new_tokens\)=1000 is outside"):
            built({"max_tokens": 1000}, schema=known)

    @given(st.floats() | st.integers())
    def test_no_number_outside_the_bounds_gets_through(self, value: float) -> None:
        try:
            fields = built({"temperature": value}, schema=self.KNOWN)
        except BadRequestError:
            return
        assert 0.01 <= fields["temperature"] <= 5


class TestWhatAModelDoesNotTake:
    def test_a_parameter_without_an_input_is_an_error_unless_dropped(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        known = schema(**PROMPT)
        with pytest.raises(UnsupportedParamsError) as caught:
            built({"reasoning_effort": "low"}, schema=known)
        assert caught.value.message == (
            "reasoning_effort: x/y has no input for it. "
            "Leave it out, or give drop_params=True to have such parameters left out."
        )
        assert (caught.value.param, caught.value.model) == ("reasoning_effort", "x/y")
        caplog.set_level(logging.INFO, "areplicate")
        assert built({"reasoning_effort": "low"}, schema=known, drop_params=True) == {"prompt": "Hello"}
        assert "reasoning_effort is left out" in caplog.text

    @pytest.mark.parametrize(
        "param",
        [
            {"top_p": 1},
            {"presence_penalty": 0},
            {"frequency_penalty": 0.0},
            {"n": 1},
            {"logprobs": False},
            {"top_logprobs": 0},
            {"stop": []},
            {"tools": []},
            {"tool_choice": "none"},
            {"tool_choice": "auto"},
            {"parallel_tool_calls": True},
            {"response_format": {"type": "text"}},
            {"logit_bias": {}},
            {"modalities": ["text"]},
            {"user": "u-1"},
            {"metadata": {"a": "b"}},
            {"store": False},
            {"service_tier": "auto"},
            {"safety_identifier": "x"},
            {"prompt_cache_key": "k"},
            {"temperature": None},
        ],
    )
    def test_what_changes_nothing_passes(self, param: dict[str, Any]) -> None:
        assert built(param, schema=schema(**PROMPT)) == {"prompt": "Hello"}
        assert built(param).keys() <= {"prompt", "top_p", "presence_penalty", "frequency_penalty"}

    @pytest.mark.parametrize(
        "param",
        [
            {"top_p": 0.9},
            {"presence_penalty": 1},
            {"n": 2},
            {"logprobs": True},
            {"tools": [{"type": "function"}]},
            {"tool_choice": "required"},
            {"response_format": {"type": "json_object"}},
            {"temperature": 1},
        ],
    )
    def test_what_would_change_something_does_not(self, param: dict[str, Any]) -> None:
        with pytest.raises(UnsupportedParamsError):
            built(param, schema=schema(**PROMPT))

    def test_a_zero_that_the_model_would_not_assume_is_sent(self) -> None:
        fields = built({"presence_penalty": 0}, model=LLAMA_3, schema=catalogue.find(LLAMA_3))
        assert fields["presence_penalty"] == 0

    def test_where_the_inputs_are_not_known_nothing_untrue_is_said_of_them(self) -> None:
        with pytest.raises(UnsupportedParamsError) as caught:
            built({"reasoning_effort": "low"})
        assert "has no input" not in caught.value.message
        assert "x/y could not be looked up" in caught.value.message
        assert "extra_body={'reasoning_effort': ...}" in caught.value.message
        assert caught.value.param == "reasoning_effort"

    def test_inputs_that_are_missing_are_named_before_anything_is_sent(self) -> None:
        known = schema(
            ("prompt", "image", "style"), **PROMPT, image={"type": "string", "format": "uri"}, style=STRING
        )
        with pytest.raises(BadRequestError, match="x/y needs the input image: add a content part with an im"):
            built({"style": "x"}, schema=known)
        with pytest.raises(BadRequestError, match="x/y needs the input style: give style=") as caught:
            built({"image": "https://e.com/a.png"}, schema=known)
        assert (caught.value.param, caught.value.model) == ("style", "x/y")
        assert built({"image": "https://e.com/a.png", "style": "x"}, schema=known)["style"] == "x"

    def test_a_prompt_that_is_too_long_is_refused_before_anything_is_sent(self) -> None:
        long, empty = [{"role": "user", "content": "x" * 600}], [{"role": "user", "content": ""}]
        with pytest.raises(BadRequestError, match="prompt has 600 characters; x/y takes at most 512"):
            built(messages=long, schema=schema(prompt={"type": "string", "maxLength": 512}))
        with pytest.raises(BadRequestError, match="needs at least 1"):
            built(messages=empty, schema=schema(prompt={"type": "string", "minLength": 1}))

    def test_a_model_without_any_input_for_text_is_refused(self) -> None:
        with pytest.raises(
            BadRequestError, match=r"^This model has no input for a conversation\. Its inputs are image"
        ):
            built(schema=schema(image={"type": "string", "format": "uri"}))
        named = msgspec.structs.replace(schema(style=STRING), model="a/b")
        with pytest.raises(
            BadRequestError, match=r"^a/b has no input for a conversation. Its inputs are style.$"
        ):
            built(schema=named)

    def test_paths_are_for_media_only(self) -> None:
        with pytest.raises(BadRequestError, match="other must be a value that JSON can hold"):
            built({"other": Path("/etc/passwd")})


class TestNativeMessages:
    CONVERSATION = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Bye"},
    )
    PLAIN = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Bye"},
    )

    @pytest.mark.parametrize(
        ("kind", "sent"),
        [
            ({"type": "array", "items": {"type": "object"}}, list(PLAIN)),
            ({"type": "array"}, list(PLAIN)),
            (
                STRING,
                '[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"},'
                '{"role":"assistant","content":"Hello"},{"role":"user","content":"Bye"}]',
            ),
        ],
    )
    def test_openai_s_messages_in_the_form_the_model_takes(self, kind: dict[str, Any], sent: Any) -> None:
        known = schema(**PROMPT, system_prompt=STRING, messages=kind)
        assert built(messages=list(self.CONVERSATION), schema=known) == {"messages": sent}

    def test_tool_calls_stay_what_they_are(self) -> None:
        call = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
        messages = [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "noon"},
        ]
        known = schema(messages={"type": "array", "items": {"type": "object"}})
        assert built(messages=messages, schema=known)["messages"] == [
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "noon", "tool_call_id": "c1"},
        ]

    def test_a_model_that_wants_the_messages_as_its_prompt(self) -> None:
        known = schema(
            prompt={
                "type": "string",
                "description": "The JSON stringified of the messages (array of objects with role/content)",
            }
        )
        assert built(schema=known) == {"prompt": '[{"role":"user","content":"Hello"}]'}

    def test_a_prompt_that_must_be_there_is_there(self) -> None:
        known = schema(("prompt",), **PROMPT, messages={"type": "array", "items": {"type": "object"}})
        assert built(schema=known) == {"messages": HELLO, "prompt": ""}

    def test_with_images_the_prompt_is_used_so_that_none_is_lost(self) -> None:
        part = {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}
        messages = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, part]}]
        fields = built(messages=messages, model="openai/gpt-5.1", schema=catalogue.find("openai/gpt-5.1"))
        assert fields == {"prompt": "What is this?", "image_input": ["https://e.com/a.png"]}

    def test_a_system_prompt_given_by_hand_is_used_with_the_prompt(self) -> None:
        fields = built(
            {"system_prompt": "Mine."}, model="openai/gpt-5.1", schema=catalogue.find("openai/gpt-5.1")
        )
        assert fields == {"prompt": "Hello", "system_prompt": "Mine."}


class TestOwnTemplates:
    TEMPLATE = make_template({"user": {"pre_message": "Q: ", "post_message": "\n"}}, "", "A:")

    def test_it_renders_the_prompt_of_any_model(self) -> None:
        assert built(prompting=Prompting(self.TEMPLATE)) == {"prompt": "Q: Hello\nA:"}

    def test_the_server_s_template_is_switched_off_for_it(self) -> None:
        known = schema(**PROMPT, prompt_template={"type": "string", "default": "<{prompt}>"})
        assert built(prompting=Prompting(self.TEMPLATE), schema=known) == {
            "prompt": "Q: Hello\nA:",
            "prompt_template": "{prompt}",
        }

    def test_it_renders_the_system_text_unless_the_model_takes_it_apart(self) -> None:
        messages = [{"role": "system", "content": "Be brief. "}, *HELLO]
        assert built(messages=messages, prompting=Prompting(self.TEMPLATE)) == {
            "prompt": "Be brief. Q: Hello\nA:"
        }
        assert built(messages=messages, prompting=Prompting(self.TEMPLATE, True)) == {
            "prompt": "Q: Hello\nA:",
            "system_prompt": "Be brief. ",
        }

    def test_a_prompt_template_given_by_hand_is_the_server_s_to_fill(self) -> None:
        known = catalogue.find(LLAMA_3)
        assert built({"prompt_template": "Q: {prompt} A:"}, model=LLAMA_3, schema=known) == {
            "prompt": "Hello",
            "prompt_template": "Q: {prompt} A:",
        }
        whole = built(model=LLAMA_3, schema=known)
        assert built({"prompt_template": "{prompt}"}, model=LLAMA_3, schema=known) == {
            **whole,
            "prompt_template": "{prompt}",
        }

    def test_a_model_that_takes_only_messages_gets_them_all_the_same(self) -> None:
        known = schema(messages={"type": "array", "items": {"type": "object"}})
        assert built(prompting=Prompting(self.TEMPLATE), schema=known) == {"messages": HELLO}


def test_objects_that_dump_themselves_are_messages() -> None:
    message = SimpleNamespace(model_dump=lambda: {"role": "user", "content": "Hello"})
    assert built(messages=[message]) == {"prompt": "Hello"}


@given(
    st.dictionaries(
        st.sampled_from(["max_tokens", "temperature", "stop", "seed", "tools", "top_k", "image", "prompt"])
        | st.text(max_size=8),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2),
        max_size=4,
    ),
    st.booleans(),
)
def test_whatever_is_passed_is_sendable_or_refused(params: dict[str, Any], drop: bool) -> None:
    for name in (LLAMA_3, "openai/gpt-5.1", "yorickvp/llava-13b", None):
        known = catalogue.find(name) if name else None
        try:
            fields = built(params, model=name or "x/y", schema=known, drop_params=drop)
        except BadRequestError:
            continue
        msgspec.json.encode(fields)
        if drop and known:
            assert fields.keys() <= known.fields.keys() | params.keys() - PARAMS.keys()


@pytest.mark.parametrize(
    ("fields", "params", "limit"),
    [
        ({"max_tokens": INTEGER}, {"max_tokens": 7}, 7),
        ({"max_new_tokens": INTEGER}, {"max_completion_tokens": 7, "top_k": 3}, 7),
        ({"max_tokens": {**INTEGER, "minimum": 1024}}, {"max_tokens": 7}, 1024),
        ({"max_tokens": {**INTEGER, "maximum": 5}}, {"max_tokens": 7}, 5),
        ({"max_tokens": INTEGER}, {"max_tokens": 0}, None),
        ({"max_tokens": INTEGER}, {"max_tokens": "many"}, None),
        ({"max_tokens": INTEGER}, {"max_tokens": None}, None),
        ({}, {"max_tokens": 7}, None),
        ({"max_tokens": {**INTEGER, "default": 512}}, {"max_tokens": 7}, 7),
        ({"max_tokens": {**INTEGER, "default": 512}}, {}, 512),
        ({"max_tokens": {**INTEGER, "default": 512}}, {"max_tokens": 0}, 512),
        ({"max_length": {**INTEGER, "default": 4096}, "max_new_tokens": INTEGER}, {"max_tokens": 7}, 7),
    ],
)
def test_the_limit_that_an_answer_has_is_the_one_that_is_sent_or_the_models_own(
    fields: dict[str, Any], params: dict[str, Any], limit: int | None
) -> None:
    assert answer_limit(params, model="x/y", schema=schema(**PROMPT, **fields)) == limit

"""Keywords that no model knows, and one thing's other names."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest

import areplicate
from areplicate.chat.inputs import build_input
from areplicate.chat.schemas import catalogue
from areplicate.chat.schemas.schema import Field, ModelSchema
from areplicate.local import Faults, LocalModel
from areplicate.options.unknown_names import own_inputs
from tests.stage import HELLO, LLAMA, sent, stage

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        ({"temprature": 0.1}, "temperature"),
        ({"max_tokns": 5}, "max_tokens"),
        ({"topk": 5}, "top_k"),
        ({"time_out": 5}, "timeout"),
        ({"presence_penality": 1}, "presence_penalty"),
    ],
)
async def test_a_mistyped_name_is_told_with_the_nearest_before_anything_is_sent(
    mistyped: dict[str, Any], meant: str, caplog: pytest.LogCaptureFixture
) -> None:
    [name] = mistyped
    caplog.set_level("INFO", "areplicate")
    async with stage() as (local, router):
        with pytest.raises(
            areplicate.UnsupportedParamsError, match=f"{name} is neither.*Did you mean .*{meant}"
        ) as caught:
            await router.acompletion(LLAMA, HELLO, **mistyped)
        assert caught.value.param == name and f"extra_body={{'{name}': ...}}" in str(caught.value)
        assert caught.value.model == LLAMA and f"an input of {LLAMA}." in str(caught.value)
        assert not local.requests
        await router.acompletion(LLAMA, HELLO, **mistyped, drop_params=True)
        assert f"{LLAMA}: {name} is left out" in caplog.messages[-1]
        await router.acompletion(LLAMA, HELLO, extra_body=mistyped)
    left_out, sent_anyway = (body["input"] for body in sent(local))
    assert name not in left_out and sent_anyway[name] == mistyped[name]


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("system_prompt", 'give it as a message: {"role": "system"'),
        ("prompt", 'give it as a message: {"role": "user"'),
        ("wait", "timeout= says"),
        ("webhook", "on_status= is called"),
        ("input", "as a keyword of its own"),
    ],
)
async def test_an_input_of_other_models_or_clients_says_what_to_do_instead(name: str, instead: str) -> None:
    async with stage() as (local, router):
        with pytest.raises(areplicate.UnsupportedParamsError, match=f"^{name} .*{re.escape(instead)}"):
            await router.acompletion(LLAMA, HELLO, **dict[str, Any]({name: "x"}))
        assert not local.requests


@pytest.mark.parametrize(
    "model",
    [
        *("meta-llama-3-8b-instruct", "https://replicate.com/meta/meta-llama-3-8b-instruct"),
        *("replicate/meta/meta-llama-3-8b-instruct ", "meta-llama-3-8B-instruct"),
    ],
)
async def test_what_is_not_quite_a_model_string_is_told_with_the_nearest_models(model: str) -> None:
    async with stage() as (_, router):
        with pytest.raises(areplicate.BadRequestError, match="Did you mean meta/meta-llama-3-8b-instruct"):
            await router.acompletion(model, HELLO)


async def test_where_the_schema_is_not_known_a_rare_name_is_warned_of_and_sent() -> None:
    async with stage(LocalModel(owner="some", name="body"), faults=Faults(other_error=1.0)) as (
        local,
        router,
    ):
        with pytest.warns(
            areplicate.AreplicateWarning, match="temprature is sent as it is, and .* may ignore it"
        ) as caught:
            await router.acompletion("some/body", HELLO, temprature=0.1, num_retries=0)
        assert len(caught) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            await router.acompletion("some/body", HELLO, top_k=3, min_tokens=2, seed=1, max_new_tokens=5)
    first, second = (body["input"] for body in sent(local))
    assert first["temprature"] == 0.1
    assert {name: second[name] for name in ("top_k", "min_tokens", "seed", "max_new_tokens")} == {
        "top_k": 3,
        "min_tokens": 2,
        "seed": 1,
        "max_new_tokens": 5,
    }


async def test_a_look_up_that_fails_hides_no_404() -> None:
    async with stage() as (local, router):
        with pytest.raises(areplicate.NotFoundError):
            await router.acompletion("nobody/nothing", HELLO, reasoning_effort="low")
        assert not local.predictions


@pytest.mark.parametrize(
    "name",
    [
        "max_new_tokens",
        "max_length",
        "max_output_tokens",
        "n_predict",
        "max_completion_tokens",
        "num_predict",
    ],
)
async def test_the_limit_s_other_names_reach_what_the_model_calls_it(name: str) -> None:
    async with stage() as (local, router):
        await router.acompletion(LLAMA, HELLO, **dict[str, Any]({name: 7}))
    assert sent(local)[0]["input"]["max_tokens"] == 7


@pytest.mark.parametrize(
    ("model", "given", "expected"),
    [
        ("joehoover/falcon-40b-instruct", {"temp": 0.5}, {"temperature": 0.5}),
        ("meta/llama-2-70b-chat", {"stop_words": ["a", "b"]}, {"stop_sequences": "a,b"}),
        ("meta/llama-2-70b-chat", {"stop_sequences": ["a", "b"]}, {"stop_sequences": "a,b"}),
        ("meta/llama-2-70b-chat", {"stop_sequences": "a,b"}, {"stop_sequences": "a,b"}),
        ("meta/llama-2-70b-chat", {"stop_words": "a,b"}, {"stop_sequences": "a,b"}),
    ],
)
async def test_other_names_in_the_form_the_model_takes(model: str, given: Any, expected: Any) -> None:
    schema = catalogue.find(model)
    assert schema is not None
    assert own_inputs(given, schema, model, False) == given
    fields = build_input(HELLO, given, model=model, schema=schema).fields
    assert {name: value for name, value in fields.items() if name != "prompt"} == expected


def test_one_thing_s_other_name_is_an_input_where_the_model_has_either() -> None:
    schema = ModelSchema({"prompt": Field("string"), "repetition_penalty": Field("number")})
    assert own_inputs({"repeat_penalty": 1.1}, schema, "a/b", False) == {"repeat_penalty": 1.1}
    assert own_inputs({"num_predict": 1}, None, "a/b", False) == {"num_predict": 1}, "without a warning"
    with pytest.raises(areplicate.UnsupportedParamsError, match="min_new_tokens is neither .* input of a/b"):
        own_inputs({"min_new_tokens": 1}, schema, "a/b", False)


@pytest.mark.parametrize("name", ["drop_params", "set_verbose"])
@pytest.mark.parametrize("value", ["x", "false", 2, []])
def test_a_switch_of_the_module_is_on_or_off(name: str, value: object) -> None:
    before = getattr(areplicate, name)
    with pytest.raises(areplicate.BadRequestError, match=f"areplicate.{name} must be True or False"):
        setattr(areplicate, name, value)
    assert getattr(areplicate, name) is before

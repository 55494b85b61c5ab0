"""LangChain's own standard tests, on models of a stand-in that play their parts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from pydantic import BaseModel

from areplicate import AuthenticationError, BadRequestError
from areplicate.integrations.langchain import ChatAreplicate
from areplicate.local import LocalModel, LocalReplicate, language_model_schema
from tests.scripted import calls_tools
from tests.stage import nothing_runs

pytestmark = [pytest.mark.integration, pytest.mark.anyio, pytest.mark.filterwarnings("ignore")]

KEY = "r8_langchain"
ARGUMENTS: dict[str, dict[str, Any]] = {
    "magic_function_no_args": {},
    "magic_function": {"input": 3},
    "my_adder_tool": {"a": 3, "b": 4},
    "greeting_generator": {"answer_style": "Pirate"},
    "unicode_customer": {"customer_name": "你好啊集团 こんにちは株式会社", "description": "a company"},
    "color_picker": {"fav_color": "purple"},
    "get_weather": {"location": "San Francisco"},
}
JOKE = {"setup": "Why?", "punchline": "Because."}


def plays_its_part(input: dict[str, Any]) -> str:
    """A model that calls the first tool that it is shown, unless it has just got a tool's result; or that
    tells a joke as JSON where one is asked for."""
    shown = re.findall(r'^\{"name": "(\w+)"', input.get("prompt", ""), re.MULTILINE)
    tools = shown or [tool["function"]["name"] for tool in input.get("tools", ())]
    messages = input.get("messages")
    has_result = (
        messages[-1]["role"] == "tool"
        if messages
        else input["prompt"].endswith("</tool_response>\n\nAssistant:")
    )
    if tools and not has_result:
        notation = "granite" if messages else "general"
        return calls_tools((tools[0], ARGUMENTS.get(tools[0], JOKE)), then="", notation=notation)({})
    return json.dumps(JOKE) if "punchline" in json.dumps(input) else "Hello there."


TEXT: Any = {"type": "string"}
URI: Any = {"type": "string", "format": "uri"}
MEDIA: Any = {"images": {"type": "array", "items": URI}, "audio": URI, "file": URI}
NATIVE: Any = {
    "messages": {"type": "array", "items": {"type": "object"}},
    "tools": {"type": "array", "items": {"type": "object"}},
    "tool_choice": TEXT,
    "response_format": {"type": "object"},
    **MEDIA,
    "max_tokens": {"type": "integer"},
    "temperature": {"type": "number"},
    "stop": TEXT,
}
IN_WORDS: Any = {
    "prompt": TEXT,
    "system_prompt": TEXT,
    "max_tokens": {"type": "integer"},
    "temperature": {"type": "number"},
    "stop_sequences": TEXT,
    **MEDIA,
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def local() -> Iterator[LocalReplicate]:
    models = [
        LocalModel(owner="acme", name=name, reply=plays_its_part, schema=language_model_schema(inputs))
        for name, inputs in (
            ("told", IN_WORDS),
            ("told-2", IN_WORDS),
            ("native", NATIVE),
            ("blind", {"prompt": TEXT}),
        )
    ]
    slow = LocalModel(owner="acme", name="slow", reply=["One", "two", "three"], run_seconds=60)
    with LocalReplicate([*models, slow], tokens=[KEY]) as local:
        yield local


@pytest.fixture(autouse=True)
def its_address(monkeypatch: pytest.MonkeyPatch, local: LocalReplicate) -> None:
    monkeypatch.setenv("REPLICATE_API_KEY", KEY)
    monkeypatch.setenv("REPLICATE_API_BASE", local.api_base)


@pytest.fixture(autouse=True)
def no_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    """LangChain's tests take their pictures, sounds and papers from web pages: here from this file."""
    monkeypatch.setattr(httpx, "get", lambda url, **options: httpx.Response(200, content=b"\x89PNG"))


@pytest.fixture
def benchmark() -> Callable[..., Any]:
    """Calls once what LangChain's tests measure: here it only has to work."""
    return lambda function, *args, **kwargs: function(*args, **kwargs)


NOT_CLAIMED = {"test_serdes": "LangChain loads only the classes on a list of its own from JSON"}
"""Its tests of what no class outside its own packages can do."""


@pytest.fixture
def snapshot() -> None:
    """For a test that is not claimed."""


@pytest.fixture
def vcr() -> SimpleNamespace:
    """What LangChain's tests record traffic with: nothing is recorded, so that it is real each time."""
    return SimpleNamespace(responses=[])


class _Chat:
    chat_model_class = ChatAreplicate
    chat_model_params = {"model": "acme/told"}  # noqa: RUF012


class TestUnit(_Chat, ChatModelUnitTests):
    init_from_env_params = {"REPLICATE_API_KEY": "r8_env"}, {"model": "acme/told"}, {"api_key": "r8_env"}


class TestIntegration(_Chat, ChatModelIntegrationTests):
    supports_json_mode = supports_model_override = True
    supports_image_inputs = supports_image_urls = supports_image_tool_message = True
    supports_anthropic_inputs = supports_audio_inputs = True
    supports_pdf_inputs = supports_pdf_tool_message = True
    enable_vcr_tests = True
    model_override_value = "acme/told-2"


class TestIntegrationOnAModelThatTakesTools(TestIntegration):
    chat_model_params = {"model": "acme/native"}  # noqa: RUF012


class Joke(BaseModel):
    setup: str
    punchline: str


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_structured_output_with_what_the_model_said(method: str) -> None:
    model = ChatAreplicate(model="acme/told").with_structured_output(Joke, method=method, include_raw=True)
    answer = model.invoke("A joke, with setup and punchline")
    assert answer["parsed"] == Joke(setup="Why?", punchline="Because.")
    assert answer["parsing_error"] is None
    assert isinstance(answer["raw"], AIMessage)


def test_settings_of_the_model_and_of_a_call_reach_the_prediction(local: LocalReplicate) -> None:
    ChatAreplicate(model="acme/told", max_tokens=7, model_kwargs={"temperature": 0.3}).invoke(
        "Hi", stop=["X"]
    )
    asked = list(local.predictions.values())[-1].input
    assert asked is not None
    assert asked | {"prompt": ""} == {
        "prompt": "",
        "max_tokens": 7,
        "temperature": 0.3,
        "stop_sequences": "X",
    }


def test_an_image_reaches_the_model(local: LocalReplicate) -> None:
    url = "data:image/png;base64,iVBORw0KGgo="
    question = [HumanMessage([{"type": "text", "text": "What is it?"}, {"type": "image", "url": url}])]
    ChatAreplicate(model="acme/told").invoke(question)
    asked = list(local.predictions.values())[-1].input
    assert asked is not None
    assert asked["images"] == [url]
    with pytest.raises(BadRequestError, match="acme/blind has no input for images"):
        ChatAreplicate(model="acme/blind").invoke(question)


def test_the_key_is_the_models_and_shown_nowhere(local: LocalReplicate) -> None:
    model = ChatAreplicate(model="acme/told", api_key="r8_wrong")
    with pytest.raises(AuthenticationError):
        model.invoke("Hi")
    assert "r8_wrong" not in repr(model)


async def test_a_stream_left_early_cancels_its_prediction(local: LocalReplicate) -> None:
    async for _ in ChatAreplicate(model="acme/slow").astream("Hi"):
        break
    assert await nothing_runs(local)
    assert list(local.predictions.values())[-1].status == "canceled"

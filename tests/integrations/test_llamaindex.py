"""LlamaIndex on a stand-in: chat, completion, streams, tools, an agent and structured predictions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from areplicate import AuthenticationError, BadRequestError
from areplicate.local import LocalModel, LocalReplicate, language_model_schema
from tests.lazily import Lazily
from tests.scripted import calls_tools
from tests.stage import nothing_runs

llama_index: Any = Lazily("llama_index.core")
llama_agents: Any = Lazily("llama_index.core.agent.workflow")
llama_types: Any = Lazily("llama_index.core.llms")
ours: Any = Lazily("areplicate.integrations.llamaindex")

pytestmark = [pytest.mark.integration, pytest.mark.anyio, pytest.mark.filterwarnings("ignore")]

KEY = "r8_llamaindex"
TEXT: Any = {"type": "string"}
IN_WORDS: Any = {
    "prompt": TEXT,
    "system_prompt": TEXT,
    "max_tokens": {"type": "integer"},
    "top_k": {"type": "integer"},
}
SEES: Any = IN_WORDS | {"image": {"type": "string", "format": "uri"}}
REPLIES: Any = {
    "chat": ["Hello", ", ", "world"],
    "weather": calls_tools(("get_weather", {"city": "Paris"}), then="It is sunny in Paris."),
    "person": calls_tools(("Person", {"name": "Ada", "age": 36}), then="Done."),
}


def hi() -> list[Any]:
    said = (("system", "Be brief."), ("user", "Hi"))
    return [llama_types.ChatMessage(role=role, content=content) for role, content in said]


class Person(BaseModel):
    name: str
    age: int


def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def local() -> Iterator[LocalReplicate]:
    models = [
        LocalModel(owner="acme", name=name, reply=reply, schema=language_model_schema(IN_WORDS))
        for name, reply in REPLIES.items()
    ]
    sees = LocalModel(owner="acme", name="sees", reply="A cat.", schema=language_model_schema(SEES))
    slow = LocalModel(owner="acme", name="slow", reply=["One", "two", "three"], run_seconds=60)
    with LocalReplicate([*models, sees, slow], tokens=[KEY]) as local:
        yield local


def llm(local: LocalReplicate, name: str = "chat", **options: Any) -> Any:
    return ours.Areplicate(model=f"acme/{name}", api_key=KEY, api_base=local.api_base, **options)


def last_input(local: LocalReplicate) -> dict[str, Any]:
    return list(local.predictions.values())[-1].input or {}


def test_chat(local: LocalReplicate) -> None:
    answer = llm(local, max_tokens=9, additional_kwargs={"top_k": 5}).chat(hi())
    assert answer.message.content == "Hello, world"
    assert answer.additional_kwargs["completion_tokens"] == 3
    asked = last_input(local)
    assert (asked["max_tokens"], asked["top_k"]) == (9, 5) and "Be brief." in asked["system_prompt"]


def test_complete(local: LocalReplicate) -> None:
    assert llm(local).complete("Hi").text == "Hello, world"


def test_streams(local: LocalReplicate) -> None:
    answers = list(llm(local).stream_chat(hi()))
    assert [answer.delta for answer in answers if answer.delta] == ["Hello", ", ", "world"]
    assert answers[-1].message.content == "Hello, world"
    assert answers[-1].additional_kwargs["completion_tokens"] == 3
    assert list(llm(local).stream_complete("Hi"))[-1].text == "Hello, world"


async def test_async(local: LocalReplicate) -> None:
    assert (await llm(local).achat(hi())).message.content == "Hello, world"
    assert (await llm(local).acomplete("Hi")).text == "Hello, world"
    answers = [answer async for answer in await llm(local).astream_chat(hi())]
    assert "".join(answer.delta or "" for answer in answers) == "Hello, world"
    texts = [answer.text async for answer in await llm(local).astream_complete("Hi")]
    assert texts[-1] == "Hello, world"


async def test_a_stream_left_early_cancels_its_prediction(local: LocalReplicate) -> None:
    stream = await llm(local, "slow").astream_chat(hi())
    await anext(stream)
    await stream.aclose()
    assert await nothing_runs(local)
    assert list(local.predictions.values())[-1].status == "canceled"


def test_a_tool_is_called_and_its_result_told(local: LocalReplicate) -> None:
    tool = llama_index.tools.FunctionTool.from_defaults(get_weather)
    model = llm(local, "weather")
    answer = model.chat_with_tools([tool], "How is Paris?")
    (call,) = model.get_tool_calls_from_response(answer)
    assert (call.tool_name, call.tool_kwargs) == ("get_weather", {"city": "Paris"})
    result = llama_types.ChatMessage(
        role="tool", content="sunny", additional_kwargs={"tool_call_id": call.tool_id}
    )
    history = [llama_types.ChatMessage(role="user", content="How is Paris?"), answer.message, result]
    assert model.chat_with_tools([tool], chat_history=history).message.content == "It is sunny in Paris."
    assert str(model.predict_and_call([tool], "How is Paris?")) == "sunny in Paris"


async def test_an_agent_answers_with_a_tool(local: LocalReplicate) -> None:
    agent = llama_agents.FunctionAgent(tools=[get_weather], llm=llm(local, "weather"))
    answer = await agent.run("How is Paris?")
    assert str(answer) == "It is sunny in Paris."


def test_structured_predictions(local: LocalReplicate) -> None:
    predicted = llm(local, "person").structured_predict(
        Person, llama_index.PromptTemplate("Who is {who}?"), who="she"
    )
    assert predicted == Person(name="Ada", age=36)


def test_an_image_reaches_the_model(local: LocalReplicate) -> None:
    image = llama_types.ImageBlock(image=b"\x89PNG\r\n\x1a\n0000", image_mimetype="image/png")
    message = llama_types.ChatMessage(role="user", blocks=[llama_types.TextBlock(text="What is it?"), image])
    assert llm(local, "sees").chat([message]).message.content == "A cat."
    assert last_input(local)["image"].startswith("data:image/png;base64,")


def test_errors_are_areplicates(local: LocalReplicate) -> None:
    with pytest.raises(AuthenticationError):
        ours.Areplicate(model="acme/chat", api_key="r8_wrong", api_base=local.api_base).complete("Hi")
    with pytest.raises(BadRequestError, match="temprature"):
        llm(local).complete("Hi", temprature=1)


def test_the_key_is_in_no_dump(local: LocalReplicate) -> None:
    assert KEY not in repr(llm(local)) and KEY not in llm(local).to_json()

"""Agents' frameworks for Python, each against the gateway as its documentation sets it up.

They are imported where they are used: each takes seconds of imports.
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pydantic
import pytest

from tests.gateway.agents.conftest import ADA, SUNNY
from tests.gateway.process import MASTER, Gateway

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore")]


class Person(pydantic.BaseModel):
    """A person."""

    name: str
    age: int


@pytest.mark.anyio
@pytest.mark.real_time
@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_openai_agents(running: Gateway, api: str) -> None:
    import agents
    import openai

    agents.set_tracing_disabled(True)
    kind = agents.OpenAIResponsesModel if api == "responses" else agents.OpenAIChatCompletionsModel
    asked = []

    @agents.function_tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return "sunny"

    async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key=MASTER, max_retries=0) as client:

        def agent(name: str, model: str, **options: Any) -> agents.Agent[Any]:
            return agents.Agent(name=name, model=kind(model, client), **options)

        weather = agent("weather", "weather", instructions="Be kind.", tools=[get_weather])
        result = await agents.Runner.run(weather, "How is the weather in Paris?")
        assert (result.final_output, asked) == (SUNNY, ["Paris"])

        streamed = agents.Runner.run_streamed(weather, "How is the weather in Paris?")
        kinds = [event.type async for event in streamed.stream_events()]
        assert streamed.final_output == SUNNY and "run_item_stream_event" in kinds

        poet = agent("poet", "chat")
        host = agent("host", "hands-over", handoffs=[poet])
        result = await agents.Runner.run(host, "A poem, please.")
        assert (result.final_output, result.last_agent.name) == ("Hello, dear world!", "poet")

        typed = agent("typed", "ada", output_type=Person)
        result = await agents.Runner.run(typed, "Who?")
        assert result.final_output == Person(**ADA)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["TOOLS", "JSON", "JSON_SCHEMA", "MD_JSON"])
def test_instructor(running: Gateway, mode: str) -> None:
    import instructor
    import openai

    model = "person-tool" if mode == "TOOLS" else "ada"
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key=MASTER, max_retries=0) as client:
        patched = instructor.from_openai(client, mode=instructor.Mode[mode])
        person = patched.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Who?"}], response_model=Person, max_retries=0
        )
        assert person.model_dump() == ADA
        if mode == "TOOLS":
            return  # a partial answer is asked for as another tool
        partial = patched.chat.completions.create_partial(
            model=model, messages=[{"role": "user", "content": "Who?"}], response_model=Person, max_retries=0
        )
        assert list(partial)[-1].model_dump() == ADA


@pytest.fixture
async def connections() -> AsyncIterator[httpx.AsyncClient]:
    """Those of a framework that leaves its own open."""
    async with httpx.AsyncClient() as client:
        yield client


@pytest.mark.anyio
@pytest.mark.real_time
@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_pydantic_ai(running: Gateway, api: str, connections: httpx.AsyncClient) -> None:
    from pydantic_ai import Agent, NativeOutput
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    def model(name: str) -> Any:
        kind = OpenAIChatModel if api == "chat" else OpenAIResponsesModel
        where = {"base_url": f"{running.url}/v1", "api_key": MASTER}
        return kind(name, provider=OpenAIProvider(**where, http_client=connections))

    agent = Agent(model("weather"), instructions="Be kind.")
    asked = []

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return "sunny"

    assert (await agent.run("How is the weather in Paris?")).output == SUNNY
    assert asked == ["Paris"]
    async with agent.run_stream("How is the weather in Paris?") as result:
        assert await result.get_output()

    typed: Any = Agent(model("final-result"), output_type=Person)
    assert (await typed.run("Who?")).output == Person(**ADA)  # type: ignore[arg-type]
    native: Any = Agent(model("ada"), output_type=NativeOutput(Person))
    assert (await native.run("Who?")).output == Person(**ADA)  # type: ignore[arg-type]


@pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])
def test_langchain(running: Gateway, responses: bool) -> None:
    from langchain_core.messages import HumanMessage, ToolMessage
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    @tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return "sunny"

    def model(name: str) -> Any:
        return ChatOpenAI(
            model=name,
            base_url=f"{running.url}/v1",
            api_key=MASTER,
            max_retries=0,
            use_responses_api=responses,
        )

    bound = model("weather").bind_tools([get_weather])
    turns: list[Any] = [HumanMessage("How is the weather in Paris?")]
    first = bound.invoke(turns)
    [call] = first.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})
    turns += [first, ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])]
    assert bound.invoke(turns).text == SUNNY
    streamed = None
    for chunk in bound.stream(turns[:1]):
        streamed = chunk if streamed is None else streamed + chunk
    assert streamed is not None and streamed.tool_calls[0]["args"] == {"city": "Paris"}

    for method in ("json_schema", "json_mode"):
        typed = model("ada").with_structured_output(Person, method=method)
        assert typed.invoke("Who? Answer as JSON.") == Person(**ADA)  # type: ignore[arg-type]
    typed = model("person-tool").with_structured_output(Person, method="function_calling")
    assert typed.invoke("Who?") == Person(**ADA)  # type: ignore[arg-type]

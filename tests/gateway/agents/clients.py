"""The clients that the tests in this room run, as docs/agents.md tells of them.

python -m tests.gateway.agents.clients    prints the table
"""

from __future__ import annotations

from typing import NamedTuple


class Client(NamedTuple):
    """A client; `test` is the test that runs it, `file::name`."""

    name: str
    apis: str
    works: str
    setup: str
    test: str


_BASE = '`base_url="http://HOST:4000/v1"`, `api_key=`'

CLIENTS = (
    Client("openai", "chat, responses", "tools, `parse`, streams", _BASE, "test_openai::test_parse"),
    Client(
        "anthropic",
        "messages",
        "streams, tools, images, thinking, token counts, models",
        '`base_url="http://HOST:4000"`, `api_key=`',
        "test_anthropic::test_streams_of_the_package",
    ),
    Client(
        "openai-agents",
        "chat, responses",
        "function tools, handoffs, output types, streams",
        "`OpenAIResponsesModel(name, AsyncOpenAI(base_url=..., api_key=...))`",
        "test_frameworks::test_openai_agents",
    ),
    Client(
        "instructor",
        "chat",
        "tools, JSON, JSON schema, partial answers",
        "`instructor.from_openai(OpenAI(base_url=..., api_key=...))`",
        "test_frameworks::test_instructor",
    ),
    Client(
        "pydantic-ai",
        "chat, responses",
        "tools, output types, streams",
        "`OpenAIProvider(base_url=..., api_key=...)`",
        "test_frameworks::test_pydantic_ai",
    ),
    Client(
        "langchain-openai",
        "chat, responses",
        "tools, structured output, streams",
        "`ChatOpenAI(base_url=..., api_key=...)`",
        "test_frameworks::test_langchain",
    ),
    Client(
        "LlamaIndex",
        "chat",
        "tools, structured output, streams",
        "`OpenAILike(api_base=..., api_key=..., is_chat_model=True, is_function_calling_model=True)`",
        "test_apart::test_llamaindex",
    ),
    Client(
        "@ai-sdk/openai",
        "chat, responses",
        "tools in steps, objects, streams",
        "`createOpenAI({ baseURL, apiKey })`; for responses `store: false`, or `store_responses` in the gateway",
        "test_apart::test_ai_sdk",
    ),
    Client(
        "@ai-sdk/anthropic",
        "messages",
        "tools in steps, objects, streams",
        "`createAnthropic({ baseURL, apiKey })`",
        "test_apart::test_ai_sdk",
    ),
    Client(
        "Codex",
        "responses",
        "a task in several steps, tools of MCP servers",
        "`config.toml`, below",
        "test_apart::test_codex",
    ),
    Client(
        "Claude Code",
        "messages",
        "a task in several steps",
        "`ANTHROPIC_BASE_URL`, `ANTHROPIC_API_KEY`, below",
        "test_apart::test_claude_code",
    ),
)


def table() -> str:
    """The table as it stands in docs/agents.md."""
    rows = [f"| {each.name} | {each.apis} | {each.works} | {each.setup} |" for each in CLIENTS]
    return "\n".join(
        ["| client | APIs | what works | how it is set up |", "| --- | --- | --- | --- |", *rows]
    )


if __name__ == "__main__":
    print(table())

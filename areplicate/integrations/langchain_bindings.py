"""Tools and structured output, as LangChain binds them to a chat model, in OpenAI's parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

Tool: TypeAlias = "dict[str, Any] | type | Callable[..., Any] | BaseTool"


def tool_options(
    tools: Sequence[Tool], choice: str | dict[str, Any] | bool | None, strict: bool | None
) -> dict[str, Any]:
    """`tools`, and `tool_choice` if there is one: "any" and True for one of them, a name, or OpenAI's."""
    described = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
    if choice in ("any", True):
        choice = "required"
    elif choice in [tool["function"]["name"] for tool in described]:
        choice = {"type": "function", "function": {"name": choice}}
    return {"tools": described, **({"tool_choice": choice} if choice else {})}


def form_options(
    schema: dict[str, Any] | type, method: str, strict: bool | None
) -> tuple[dict[str, Any], Runnable[Any, Any]]:
    """`response_format` for structured answers, and their parser; tracers get the schema, too."""
    json_schema = convert_to_json_schema(schema)
    response_format: dict[str, Any] = {"type": "json_object"}
    if method == "json_schema":
        form = {"name": json_schema.get("title", "answer"), "schema": json_schema, "strict": strict}
        response_format = {"type": "json_schema", "json_schema": form}
    is_class = isinstance(schema, type) and is_basemodel_subclass(schema)
    parser = PydanticOutputParser(pydantic_object=schema) if is_class else JsonOutputParser()
    told = {"kwargs": {"method": method}, "schema": json_schema}
    return {"response_format": response_format, "ls_structured_output_format": told}, parser


def with_raw(model: Runnable[Any, Any], parser: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """What a model says as `raw`, with `parsed` or `parsing_error`."""
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parsed.with_fallbacks([failed], exception_key="parsing_error")

"""`/openapi.json`: what the gateway takes and gives, derived from its routes and their structs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from aiohttp import web

from ... import __version__
from ..errors import ErrorAnswer
from .anthropic import ClaudeErrorAnswer
from .exchange import Exchange
from .route import Route, route

_ERROR = (
    "An error. 400, 415: the request is wrong. 401: the key is missing, unknown or expired. 402: the gateway's account "
    "at Replicate has no credit. 403: the key may not do this. 404: it does not exist, or this key may not see it. "
    "408: the body or the answer did not come in time. 409: it has ended already. 413: it is too large. 429: a limit of "
    "the key or of Replicate; Retry-After says when it passes. 500: the model or the gateway failed. 502: Replicate "
    "failed. 503: the database or Replicate is not available, or the gateway is stopping."
)
_REF = "#/components/schemas/"

_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}

Schema = dict[str, Any]


def document_of(routes: Sequence[Route]) -> Route:
    """The route of the document of these routes, which is in it, too."""

    @cache
    def encoded() -> bytes:  # anybody may ask for it, and it takes long to make
        return msgspec.json.encode(_describe((*routes, document)))

    @route("GET", "/openapi.json", "anyone", answer="application/json")
    async def document(exchange: Exchange) -> web.Response:
        """The OpenAPI document of this gateway."""
        return exchange.json(encoded())

    return document


def _describe(routes: Sequence[Route]) -> Schema:
    structs = [kind for each in routes for kind in (each.takes, each.answer) if isinstance(kind, type)]
    _, components = msgspec.json.schema_components(
        [*structs, ErrorAnswer, ClaudeErrorAnswer], ref_template=_REF + "{name}"
    )
    paths: dict[str, Schema] = {}
    for each in routes:
        operation = _operation(each, components)
        for path in dict.fromkeys((each.path, each.path.removeprefix("/v1"))):
            paths.setdefault(path, {})[each.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "areplicate gateway",
            "version": __version__,
            "description": "OpenAI's API, answered by language models on Replicate.",
        },
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": components,
        },
    }


def _operation(each: Route, components: Schema) -> Schema:
    error = ClaudeErrorAnswer if each.path.startswith("/v1/messages") else ErrorAnswer
    answer = {each.answer: {}} if isinstance(each.answer, str) else _content("application/json", each.answer)
    if each.streams:
        answer["text/event-stream"] = {}
    parameters = [_ID] if "{id}" in each.path else []
    summary = (each.handler.__doc__ or each.path).strip().splitlines()[0].rstrip(".")
    operation: Schema = {
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "200": {"description": "The answer", "content": answer},
            "default": {"description": _ERROR, "content": _content("application/json", error)},
        },
    }
    if each.takes is not None and each.method == "GET":
        parameters += _query(components[each.takes.__name__])
    elif each.takes is not None:
        operation["requestBody"] = {
            "required": bool(components[each.takes.__name__].get("required")),
            "content": _content("multipart/form-data" if each.form else "application/json", each.takes),
        }
    if each.access == "anyone":
        operation["security"] = []
    return operation


def _content(content_type: str, struct: type) -> Schema:
    return {content_type: {"schema": {"$ref": f"{_REF}{struct.__name__}"}}}


def _query(schema: Schema) -> list[Schema]:
    """A struct's fields as parameters of a query, in which there is no null."""
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _not_null(field)}
        for name, field in schema["properties"].items()
    ]


def _not_null(field: Schema) -> Schema:
    kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else field

"""`/openapi.json`: what the gateway takes and gives, with the models of its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from ... import __version__
from ..api.completions import MAX_PROMPTS
from ..api.keys import KeyNamed, KeysNamed, NewKey
from ..api.question import MAX_CHOICES, MAX_MESSAGES
from .exchange import Exchange
from .openapi_answers import ANSWERS, ERRORS

if TYPE_CHECKING:
    from ..app import Gateway

_REF = "#/components/schemas/"
_ROLES = ["system", "developer", "user", "assistant"]
_STREAM = {"type": ["boolean", "null"], "description": "Answer with server-sent events."}
_USER = {"type": ["string", "null"], "description": "Has no effect."}

Operation = dict[str, Any]


async def document(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    """Needs no key, but names models only to those who may use them."""
    caller = exchange.caller
    named = gateway.keyring.open or caller.is_master or caller.key is not None
    names = [name for name in exchange.backend.names if caller.may_use(name)] if named else None
    return exchange.json(msgspec.json.encode(describe(names)))


def describe(models: list[str] | None) -> dict[str, Any]:
    """The document. `models` are the names that requests may give, where they may be told."""
    bodies, structs = msgspec.json.schema_components(
        (NewKey, KeyNamed, KeysNamed), ref_template=_REF + "{name}"
    )
    new_key, key_named, keys_named = bodies
    if models is not None:
        structs["NewKey"]["properties"]["models"]["items"] = {"enum": models}
    generate = _post("Make a key; its token is shown once", new_key, "NewKeyAnswer", 403)
    generate["post"]["requestBody"]["required"] = False
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "areplicate gateway",
            "version": __version__,
            "description": "OpenAI's API, answered by language models on Replicate.",
        },
        "security": [{"key": []}],
        "paths": {
            **_model_paths("/v1", models),
            **_model_paths("", models),
            "/key/generate": generate,
            "/key/info": _get(
                "Look at a key",
                "Key",
                400,
                403,
                404,
                query=[{**_query("key", {"type": "string", "minLength": 1}), "required": True}],
            ),
            "/key/list": _get(
                "List keys",
                "KeyList",
                400,
                403,
                query=[_query("page", _whole(1, 1_000_000)), _query("size", _whole(1, 1000))],
            ),
            "/key/delete": _post("Delete keys", keys_named, "DeletedKeys", 403, 404),
            "/key/block": _post("Block a key", key_named, "Key", 403, 404),
            "/key/unblock": _post("Unblock a key", key_named, "Key", 403, 404),
            "/spend/keys": _get("Spend by key", "SpendByKey", 403),
            "/spend/models": _get("Spend by model", "SpendByModel", 403),
            "/spend/logs": _get(
                "The latest requests",
                "SpendLogs",
                400,
                403,
                query=[
                    _query("limit", _whole(1, 1000)),
                    _query("key_id", {"type": "string"}),
                    _query("before", {"type": "number", "description": "Seconds since 1970."}),
                ],
            ),
            "/health": _get("Ask Replicate for each model's metadata", "Health"),
            "/health/liveliness": _open("Whether the process answers", "Status"),
            "/health/readiness": _open("Whether new requests are welcome", "Status", 503),
            "/metrics": {
                "get": {
                    "summary": "Figures for Prometheus",
                    "responses": {
                        "200": {
                            "description": "Figures",
                            "content": {"text/plain": {"schema": {"type": "string"}}},
                        },
                        **_errors(401, 403, 503),
                    },
                }
            },
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {**structs, **ANSWERS, "Message": _message()},
        },
    }


def _model_paths(prefix: str, models: list[str] | None) -> dict[str, Any]:
    named = {"type": "string", **({"enum": models} if models is not None else {"minLength": 1})}
    model_id = {"name": "id", "in": "path", "required": True, "schema": named}
    one = _get("Look at a model", "Model", 404)
    one["get"]["parameters"] = [model_id]
    return {
        f"{prefix}/chat/completions": _generate("Answer a conversation", _chat(named), "ChatCompletion"),
        f"{prefix}/completions": _generate("Answer prompts", _completion(named), "Completion"),
        f"{prefix}/responses": _generate("Answer a conversation", _response(named), "Response"),
        f"{prefix}/models": _get("List models", "ModelList"),
        f"{prefix}/models/{{id}}": one,
    }


def _chat(model: dict[str, Any]) -> dict[str, Any]:
    messages = {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_MESSAGES,
        "items": {"$ref": f"{_REF}Message"},
    }
    return {
        "type": "object",
        "required": ["model", "messages"],
        "properties": {
            "model": model,
            "messages": messages,
            **_sampling(),
            "stream_options": _stream_options(),
        },
        "description": "Further properties are the model's own inputs, sent to it as they are.",
    }


def _completion(model: dict[str, Any]) -> dict[str, Any]:
    prompts = {"type": "array", "minItems": 1, "maxItems": MAX_PROMPTS, "items": {"type": "string"}}
    return {
        "type": "object",
        "required": ["model", "prompt"],
        "properties": {"model": model, "prompt": {"anyOf": [{"type": "string"}, prompts]}, **_sampling()},
        "description": "Further properties are the model's own inputs, sent to it as they are.",
    }


def _response(model: dict[str, Any]) -> dict[str, Any]:
    turns = {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_MESSAGES - 1,
        "items": {"$ref": f"{_REF}Message"},
    }
    return {
        "type": "object",
        "required": ["model", "input"],
        "properties": {
            "model": model,
            "input": {"anyOf": [{"type": "string"}, turns]},
            "instructions": {"type": ["string", "null"]},
            "max_output_tokens": {"type": ["integer", "null"], "minimum": 1},
            "temperature": {"type": ["number", "null"]},
            "top_p": {"type": ["number", "null"]},
            "stream": _STREAM,
            "user": _USER,
        },
        "description": "Nothing is stored: earlier turns are to be sent along.",
    }


def _sampling() -> dict[str, Any]:
    return {
        "n": {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_CHOICES},
        "max_tokens": {"type": ["integer", "null"], "minimum": 1},
        "temperature": {"type": ["number", "null"]},
        "top_p": {"type": ["number", "null"]},
        "stream": _STREAM,
        "user": _USER,
    }


def _stream_options() -> dict[str, Any]:
    return {
        "type": ["object", "null"],
        "properties": {"include_usage": {"type": ["boolean", "null"]}},
    }


def _message() -> dict[str, Any]:
    part = {
        "type": "object",
        "required": ["type", "text"],
        "properties": {"type": {"enum": ["text", "input_text", "output_text"]}, "text": {"type": "string"}},
    }
    return {
        "type": "object",
        "required": ["role", "content"],
        "properties": {
            "role": {"enum": _ROLES},
            "content": {
                "anyOf": [
                    {"type": "string"},
                    {"type": "array", "items": {"anyOf": [{"type": "string"}, part]}},
                ]
            },
        },
        "description": "Images, sounds and files are further parts, for models that take them.",
    }


def _generate(summary: str, body: dict[str, Any], answer: str) -> dict[str, Any]:
    operation = _post(summary, body, answer, 402, 403, 404, 408, 429, 500, 502)
    operation["post"]["responses"]["200"]["content"]["text/event-stream"] = {}
    return operation


def _post(summary: str, body: dict[str, Any], answer: str, *errors: int) -> dict[str, Any]:
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": {**_answer(answer), **_errors(400, 401, 408, 413, 503, *errors)},
        }
    }


def _get(summary: str, answer: str, *errors: int, query: list[Operation] | None = None) -> dict[str, Any]:
    operation: Operation = {
        "summary": summary,
        "responses": {**_answer(answer), **_errors(401, 403, 503, *errors)},
    }
    if query:
        operation["parameters"] = query
    return {"get": operation}


def _open(summary: str, answer: str, *statuses: int) -> dict[str, Any]:
    responses = {str(status): _answer(answer)["200"] for status in (200, *statuses)}
    return {"get": {"summary": summary, "security": [], "responses": responses}}


def _answer(name: str) -> dict[str, Any]:
    return {
        "200": {
            "description": name,
            "content": {"application/json": {"schema": {"$ref": _REF + name}}},
        }
    }


def _errors(*statuses: int) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"{_REF}Error"}}}
    return {str(s): {"description": ERRORS[s], "content": content} for s in sorted(set(statuses))}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _whole(least: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most}

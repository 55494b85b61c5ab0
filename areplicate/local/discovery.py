"""Finding models: the search, collections, and the hardware to run them on."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from .bodies import json_answer
from .calls import RouteCall, route
from .catalog import model_body
from .models import LocalModel
from .paging import page_of
from .refusals import InvalidField, Refusal, invalid, not_found
from .service import Service

HARDWARE = {
    "cpu": "CPU",
    "gpu-t4": "Nvidia T4 GPU",
    "gpu-l40s": "Nvidia L40S GPU",
    "gpu-a100-large": "Nvidia A100 (80GB) GPU",
    "gpu-h100": "Nvidia H100 GPU",
}
FEWEST, MOST, USUAL = 1, 50, 20
_WORD = re.compile(r"\w+")


@route("GET /hardware", kind="hardware")
async def list_hardware(service: Service, call: RouteCall) -> web.StreamResponse:
    return json_answer([{"name": name, "sku": sku} for sku, name in HARDWARE.items()])


@route("QUERY /models", kind="models")
async def query_models(service: Service, call: RouteCall) -> web.StreamResponse:
    """The models that match the text in the request's body, a page at a time."""
    found = _matches(service, call.seen.body.decode(errors="replace"))
    return page_of(call, [model_body(model) for model in found])


@route("GET /search", kind="search")
async def search(service: Service, call: RouteCall) -> web.StreamResponse:
    """Models and collections for `query`, `limit` of them; a stand-in has no pages of documentation."""
    query = call.seen.query.get("query")
    if not query:
        raise Refusal(400, 'Query parameter "query" is required')
    models = _matches(service, query)[: _limit(call)]
    collections = [
        {**_about(slug, members), "models": [model.full_name for model in members]}
        for slug, members in _collections(service).items()
        if query.lower() in slug
    ]
    return json_answer(
        {
            "query": query,
            "models": [{"model": model_body(model), "metadata": _metadata(model)} for model in models],
            "collections": collections,
            "pages": [],
        }
    )


@route("GET /collections", kind="collections")
async def list_collections(service: Service, call: RouteCall) -> web.StreamResponse:
    return page_of(call, [_about(slug, models) for slug, models in _collections(service).items()])


@route("GET /collections/*", kind="collection")
async def read_collection(service: Service, call: RouteCall) -> web.StreamResponse:
    slug = call.names[0]
    if (models := _collections(service).get(slug)) is None:
        raise not_found()
    about = _about(slug, models)
    return json_answer({**about, "full_description": None, "models": [model_body(model) for model in models]})


def _matches(service: Service, text: str) -> list[LocalModel]:
    """The models whose name or description has every word of the text.

    Replicate's own clients put the text in quotes, which belong to none of its words.
    """
    words = _WORD.findall(text.lower())
    return [
        model
        for model in service.models.values()
        if all(word in f"{model.full_name} {model.description}".lower() for word in words)
    ]


def _limit(call: RouteCall) -> int:
    text = call.seen.query.get("limit", str(USUAL))
    if not text.isdecimal() or not FEWEST <= int(text) <= MOST:
        raise invalid([InvalidField("range", "limit", f"Must be an integer from {FEWEST} to {MOST}")])
    return int(text)


def _metadata(model: LocalModel) -> dict[str, Any]:
    return {"tags": _tags(model), "generated_description": model.description, "score": 1.0}


def _collections(service: Service) -> dict[str, list[LocalModel]]:
    """The stand-in's collections by their slugs: the models of each tag."""
    found: dict[str, list[LocalModel]] = {}
    for model in service.models.values():
        for tag in _tags(model):
            found.setdefault(tag, []).append(model)
    return found


def _tags(model: LocalModel) -> list[str]:
    return ["language-models", "official" if model.official else "community"]


def _about(slug: str, models: list[LocalModel]) -> dict[str, Any]:
    name = slug.replace("-", " ").capitalize()
    return {"name": name, "slug": slug, "description": f"{name} of this stand-in: {len(models)}"}

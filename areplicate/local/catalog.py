"""Models, versions, deployments, and what else may be asked about an account."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from aiohttp import web

from .bodies import json_answer
from .calls import RouteCall, route
from .models import LocalDeployment, LocalModel
from .paging import page_of
from .refusals import InvalidField, Refusal, invalid, not_found
from .service import Service

_LONG_AGO = "2024-04-17T21:44:13.482460Z"
_SORTS = ("model_created_at", "latest_version_created_at")
_DIRECTIONS = ("asc", "desc")
_MODELS_A_PAGE = 25
ACCOUNT = {
    "type": "user",
    "username": "local",
    "name": "A local stand-in",
    "github_url": "https://github.com/local",
}


@route("GET /models", kind="models")
async def list_models(service: Service, call: RouteCall) -> web.StreamResponse:
    """The stand-in's models were made in the order in which it was given them."""
    query = call.seen.query
    for name, choices in (("sort_by", _SORTS), ("sort_direction", _DIRECTIONS)):
        if query.get(name, choices[0]) not in choices:
            options = ", ".join(f'"{choice}"' for choice in choices)
            raise invalid([InvalidField("enum", name, f"{name} must be one of the following: {options}")])
    models = list(service.models.values())
    if query.get("sort_by") != "model_created_at":
        models = [version for version in service.versions.values() if version in models]
    if query.get("sort_direction", "desc") == "desc":
        models.reverse()
    return page_of(call, [model_body(model) for model in models], _MODELS_A_PAGE)


@route("GET /models/*/*", kind="model")
async def read_model(service: Service, call: RouteCall) -> web.StreamResponse:
    return json_answer(model_body(service.model("/".join(call.names))))


@route("GET /models/*/*/versions", kind="versions")
async def list_versions(service: Service, call: RouteCall) -> web.StreamResponse:
    """All versions of the model, newest first."""
    name = service.model("/".join(call.names)).full_name
    versions = [_version(model) for model in service.versions.values() if model.full_name == name]
    return page_of(call, versions[::-1])


@route("GET /models/*/*/examples", kind="examples")
async def list_examples(service: Service, call: RouteCall) -> web.StreamResponse:
    """None: a stand-in's models have no examples."""
    service.model("/".join(call.names))
    return page_of(call, [])


@route("GET /models/*/*/readme", kind="readme")
async def read_readme(service: Service, call: RouteCall) -> web.StreamResponse:
    model = service.model("/".join(call.names))
    return web.Response(text=f"# {model.full_name}\n\n{model.description}\n")


@route("GET /models/*/*/versions/*", kind="version")
async def read_version(service: Service, call: RouteCall) -> web.StreamResponse:
    owner, name, id = call.names
    model = service.versions.get(id)
    if model is None or model.full_name != f"{owner}/{name}":
        raise not_found()
    return json_answer(_version(model))


@route("GET /deployments", kind="deployments")
async def list_deployments(service: Service, call: RouteCall) -> web.StreamResponse:
    return page_of(call, [_deployment(service, one) for one in service.deployments.values()])


@route("GET /deployments/*/*", kind="deployment")
async def read_deployment(service: Service, call: RouteCall) -> web.StreamResponse:
    return json_answer(_deployment(service, service.deployment("/".join(call.names))))


@route("GET /account", kind="account")
async def read_account(service: Service, call: RouteCall) -> web.StreamResponse:
    return json_answer(ACCOUNT)


@route("GET /webhooks/default/secret", kind="secret")
async def read_webhook_secret(service: Service, call: RouteCall) -> web.StreamResponse:
    """The secret that webhooks are signed with: a token always gets the same."""
    return json_answer({"key": "whsec_" + base64.b64encode(signing_secret(call.token)).decode()})


def signing_secret(token: str) -> bytes:
    """The secret with which a stand-in signs webhooks and downloads for a token's account."""
    return hashlib.sha256(token.encode()).digest()[:24]


@route("GET /trainings", kind="trainings")
async def list_trainings(service: Service, call: RouteCall) -> web.StreamResponse:
    """None: a stand-in trains nothing."""
    return page_of(call, [])


@route("GET /trainings/*", "POST /trainings/*/cancel", kind="training")
async def no_training(service: Service, call: RouteCall) -> web.StreamResponse:
    raise not_found()


@route("POST /models/*/*/versions/*/trainings", kind="training")
async def train(service: Service, call: RouteCall) -> web.StreamResponse:
    """No model here can be trained into."""
    raise Refusal(404, "The specified training destination does not exist")


def model_body(model: LocalModel) -> dict[str, Any]:
    """A model as the API shows it."""
    return {
        "url": f"https://replicate.com/{model.full_name}",
        "owner": model.owner,
        "name": model.name,
        "description": model.description,
        "visibility": "public",
        "created_at": _LONG_AGO,
        "is_official": model.official,
        "github_url": None,
        "paper_url": None,
        "license_url": None,
        "run_count": 0,
        "cover_image_url": None,
        "default_example": None,
        "latest_version": _version(model),
    }


def _version(model: LocalModel) -> dict[str, Any]:
    openapi = None
    if schemas := model.published_schema:
        openapi = {
            "openapi": "3.0.2",
            "info": {"title": "Cog", "version": "0.1.0"},
            "paths": {},
            "components": {"schemas": schemas},
        }
    return {"id": model.version, "created_at": _LONG_AGO, "cog_version": "0.9.4", "openapi_schema": openapi}


def _deployment(service: Service, deployment: LocalDeployment) -> dict[str, Any]:
    return {
        "owner": deployment.owner,
        "name": deployment.name,
        "current_release": {
            "number": 1,
            "model": deployment.model,
            "version": service.model(deployment.model).version,
            "created_at": _LONG_AGO,
            "created_by": ACCOUNT,
            "configuration": {"hardware": "gpu-t4", "min_instances": 0, "max_instances": 5},
        },
    }

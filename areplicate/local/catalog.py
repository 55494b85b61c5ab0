"""Models, versions, deployments, and what else may be asked about an account."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from aiohttp import web

from .bodies import json_answer
from .calls import Call
from .models import LocalDeployment, LocalModel
from .refusals import not_found
from .service import Service

_LONG_AGO = "2024-04-17T21:44:13.482460Z"
_ACCOUNT = {
    "type": "user",
    "username": "local",
    "name": "A local stand-in",
    "github_url": "https://github.com/local",
}


async def list_models(service: Service, call: Call) -> web.StreamResponse:
    """`GET /models`, all on one page."""
    return _page([_model(model) for model in service.models.values()])


async def read_model(service: Service, call: Call) -> web.StreamResponse:
    """`GET /models/{owner}/{name}`"""
    return json_answer(_model(service.model("/".join(call.names))))


async def list_versions(service: Service, call: Call) -> web.StreamResponse:
    """`GET /models/{owner}/{name}/versions`, newest first."""
    name = service.model("/".join(call.names)).full_name
    versions = [_version(model) for model in service.versions.values() if model.full_name == name]
    return _page(versions[::-1])


async def read_version(service: Service, call: Call) -> web.StreamResponse:
    """`GET /models/{owner}/{name}/versions/{id}`"""
    owner, name, id = call.names
    model = service.versions.get(id)
    if model is None or model.full_name != f"{owner}/{name}":
        raise not_found()
    return json_answer(_version(model))


async def list_deployments(service: Service, call: Call) -> web.StreamResponse:
    """`GET /deployments`"""
    return _page([_deployment(service, deployment) for deployment in service.deployments.values()])


async def read_deployment(service: Service, call: Call) -> web.StreamResponse:
    """`GET /deployments/{owner}/{name}`"""
    return json_answer(_deployment(service, service.deployment("/".join(call.names))))


async def read_account(service: Service, call: Call) -> web.StreamResponse:
    """`GET /account`"""
    return json_answer(_ACCOUNT)


async def read_webhook_secret(service: Service, call: Call) -> web.StreamResponse:
    """`GET /webhooks/default/secret`: always the same for one token."""
    digest = hashlib.sha256(call.token.encode()).digest()[:24]
    return json_answer({"key": "whsec_" + base64.b64encode(digest).decode()})


def _page(results: list[dict[str, Any]]) -> web.Response:
    return json_answer({"next": None, "previous": None, "results": results})


def _model(model: LocalModel) -> dict[str, Any]:
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
    if model.schema is not None:
        openapi = {
            "openapi": "3.0.2",
            "info": {"title": "Cog", "version": "0.1.0"},
            "paths": {},
            "components": {"schemas": model.schema},
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
            "created_by": _ACCOUNT,
            "configuration": {"hardware": "gpu-t4", "min_instances": 0, "max_instances": 5},
        },
    }

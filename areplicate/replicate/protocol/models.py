"""Models, versions and deployments, as far as a client needs them."""

from __future__ import annotations

from typing import Any

import msgspec


class Version(msgspec.Struct, frozen=True):
    """One version of a model with the schemas of its input and output."""

    id: str
    openapi_schema: dict[str, Any] | None = None

    def schemas(self) -> dict[str, Any]:
        """The named schemas (`Input`, `Output`, enums); empty if the version publishes none."""
        components = (self.openapi_schema or {}).get("components") or {}
        return components.get("schemas") or {}


class Model(msgspec.Struct, frozen=True):
    """`GET /models/{owner}/{name}`, with the example on its page, which shows how it is prompted."""

    latest_version: Version | None = None
    visibility: str | None = None
    default_example: dict[str, Any] | None = None


class Release(msgspec.Struct, frozen=True):
    """What a deployment runs at the moment."""

    model: str
    version: str


class Deployment(msgspec.Struct, frozen=True):
    """`GET /deployments/{owner}/{name}`."""

    current_release: Release | None = None


class FoundModel(msgspec.Struct, frozen=True):
    """A model that Replicate's search has found."""

    owner: str
    name: str
    description: str | None = None
    run_count: int | None = None
    is_official: bool | None = None


class _Hit(msgspec.Struct, frozen=True):
    model: FoundModel


class FoundModels(msgspec.Struct, frozen=True):
    """`GET /search?query=...`, as far as it is about models."""

    models: list[_Hit] = []


decode_found = msgspec.json.Decoder(FoundModels).decode
decode_model = msgspec.json.Decoder(Model).decode
decode_version = msgspec.json.Decoder(Version).decode
decode_deployment = msgspec.json.Decoder(Deployment).decode

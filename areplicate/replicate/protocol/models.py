"""Models, versions and deployments, as far as a client needs them."""

from __future__ import annotations

from typing import Any

import msgspec

MOST_PUBLISHED = 1_000_000
"""Bytes of JSON that are read of what a model publishes. Anybody may publish a model; real ones have a few thousand."""
_NOTHING = msgspec.Raw(b"null")


class _Components(msgspec.Struct, frozen=True):
    schemas: msgspec.Raw = _NOTHING


class _OpenAPI(msgspec.Struct, frozen=True):
    components: _Components | None = None


class Version(msgspec.Struct, frozen=True):
    """One version of a model with the schemas of its input and output."""

    id: str
    openapi_schema: _OpenAPI | None = None

    def schemas(self) -> dict[str, Any]:
        """The named schemas (`Input`, `Output`, enums); empty if the version publishes none.

        Raises:
            ValueError: they are not such an object, or too large.
        """
        components = self.openapi_schema and self.openapi_schema.components
        schemas = components.schemas if components else _NOTHING
        if _is_too_large(schemas):
            raise ValueError(f"the model publishes more than {MOST_PUBLISHED // 1_000_000} MB of them")
        return msgspec.json.decode(schemas, type=dict[str, Any] | None) or {}


class _Example(msgspec.Struct, frozen=True):
    input: msgspec.Raw = _NOTHING


class Model(msgspec.Struct, frozen=True):
    """`GET /models/{owner}/{name}`, with the example on its page, which shows how it is prompted."""

    latest_version: Version | None = None
    visibility: str | None = None
    default_example: _Example | None = None

    def example(self) -> dict[str, Any]:
        """The inputs of its example; empty if there are none, or too large ones."""
        inputs = self.default_example.input if self.default_example else _NOTHING
        found = None if _is_too_large(inputs) else msgspec.json.decode(inputs)
        return found if isinstance(found, dict) else {}


def _is_too_large(published: msgspec.Raw) -> bool:
    return len(memoryview(published)) > MOST_PUBLISHED


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

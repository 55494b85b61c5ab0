"""What a model string stands for: a model, a version, or a deployment.

Each endpoint is a strategy: it knows where a prediction is created and what goes into the body
beside the input. `parse_model` picks one from the string.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import ClassVar

import msgspec

from ..errors import BadRequestError

_NAME = r"[A-Za-z0-9](?:[\w.-]*\w)?"
_MODEL = re.compile(rf"({_NAME})/({_NAME})", re.ASCII)
_BARE_NAME = re.compile(_NAME, re.ASCII)
_VERSION = re.compile(r"[0-9a-f]{64}")

_HOW_TO_NAME_A_MODEL = (
    "Write owner/name, owner/name:version (64 hex digits) or deployments/owner/name, "
    "with or without replicate/ in front."
)


class _Named(msgspec.Struct, frozen=True, dict=True):
    """What an owner has given a name."""

    kind: ClassVar[str]
    beside: ClassVar[Mapping[str, str]] = {}

    owner: str
    name: str

    @property
    def schema_path(self) -> str:
        return f"/{self.kind}/{self.owner}/{self.name}"

    @cached_property
    def path(self) -> str:
        return f"{self.schema_path}/predictions"


class ModelEndpoint(_Named, frozen=True, dict=True):
    """An official model: `POST /models/{owner}/{name}/predictions`. A `version` is refused there."""

    kind = "models"

    @property
    def model(self) -> str:
        return f"{self.owner}/{self.name}"


class DeploymentEndpoint(_Named, frozen=True, dict=True):
    """A deployment: `POST /deployments/{owner}/{name}/predictions`."""

    kind = "deployments"

    @property
    def model(self) -> str:
        return f"deployments/{self.owner}/{self.name}"


class VersionEndpoint(msgspec.Struct, frozen=True, dict=True):
    """One version of a model: `POST /predictions`."""

    path: ClassVar[str] = "/predictions"

    version: str
    model: str | None = None

    @property
    def schema_path(self) -> str | None:
        if self.model is None or "/" not in self.model:
            return None
        return f"/models/{self.model}/versions/{self.version}"

    @cached_property
    def beside(self) -> Mapping[str, str]:
        return {"version": self.version}


Endpoint = ModelEndpoint | DeploymentEndpoint | VersionEndpoint
"""Where predictions are created (`path`), with what beside the input in the body (`beside`), and where the schema of
the `model` is (`schema_path`)."""


def is_version(text: str) -> bool:
    """Whether a text is the id of a version: 64 hex digits."""
    return _VERSION.fullmatch(text) is not None


def strip_prefix(model: str) -> str:
    """The model string without LiteLLM's optional `replicate/`."""
    return model.removeprefix("replicate/")


@lru_cache(maxsize=4096)
def parse_model(model: str) -> Endpoint:
    """The endpoint for a model string; raises `BadRequestError` if it is not one.

    >>> parse_model("replicate/meta/meta-llama-3-8b-instruct").path
    '/models/meta/meta-llama-3-8b-instruct/predictions'
    """
    if not isinstance(model, str) or not model.strip():
        raise BadRequestError(f"The model string is empty. {_HOW_TO_NAME_A_MODEL}")
    name = strip_prefix(model)
    if name.startswith("deployments/"):
        if match := _MODEL.fullmatch(name.removeprefix("deployments/")):
            return DeploymentEndpoint(match[1], match[2])
    elif ":" in name and "://" not in name:
        return _parse_version(model, *name.split(":", 1))
    elif match := _MODEL.fullmatch(name):
        return ModelEndpoint(match[1], match[2])
    elif is_version(name.lower()):
        return VersionEndpoint(name.lower())
    elif name != model and _BARE_NAME.fullmatch(name):
        return VersionEndpoint(name, name)
    raise BadRequestError(f"{model[:200]!r} is not a model string. {_HOW_TO_NAME_A_MODEL}", model=model[:200])


def _parse_version(model: str, name: str, version: str) -> VersionEndpoint:
    if not is_version(version.lower()):
        raise BadRequestError(
            f"The version in {model[:200]!r} has {len(version)} characters; "
            "a version is 64 hex digits, as its page on replicate.com shows it.",
            model=model[:200],
        )
    if not (_MODEL.fullmatch(name) or _BARE_NAME.fullmatch(name)):
        raise BadRequestError(
            f"{model[:200]!r} is not a model string. {_HOW_TO_NAME_A_MODEL}", model=model[:200]
        )
    return VersionEndpoint(version.lower(), name)

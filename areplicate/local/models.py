"""The models and deployments that a stand-in serves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from .components import USUAL_INPUTS, language_model_schema

Reply = str | list[Any] | dict[str, Any] | float | Callable[[dict[str, Any]], Any]
"""What a model says: a text, the very chunks of it, any JSON value, or a function of the input."""

OutputKind = Literal["list", "string", "object", "number", "null"]

_VERSION = re.compile(r"[0-9a-f]{64}")


class LocalModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model, how long it takes, and what it says. All times are in seconds."""

    owner: str
    name: str
    version: str = ""
    """64 hex digits; left out, they are derived from the name."""
    official: bool = True
    """Official models run by name; the others by version only, as community models do."""
    description: str = "A model of a local stand-in for Replicate"

    boot_seconds: float = 0.0
    """How long the first prediction waits, and all that arrive until then."""
    idle_seconds: float = 300.0
    """How long after its last prediction the model stays warm."""
    run_seconds: float = 0.0
    """How long a prediction runs; its chunks are spread evenly over that time."""
    time_to_first_token: float = 0.0
    tokens_per_second: float = 0.0
    """The pace, if given; the run then lasts as long as the reply needs, and `run_seconds` at least."""

    reply: Reply | None = None
    """Left out, the model greets and repeats the end of the prompt."""
    output_kind: OutputKind = "list"
    streams: bool = True
    """Whether its predictions have a `urls.stream`."""
    logs: str = ""
    failure: str | None = None
    """An error's text: every prediction fails with it."""
    failure_after: int = 0
    """How many chunks a failing prediction writes first."""
    token_metrics: bool = True
    """Whether `metrics` counts tokens, as language models' do, besides the times."""
    answers_early: bool = False
    """A `Prefer: wait` answer says `processing` although it holds the whole output."""
    shown_as: tuple[str, str] | None = None
    """The `model` and `version` in its predictions, which need not be what was asked for."""
    schema: dict[str, Any] | None = None
    """The version's schemas (see `component_schemas`). None publishes those of a usual language model, but
    takes any input; an empty one publishes none, as a few models do, and takes any input too."""

    def __post_init__(self) -> None:
        if not self.version:
            derived = hashlib.sha256(self.full_name.encode()).hexdigest()
            msgspec.structs.force_setattr(self, "version", derived)
        elif not _VERSION.fullmatch(self.version):
            raise ValueError(f"version must be 64 hex digits, not {self.version!r}")

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"

    @property
    def published_schema(self) -> dict[str, Any]:
        """What the model's version shows as its schemas, empty if it shows none."""
        if self.schema is None:
            return language_model_schema(USUAL_INPUTS, self.output_kind)
        return self.schema


class LocalDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment: a name of its own for one of the stand-in's models.

    `model` is that model's `owner/name`. A deployment boots and idles by itself.
    """

    owner: str
    name: str
    model: str

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"

"""Converts parts of the configuration file to structs, with errors and warnings that name file, line and key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from ...errors import APIError
from ..mismatch import mismatch
from .environment import Environment, stripped
from .yaml_file import Document, Steps

T = TypeVar("T")

_WITHOUT_EFFECT = {
    "routing_strategy": "is ignored: the least busy entry answers.",
    "store_model_in_db": "is ignored: models come from this file alone.",
    "custom_auth": "is ignored, and lets nobody in: make keys by areplicate keys create.",
    "allowed_ips": "is ignored, and keeps nobody out: restrict addresses in a firewall or a proxy.",
    "guardrails": "is ignored, and checks nothing.",
    "include": "is ignored: write what it names into this file.",
    "max_parallel_requests": "is ignored, and limits nothing: give it to keys, or to entries of model_list.",
    "allowed_routes": "is ignored, and closes no route: give keys models and roles.",
    "upperbound_key_generate_params": "is ignored, and limits no key.",
    "default_key_generate_params": "is ignored, and limits no key: give each key its own limits.",
    "max_budget": "is ignored, and limits nothing: give each key a max_budget of its own.",
}


class Reader:
    """Reads one file; `warnings` lists what is odd in it but not wrong, `notices` what the environment adds to it."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.environment = Environment(document)
        self.warnings: list[str] = []
        self.notices: list[str] = []

    def refuse_include_alone(self) -> None:
        """Raises a `ConfigError` if all models are in other files."""
        value = self.document.value
        if isinstance(value, dict) and "include" in value and not value.get("model_list"):
            raise self.document.wrong(["include"], _WITHOUT_EFFECT["include"])

    def part(self, value: Any, kind: type[T], steps: Steps) -> T:
        """A mapping as the struct `kind`, `os.environ/NAME` in it still to be replaced.

        Null counts as not given. Keys that the struct does not have are left out with a warning.
        """
        return self._convert(self._known(value, kind, steps), kind, steps)

    def resolved(self, value: Any, kind: type[T], steps: Steps) -> T:
        """As `part`, with `os.environ/NAME` replaced by its value, and without the line breaks that secrets end in."""
        found = self.environment.resolved(self._known(value, kind, steps), steps)
        return self._convert({name: stripped(each) for name, each in found.items()}, kind, steps)

    def warn(self, steps: Steps, why: str) -> None:
        self.warnings.append(f"{self.document.at(steps)}: {why}")

    @contextmanager
    def checking(self, steps: Steps) -> Iterator[None]:
        """An error that a check inside the block raises becomes a `ConfigError` with its place in the file."""
        try:
            yield
        except APIError as error:
            raise self.document.wrong(steps, error.message) from None
        except ValueError as error:
            raise self.document.wrong(steps, str(error)) from None

    def _known(self, value: Any, kind: type, steps: Steps) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.document.wrong(steps, "must be a mapping of keys to values.")
        fields = kind.__struct_fields__  # type: ignore[attr-defined]
        for key in value:
            if key not in fields:
                self.warn(
                    [*steps, str(key)], _WITHOUT_EFFECT.get(key, "is not a known setting and is ignored.")
                )
        return {key: value[key] for key in fields if value.get(key) is not None}

    def _convert(self, value: Any, kind: type[T], steps: Steps) -> T:
        """Numbers may be texts, as they are in the environment. No error shows a value: it may be a secret."""
        try:
            return msgspec.convert(value, kind, strict=False)
        except msgspec.ValidationError as error:
            found = mismatch(error)
            raise self.document.wrong([*steps, *found.steps], f"{found.why}.") from None

"""The models whose inputs are known without asking: `catalogue.json`, one model a line.

`scripts/build_catalogue.py` writes the file. It is read when the first model is asked for, and each
model's schema is decoded when that model is asked for.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from pathlib import Path

import msgspec

from .schema import ModelSchema

_FILE = Path(__file__).with_name("catalogue.json")
_decode_schema = msgspec.json.Decoder(ModelSchema).decode


class _Entry(msgspec.Struct):
    """A schema as far as models are compared."""

    fields: dict[str, msgspec.Raw]
    version: str | None = None


_decode_entry = msgspec.json.Decoder(_Entry).decode


@lru_cache(maxsize=4096)
def find(model: str | None, version: str | None = None) -> ModelSchema | None:
    """The schema of a model (`owner/name`), or of one version of whichever model; None if unknown.

    A version's schema never changes, so for another version than the one in the catalogue nothing
    is known.
    """
    if version is not None:
        model = _by_version().get(version)
    entry = _entries().get(model or "")
    return None if entry is None else _decode_schema(entry)


def names() -> list[str]:
    """All models in the catalogue, the most run first."""
    return list(_entries())


@lru_cache(maxsize=1)
def common_inputs() -> frozenset[str]:
    """The inputs that several models have: what to expect of a model whose schema is not known."""
    count = Counter(name for entry in _entries().values() for name in _decode_entry(entry).fields)
    return frozenset(name for name, models in count.items() if models > 1)


@lru_cache(maxsize=1)
def _entries() -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(_FILE.read_bytes(), type=dict[str, msgspec.Raw])


@lru_cache(maxsize=1)
def _by_version() -> dict[str, str]:
    versions = {_decode_entry(entry).version: model for model, entry in _entries().items()}
    return {version: model for version, model in versions.items() if version is not None}

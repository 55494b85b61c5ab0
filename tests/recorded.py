"""Facts of recorded models, runs and traffic, and of the API's contract, as tests/data holds them.

scripts/build_facts.py writes that folder; it tells what a fact is.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from areplicate.chat.formats.families import Shown
from areplicate.chat.schemas.schema import ModelSchema, from_openapi
from areplicate.local import component_schemas

DATA = Path(__file__).with_name("data")
_MATERIAL = Path(__file__).parents[2] / "shared" / "data"


def recorded_material() -> Path:
    """The folder that the facts are made from. A module that asks for it is skipped where it is not there."""
    if not _MATERIAL.is_dir():
        why = f"needs the recorded material in {_MATERIAL}, which is not part of the repository"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why, allow_module_level=True)
    return _MATERIAL


def models() -> list[dict[str, Any]]:
    """The public language models, most run first: what each takes, gives, and was once run with."""
    return _lines("models.jsonl")


def components(model: dict[str, Any]) -> dict[str, Any]:
    """The schemas that the model's version publishes."""
    return component_schemas(model["input"], model["output"], model["enums"])


def schema_of(model: dict[str, Any]) -> ModelSchema:
    """The model's schema, with what its prose told about its chat format."""
    schema = from_openapi(components(model), model=model["model"], version=model["version"])
    shown = msgspec.convert(model["format"], Shown)
    return msgspec.structs.replace(schema, format=shown, prompt_is_messages=model["prompt_is_messages"])


def traces() -> list[dict[str, Any]]:
    """How long each of the models' recorded runs waited and ran, in seconds."""
    return _lines("traces.jsonl")


def exchanges(recording: str) -> list[dict[str, Any]]:
    """The requests and answers of one recording; where prose stood there is `text`."""
    return _lines(f"recorded/{recording}.jsonl")


def recordings() -> list[str]:
    """The names of all recordings."""
    return sorted(path.stem for path in (DATA / "recorded").iterdir())


def contract() -> dict[str, Any]:
    """Replicate's OpenAPI document, without its explanations."""
    document: dict[str, Any] = json.loads((DATA / "contract.json").read_text(encoding="utf-8"))
    return document


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]

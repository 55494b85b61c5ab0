"""The schemas that a version publishes: `openapi_schema.components.schemas`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Schema = dict[str, Any]

USUAL_INPUTS: dict[str, Schema] = {
    "max_tokens": {"type": "integer", "default": 512, "minimum": 1},
    "min_tokens": {"type": "integer", "default": 0, "minimum": 0},
    "temperature": {"type": "number", "default": 0.6, "minimum": 0, "maximum": 5},
    "top_p": {"type": "number", "default": 0.9, "minimum": 0, "maximum": 1},
    "top_k": {"type": "integer", "default": 50},
    "seed": {"type": "integer"},
    "stop_sequences": {"type": "string"},
    "presence_penalty": {"type": "number", "default": 0},
    "frequency_penalty": {"type": "number", "default": 0},
}
"""What most language models take besides a prompt."""
_OUTPUTS: dict[str, Schema] = {
    "list": {
        "type": "array",
        "items": {"type": "string"},
        "x-cog-array-type": "iterator",
        "x-cog-array-display": "concatenate",
    },
    "string": {"type": "string"},
    "object": {"type": "object"},
    "number": {"type": "number"},
    "null": {},
}


def component_schemas(
    input: Schema, output: Schema, enums: Mapping[str, Sequence[Any]] | None = None
) -> dict[str, Schema]:
    """What `LocalModel(schema=...)` takes, from the three parts in which models' schemas are often kept.

    `input` has `properties` and `required`; a property refers to an enum by its name,
    `{"allOf": [{"$ref": "#/components/schemas/mode"}]}`, and `enums` has its values.
    """
    named = {
        name: {"title": name, "enum": list(values), "description": "An enumeration."}
        for name, values in (enums or {}).items()
    }
    return {
        "Input": {"type": "object", "title": "Input", **input},
        "Output": {"title": "Output", **output},
        **named,
    }


def language_model_schema(properties: dict[str, Schema], output: str = "list") -> dict[str, Schema]:
    """The schemas of a language model that takes a `prompt` and those properties.

    `output` is one of a `LocalModel`'s kinds of output.
    """
    prompt: Schema = {"type": "string", "title": "Prompt"}
    return component_schemas(
        {"properties": {"prompt": prompt, **properties}, "required": []}, _OUTPUTS[output]
    )

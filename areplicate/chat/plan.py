"""How a model is spoken to, worked out from its schema and its name once and kept."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from .formats.families import FAMILIES, Family, family_of
from .params import PARAMS, TOKEN_LIMIT
from .schemas.media_inputs import UNGUIDED, MediaFields, media_fields
from .schemas.schema import Field, ModelSchema

_PROMPT = ("prompt", "text", "question", "query", "instruction", "message", "input", "inputs", "text_input")
_SYSTEM = ("system_prompt", "system_instruction", "system_message", "instructions", "system")
_TEXT = ("string", "any")
_OLLAMA = re.compile("ollama", re.IGNORECASE)
AS_IS = "{prompt}"
"""The `prompt_template` that adds nothing to the prompt."""


class Plan(msgspec.Struct, frozen=True):
    """Which input takes what.

    Attributes:
        family: the family whose chat format the model reads.
        prompt, system, messages: the inputs for the prompt, the system text and OpenAI's messages.
        prompt_template: whether there is an input of that name, to be set to `AS_IS` for a prompt that
            is in the model's format already.
        wraps: the server puts its own chat format around the prompt.
        targets: OpenAI's parameters, each with the inputs that take it.
        limits: the inputs that may bound the answer's length.
        media: the inputs for images and other media.
        fields: all inputs by name, as far as they are known.
    """

    schema: ModelSchema | None
    family: Family
    prompt: str | None = "prompt"
    system: str | None = None
    messages: str | None = None
    prompt_template: bool = False
    wraps: bool = False
    targets: dict[str, tuple[str, ...]] = {}
    limits: tuple[str, ...] = TOKEN_LIMIT
    media: MediaFields = MediaFields()
    fields: dict[str, Field] = {}

    def takes(self, name: str) -> bool:
        """Whether there is an input of that name, or may be one."""
        return self.schema is None or name in self.fields


@lru_cache(maxsize=2048)
def plan_for(schema: ModelSchema | None, model: str | None) -> Plan:
    """The plan for a model; `schema` is None where the model's inputs are not known.

    An official model and a fine-tune of it differ in name and schema, never in how they are read:
    everything here follows from the two.
    """
    family = _family(schema, model)
    if schema is None:
        targets = {name: param.unguided for name, param in PARAMS.items()}
        return Plan(None, family, targets=targets, media=UNGUIDED)
    fields = schema.fields
    prompt = _first(fields, _PROMPT, _TEXT)
    system = _first(fields, _SYSTEM, _TEXT)
    messages = "messages" if "messages" in fields else None
    if messages is None and schema.prompt_is_messages:
        messages, prompt = prompt, None
    media = media_fields(fields)
    templated = "prompt_template" in fields
    # A template that the server has and nobody can name is better than none.
    replaceable = templated and (family.name != "plain" or schema.format is not None)
    as_is = templated and fields["prompt_template"].default == AS_IS
    if as_is or replaceable:
        wraps = False
    elif templated or system is not None or _OLLAMA.search(model or schema.model or ""):
        wraps = True
    else:
        # What takes an image puts it into the text itself, so it writes the format around it as
        # well; unless the model's own default prompt shows the format.
        wraps = media.any and schema.format is None
    return Plan(
        schema,
        family,
        prompt,
        system,
        messages,
        templated and not as_is,
        wraps,
        {name: _targets(fields, param.names or (name,)) for name, param in PARAMS.items()},
        tuple(name for name in TOKEN_LIMIT if name in fields),
        media,
        fields,
    )


def _family(schema: ModelSchema | None, model: str | None) -> Family:
    """The family that the schema shows, else that of the model, else that of a deployment's own name."""
    if schema is not None and schema.format in FAMILIES:
        return FAMILIES[schema.format]
    names = [name for name in (schema.model if schema else None, model) if name]
    families = [family_of(name) for name in names] or [family_of("")]
    return next((family for family in families if family.name != "plain"), families[0])


def _first(fields: dict[str, Field], names: tuple[str, ...], types: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in fields and fields[name].type in types), None)


def _targets(fields: dict[str, Field], names: tuple[str, ...]) -> tuple[str, ...]:
    return next(((name,) for name in names if name in fields), ())

"""Works out, once for each model, which of its inputs take the conversation, OpenAI's parameters and media."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from .formats.decision import Decision, decide
from .formats.families import Shown
from .params import PARAMS, TOKEN_LIMIT, inputs_for
from .schemas.media_inputs import UNGUIDED, MediaFields, media_fields
from .schemas.schema import Field, ModelSchema

_PROMPT = (
    *("prompt", "text", "question", "query", "instruction", "message", "input", "inputs", "text_input"),
    *("input_text", "user_prompt", "user_message", "user_input"),
)
SYSTEM_INPUTS = ("system_prompt", "system_instruction", "system_message", "instructions", "system")
_TEXT = ("string", "any")
_HISTORY = ("history", "chat_history", "message_history", "conversation_history", "conversation")
_CONTEXT = (
    *("n_ctx", "num_ctx", "ctx_size", "context_length", "context_size", "context_window"),
    *("max_context_length", "max_model_len", "max_seq_len", "max_sequence_length"),
)
_CONTEXT_IN_NAME = re.compile(r"(?<![\d.])(\d{1,4})k(?=$|[^a-z\d]|seqlen|context)", re.IGNORECASE)


class Plan(msgspec.Struct, frozen=True):
    """Which input takes what.

    Attributes:
        format: the chat format that the model reads, what decided it, and whether the server writes it.
        prompt, system, messages: the inputs for the prompt, the system text and OpenAI's messages.
        history: the input for the messages before the last, beside the prompt.
        targets: OpenAI's parameters, each with the inputs that take it.
        limits: the inputs that may bound the answer's length.
        media: the inputs for images and other media.
        fields: all inputs by name, as far as they are known.
        context: the tokens that the model reads at once, if its inputs or its name say so.
    """

    schema: ModelSchema | None
    format: Decision
    prompt: str | None = "prompt"
    system: str | None = None
    messages: str | None = None
    history: str | None = None
    targets: dict[str, tuple[str, ...]] = {}
    limits: tuple[str, ...] = TOKEN_LIMIT
    media: MediaFields = MediaFields()
    fields: dict[str, Field] = {}
    context: int | None = None

    def takes(self, name: str) -> bool:
        """Whether there is an input of that name, or may be one."""
        return self.schema is None or name in self.fields


@lru_cache(maxsize=2048)
def plan_for(schema: ModelSchema | None, model: str | None) -> Plan:
    """The plan for a model; `schema` is None if the model's inputs are not known.

    An official model and a fine-tune of it differ in name and schema, never in how they are read:
    everything here follows from the two.
    """
    names = tuple(dict.fromkeys(name for name in (schema.model if schema else None, model) if name))
    if schema is None:
        targets = {name: param.unguided for name, param in PARAMS.items()}
        format = decide(Shown(), names, chats=False, takes_media=False, inputs=frozenset())
        context = context_tokens({}, names)
        return Plan(None, format, targets=targets, media=UNGUIDED, context=context)
    fields = schema.fields
    prompt = _first(fields, _PROMPT, _TEXT)
    system = _first(fields, SYSTEM_INPUTS, _TEXT)
    messages = "messages" if "messages" in fields else None
    if messages is None and schema.prompt_is_messages:
        messages, prompt = prompt, None
    history = _first(fields, _HISTORY, ("array",))
    media = media_fields(fields)
    format = decide(
        schema.format,
        names,
        chats=system is not None or history is not None,
        takes_media=media.any,
        inputs=frozenset(fields),
    )
    return Plan(
        schema,
        format,
        prompt=prompt,
        system=system,
        messages=messages,
        history=history,
        targets={name: inputs_for(name, param, fields) for name, param in PARAMS.items()},
        limits=tuple(name for name in TOKEN_LIMIT if name in fields),
        media=media,
        fields=fields,
        context=context_tokens(fields, names),
    )


def _first(fields: dict[str, Field], names: tuple[str, ...], types: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in fields and fields[name].type in types), None)


def context_tokens(fields: Mapping[str, Field], names: tuple[str, ...]) -> int | None:
    """The model's context in tokens; None if neither its inputs nor its names tell.

    >>> context_tokens({}, ("microsoft/phi-3-mini-4k-instruct",))
    4096
    """
    for name in _CONTEXT:
        if name in fields and (tokens := _tokens(fields[name].default) or _tokens(fields[name].maximum)):
            return tokens
    for name in names:
        if found := _CONTEXT_IN_NAME.search(name.partition(":")[0]):
            return int(found[1]) * 1024
    return None


def _tokens(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and value > 1 else None

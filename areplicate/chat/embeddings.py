"""Embeddings: puts texts into a model's inputs, and reads the vectors from its output.

Source: "Embeddings" in OpenAI's API reference.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec

from ..errors import BadRequestError, PredictionFailedError
from .responses import Holder, Run, Shape
from .schemas.schema import ModelSchema
from .usage import estimate

_LISTS = ("texts", "sentences", "documents", "text_batch", "query_texts", "passages")
"""Inputs that take several texts: as a list, or as the JSON of one where their type is a string."""
_SINGLE = ("text", "input", "prompt", "query", "sentence", "text_input", "inputs", "query_text", "passage")
_VECTORS = ("embedding", "embeddings", "vector", "vectors", "values", "data", "output", "result")
MOST_TEXTS = 2048
"""OpenAI's own bound."""
_OWN = ("model", "input", "encoding_format", "user", "stream")
"""Fields of a request that are OpenAI's; the others are options of the call and inputs of the model."""

Vector = list[float]
Encoding = Literal["float", "base64"]


class Texts(msgspec.Struct, frozen=True):
    """The texts to embed, and whether the vectors are given in base64."""

    texts: list[str]
    base64: bool = False


class Embedding(Shape, kw_only=True):
    """The vector of one text; in base64, 32-bit floats, the lowest byte first."""

    index: int
    embedding: Vector | str
    object: Literal["embedding"] = "embedding"


class EmbeddingUsage(Shape, kw_only=True):
    prompt_tokens: int
    total_tokens: int


class PricedEmbeddingUsage(EmbeddingUsage, kw_only=True):
    """With what it cost, in US dollars; null if nobody knows the price."""

    cost: float | None


class EmbeddingResponse(Holder, kw_only=True):
    """The vectors of some texts, in the texts' order. `replicate` lists the predictions behind them."""

    holds = ("data", "usage", "replicate")

    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
    object: Literal["list"] = "list"
    replicate: list[Run] = msgspec.field(default_factory=list)


def read_texts(input: Any) -> list[str]:
    """The texts in `input`, one or several. Token ids mean nothing to models on Replicate.

    Raises:
        BadRequestError: it is something else, or there are too many.
    """
    texts = [input] if isinstance(input, str) else input
    if isinstance(texts, Sequence) and texts and _is_tokens(texts[0]):
        raise BadRequestError(
            "input must be a string or a list of strings: ids of tokens mean nothing to models on Replicate. Where "
            "your client makes them, turn that off (check_embedding_ctx_length=False in LangChain).",
            param="input",
        )
    if (
        not isinstance(texts, Sequence)
        or not texts
        or not all(isinstance(text, str) and text for text in texts)
    ):
        raise BadRequestError(
            "input must be a string or a list of strings, none of them empty.", param="input"
        )
    if len(texts) > MOST_TEXTS:
        raise BadRequestError(f"There are {len(texts)} texts; {MOST_TEXTS} are allowed.", param="input")
    return list(texts)


def read_encoding(given: Any) -> Encoding:
    """The form of the vectors, `float` unless one is given; raises a `BadRequestError` if it is not known."""
    encoding: Encoding = "float" if given is None else given
    if encoding not in get_args(Encoding):
        raise BadRequestError(
            f"encoding_format must be 'float' or 'base64', not {encoding!r:.50}.", param="encoding_format"
        )
    return encoding


def params_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the call and the inputs of the model in a request's body."""
    return {name: value for name, value in body.items() if name not in _OWN}


def _is_tokens(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, list) and all(isinstance(id, int) for id in value))


def inputs_for(
    texts: Sequence[str], given: Mapping[str, Any], schema: ModelSchema | None, model: str
) -> list[tuple[int, dict[str, Any]]]:
    """For each prediction that embeds texts, how many of them, and its inputs.

    A model that takes a list gets all texts in one prediction, any other one text a prediction. A list of another
    name than those for texts is taken for one only if there is nothing else.

    Raises:
        BadRequestError: the model has no input for text, or it writes text.
    """
    if schema is None:
        return [(1, {"text": text, **given}) for text in texts]
    if schema.output == "stream":
        raise BadRequestError(
            f"{model} writes text and gives no vectors: choose a model that embeds.", model=model
        )
    fields = schema.fields
    many = [
        name
        for name, field in fields.items()
        if field.type == "array" and field.items in ("string", "any") and not field.media
    ]
    lists = [name for name in (*_LISTS, *_SINGLE) if name in many]
    texts_as_json = [name for name in _LISTS if name in fields and fields[name].type == "string"]
    single = [name for name in _SINGLE if name in fields and fields[name].type in ("string", "any")]
    if lists or (many and not texts_as_json and not single):
        return [(len(texts), {(lists or many)[0]: list(texts), **given})]
    if texts_as_json:
        return [(len(texts), {texts_as_json[0]: msgspec.json.encode(list(texts)).decode(), **given})]
    if single:
        return [(1, {single[0]: text, **given}) for text in texts]
    raise BadRequestError(
        f"{model} has no input for text to embed. Its inputs are {', '.join(fields)}.", model=model
    )


def read_vectors(output: Any, count: int, model: str) -> list[Vector]:
    """The vectors in a prediction's output, wherever they are in it.

    Raises:
        PredictionFailedError: there are not as many as there were texts.
    """
    vectors = list(_vectors(output))
    if len(vectors) != count:
        raise PredictionFailedError(
            f"The model gave {len(vectors)} vectors for {count} texts: it may not be a model for embeddings.",
            model=model,
        )
    return vectors


def in_base64(vector: Vector) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def tokens_of(texts: Sequence[str]) -> int:
    """An estimate: models that embed do not count tokens."""
    return sum(estimate(len(text)) for text in texts)


def _vectors(value: Any) -> Iterator[Vector]:
    if isinstance(value, str) and value.startswith("["):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return
    if isinstance(value, list) and value and all(type(entry) in (int, float) for entry in value):
        yield [float(entry) for entry in value]
    elif isinstance(value, list):
        for entry in value:
            yield from _vectors(entry)
    elif isinstance(value, Mapping):
        found = next((value[name] for name in _VECTORS if name in value), None)
        if found is not None:
            yield from _vectors(found)

"""Embeddings: as many predictions at once as the model needs for the texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from ..chat.answers import run_of
from ..chat.embeddings import (
    Embedding,
    EmbeddingResponse,
    EmbeddingUsage,
    Texts,
    Vector,
    in_base64,
    read_vectors,
    tokens_of,
)
from ..chat.responses import Run, Usage
from .call import Call, at_once, predict


async def embed(call: Call, texts: Texts, parts: Sequence[tuple[int, dict[str, Any]]]) -> EmbeddingResponse:
    """The vectors of the texts; if one prediction fails, the others are cancelled.

    Args:
        call: what all the predictions have in common.
        parts: for each prediction, how many of the texts it embeds, and its inputs.
    """
    begin, works = 0, []
    for count, fields in parts:
        works.append(partial(_embedded, call, texts.texts[begin : begin + count], fields))
        begin += count
    embedded = await at_once(works)
    found = [vector for vectors, _ in embedded for vector in vectors]
    data = [
        Embedding(index=index, embedding=in_base64(vector) if texts.base64 else vector)
        for index, vector in enumerate(found)
    ]
    tokens = tokens_of(texts.texts)
    usage = EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens)
    runs = [run for _, run in embedded]
    return EmbeddingResponse(data=data, model=call.question.model, usage=usage, replicate=runs)


async def _embedded(call: Call, texts: Sequence[str], fields: dict[str, Any]) -> tuple[list[Vector], Run]:
    """One prediction: the vectors of some of the texts."""
    predictions = await predict(msgspec.structs.replace(call, input=fields))
    vectors = read_vectors(predictions[-1].output, len(texts), call.question.model)
    tokens = tokens_of(texts)
    usage = Usage(prompt_tokens=tokens, completion_tokens=0, total_tokens=tokens, estimated=True)
    return vectors, run_of(predictions, usage)

"""Embeddings: as many predictions at once as the model needs for the texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import msgspec

from ..chat.answers import run_of
from ..chat.embeddings import (
    Embedding,
    EmbeddingResponse,
    EmbeddingUsage,
    Texts,
    in_base64,
    read_vectors,
    tokens_of,
)
from ..chat.responses import Run, Usage
from ..errors import APIError
from .call import Call, predict


class EmbeddingCall(msgspec.Struct, frozen=True):
    """Embeddings that are ready to be asked for.

    Attributes:
        call: what all the predictions have in common.
        parts: for each prediction, how many of the texts it embeds, and its inputs.
    """

    call: Call
    texts: Texts
    parts: Sequence[tuple[int, dict[str, Any]]]

    async def answer(self) -> EmbeddingResponse:
        """The vectors; where one prediction fails, the others are cancelled."""
        model = self.call.question.model
        vectors: dict[int, list[list[float]]] = {}
        runs: dict[int, Run] = {}
        failures: list[APIError] = []

        async def one(index: int, part: Sequence[str], fields: dict[str, Any]) -> None:
            try:
                predictions = await predict(msgspec.structs.replace(self.call, input=fields))
                vectors[index] = read_vectors(predictions[-1].output, len(part), model)
                tokens = tokens_of(part)
                usage = Usage(prompt_tokens=tokens, completion_tokens=0, total_tokens=tokens, estimated=True)
                runs[index] = run_of(predictions, usage)
            except APIError as error:
                failures.append(error)
                group.cancel_scope.cancel()

        begin = 0
        async with anyio.create_task_group() as group:
            for index, (count, fields) in enumerate(self.parts):
                group.start_soon(one, index, self.texts.texts[begin : begin + count], fields)
                begin += count
        if failures:
            raise failures[0]
        found = [vector for index in sorted(vectors) for vector in vectors[index]]
        data = [
            Embedding(index=index, embedding=in_base64(vector) if self.texts.base64 else vector)
            for index, vector in enumerate(found)
        ]
        tokens = tokens_of(self.texts.texts)
        usage = EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens)
        return EmbeddingResponse(
            data=data, model=model, usage=usage, replicate=[runs[index] for index in sorted(runs)]
        )

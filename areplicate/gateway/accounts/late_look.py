"""A last look at a prediction whose client has left: what it cost is known when it has ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from ...chat.answers import run_of
from ...chat.outputs import output_text
from ...chat.responses import Run
from ...chat.usage import usage_of
from ...errors import APIError
from ...replicate.protocol.predictions import ListedPrediction
from .costs import characters

if TYPE_CHECKING:
    from ..config.backend import Backend
    from ..config.entries import ModelEntry

_PAUSES = (0.0, 0.3, 0.7, 1.0, 2.0, 4.0)
"""Seconds before each look: where it has not ended by itself, it is being cancelled meanwhile."""


async def look_at(backend: Backend, entry: ModelEntry, prediction_id: str) -> Run | None:
    """What the prediction did until its end, or until now where that takes too long; None if nobody can say."""
    seen: ListedPrediction | None = None
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        try:
            seen = await backend.prediction(entry, prediction_id)
        except APIError:
            continue
        if seen.terminal:
            break
    return None if seen is None else _run_of(seen)


def _run_of(prediction: ListedPrediction) -> Run:
    text = output_text(prediction.output)
    return run_of([prediction], usage_of(prediction, lambda: characters(_input(prediction)), text))


def _input(prediction: ListedPrediction) -> Any:
    try:
        return msgspec.json.decode(prediction.input)
    except msgspec.DecodeError:
        return None

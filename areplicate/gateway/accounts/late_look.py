"""A last look at a prediction whose client has left: what it cost is known when it has ended."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from ...chat.answers import run_of
from ...chat.outputs import output_text
from ...chat.responses import Run
from ...chat.usage import usage_of
from ...errors import APIError
from ...replicate.live import LivePrediction
from ...replicate.protocol.predictions import Prediction

if TYPE_CHECKING:
    from ..config.backend import Backend
    from ..config.entries import ModelEntry

_PAUSES = (0.0, 0.3, 0.7, 1.0, 2.0, 4.0)
"""Seconds before each look: where it has not ended by itself, it is being cancelled meanwhile."""


async def look_at(backend: Backend, entry: ModelEntry, left: LivePrediction, prompt: int) -> Run | None:
    """What the prediction did until its end, or until now where that takes too long; None if nobody can say.

    Args:
        prompt: characters of what was asked.
    """
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        if left.prediction is None:
            if not left.may_exist:
                break  # it was never created
        elif left.prediction.terminal:
            break
        else:
            with contextlib.suppress(APIError):
                left.prediction = await backend.prediction(entry, left.prediction.id)
    return None if left.prediction is None else _run_of(left.prediction, prompt)


def _run_of(prediction: Prediction, prompt: int) -> Run:
    text = output_text(prediction.output)
    return run_of([prediction], usage_of(prediction, lambda: prompt, text))

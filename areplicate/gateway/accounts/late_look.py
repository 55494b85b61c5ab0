"""A last look at a prediction whose client has left: its cost is known only when it has ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec

from ...chat.answers import run_of, usage_of
from ...chat.outputs import output_text
from ...chat.responses import Run
from ...errors import APIError
from ...replicate.live import LivePrediction
from ...replicate.protocol.predictions import Prediction
from ..config.backend import Backend
from ..config.entries import ModelEntry

_PAUSES = (0.0, 0.3, 0.7, 1.0, 2.0, 4.0)
"""Seconds before each look: a prediction that has not ended by itself is being cancelled meanwhile."""


async def look_at(backend: Backend, entries: Sequence[ModelEntry], left: LivePrediction) -> bool:
    """Looks at a prediction until its end, or for some seconds; False if it is not known what it did.

    Args:
        entries: those that may have made it, each with its account.
    """
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        if left.prediction is None:
            if not left.may_exist:
                break  # it was never created
        elif left.prediction.terminal:
            break
        else:
            for entry in entries:
                with contextlib.suppress(APIError):
                    left.prediction = await backend.prediction(entry, left.prediction.id)
                    break
    return left.prediction is not None


def unanswered_run(prediction: Prediction, input: dict[str, Any], *, writes: bool) -> Run:
    """What a prediction did that gave no answer, or whose answer did not reach its client.

    Args:
        writes: whether its output is a text; vectors have no tokens.
    """
    text = output_text(prediction.output) if writes else ""
    shown = prediction if writes else msgspec.structs.replace(prediction, output=None)
    return run_of([prediction], usage_of(shown, input, text))

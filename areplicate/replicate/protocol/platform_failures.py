"""Failures that are Replicate's and not the model's: worth asking again.

As published and as seen: "Prediction interrupted; please retry (code: PA)", "Director: unexpected error handling
prediction (E8765)", "(E9828)", and E6716, a time-out while starting.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from .predictions import Prediction

PLATFORM_FAILURES = (
    "Prediction interrupted; please retry",
    "Director: unexpected error handling prediction",
    "E8765",
    "E9828",
    "E6716",
)
"""What `error` of such a prediction contains."""

MOST_RETRIES = 2
"""How often such a prediction is created again."""

LARGEST_INPUT = 6_000_000
"""Bytes of an input above which it is not created again: inputs that are too large fail like that, too."""

_KNOWN = re.compile("|".join(rf"\b{re.escape(text)}\b" for text in PLATFORM_FAILURES))


def worth_asking_again(prediction: Prediction, input: dict[str, Any]) -> bool:
    """Whether a prediction has failed for a reason that is not its model's, nor its input's size."""
    if prediction.status != "failed" or _KNOWN.search(str(prediction.error)) is None:
        return False
    return len(msgspec.json.encode(input)) <= LARGEST_INPUT

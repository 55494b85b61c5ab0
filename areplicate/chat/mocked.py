"""Answers without a model, for tests of programs that call one."""

from __future__ import annotations

import os
import time
from typing import Any

from .. import errors
from ..errors import BadRequestError
from .messages import read_messages
from .params import stop_sequences
from .responses import Choice, Message, ModelResponse
from .schemas.values import AskedModel
from .stops import before_stop
from .usage import counted, estimate

_LITELLM = "litellm."


def mocked(model: Any, messages: Any, answer: Any, count: int, stop: Any = None) -> ModelResponse:
    """What `mock_response` stands for.

    Args:
        answer: the text, a whole `ModelResponse` (or its dump), or an exception, which is raised; LiteLLM's users
            write `"litellm.RateLimitError"` for one.
        count: how many choices have the text.
        stop: OpenAI's parameter, which ends the text.
    """
    if isinstance(answer, BaseException):
        raise answer
    turns = read_messages(messages)
    if isinstance(answer, dict):
        return ModelResponse.model_validate(answer)
    if not isinstance(answer, str):
        raise BadRequestError(
            f"mock_response must be a string, an exception or a ModelResponse, not {type(answer).__name__}.",
            param="mock_response",
        )
    if answer.startswith(_LITELLM) and answer.removeprefix(_LITELLM).isidentifier():
        kind = getattr(errors, answer.removeprefix(_LITELLM), None)
        if isinstance(kind, type) and issubclass(kind, errors.APIError):
            raise kind(f"{answer} was given as mock_response.", model=str(model))
    sequences = stop_sequences("stop", stop or (), AskedModel(str(model), drop_params=False))
    text = before_stop(answer, sequences)
    prompt = estimate(sum(len(turn.text) for turn in turns))
    return ModelResponse(
        id=f"mock-{os.urandom(8).hex()}",
        created=int(time.time()),
        model=str(model),
        choices=[
            Choice(index=index, message=Message(role="assistant", content=text), finish_reason="stop")
            for index in range(count)
        ],
        usage=counted(prompt, estimate(len(text)) * count, estimated=True),
    )

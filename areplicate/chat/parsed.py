"""An answer as an object of a pydantic class."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from ..errors import AnswerMisfitError, BadRequestError
from .plain import shown
from .responses import ModelResponse

T = TypeVar("T")


class Parsed(msgspec.Struct, Generic[T], frozen=True):
    """An answer's object, None if the model called tools instead, and the response that it came in."""

    parsed: T | None
    response: ModelResponse


def checked_class(kind: Any) -> None:
    """Raises a `BadRequestError` for what is not a pydantic class, of which no answer could be made an object."""
    if not isinstance(kind, type) or not hasattr(kind, "model_validate_json"):
        raise BadRequestError(
            f"response_format must be a pydantic class (class Answer(BaseModel): ...), not {shown(kind)}.",
            param="response_format",
        )


def parsed(response: ModelResponse, kind: type[T]) -> Parsed[T]:
    """The first choice of a response as an object of `kind`.

    Raises:
        AnswerMisfitError: a limit cut the answer off, or the class refuses it; `text` is the answer.
    """
    message = response.choices[0].message
    if message.tool_calls:
        return Parsed(None, response)
    validate: Any = getattr(kind, "model_validate_json")  # noqa: B009 - pydantic is not imported here
    try:
        return Parsed(validate(message.content or ""), response)
    except ValueError as refused:
        error = AnswerMisfitError(f"The answer is not a {kind.__name__}: {refused}", model=response.model)
        error.text, error.replicate = message.content or "", response.replicate
        raise error from None

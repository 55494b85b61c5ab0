"""The exceptions, named as OpenAI's and LiteLLM's are.

Every error that areplicate raises for a call is an `APIError`. Each says what happened, to which
model and prediction, and what to do; none ever holds the API key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class AreplicateWarning(UserWarning):
    """Something that a caller should know, although the call goes on."""


class APIError(Exception):
    """Something went wrong with a call to a model.

    Attributes:
        message: what happened and what to do about it.
        status_code: the HTTP status that an OpenAI-compatible server would give for it.
        model: the model as it was asked for, if known.
        prediction_id: the prediction on Replicate, if one was made.
        method, url: the HTTP request that failed, if there was one.
        retry_after: seconds after which trying again makes sense, if the server said so.
        request_sent: False if it is certain that the request never reached the server.
        param: the argument that is wrong, if it is one.
        type, code: what kind of error it is, in OpenAI's words; the gateway answers with the same.
        llm_provider: as LiteLLM's errors have it; programs' tests make errors with it.
    """

    default_status = 500
    type = "server_error"
    code: str | None = None

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        model: str | None = None,
        prediction_id: str | None = None,
        method: str | None = None,
        url: str | None = None,
        retry_after: float | None = None,
        request_sent: bool = True,
        param: str | None = None,
        llm_provider: str = "replicate",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = self.default_status if status_code is None else status_code
        self.model = model
        self.prediction_id = prediction_id
        self.method = method
        self.url = url
        self.retry_after = retry_after
        self.request_sent = request_sent
        self.param = param
        self.llm_provider = llm_provider

    def __str__(self) -> str:
        where = [
            f"model {self.model}" if self.model else "",
            f"prediction {self.prediction_id}" if self.prediction_id else "",
            f"{self.method} {self.url}" if self.url else "",
        ]
        context = ", ".join(part for part in where if part)
        return f"{self.message} ({context})" if context else self.message

    def about(self, model: str, prediction_id: str | None) -> None:
        """Adds which model and prediction it is about, if that is not known yet."""
        self.model = self.model or model
        self.prediction_id = self.prediction_id or prediction_id

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions cross process pools; the default would lose the keyword arguments.
        return (_rebuild, (type(self), self.message, self.__dict__))


def _rebuild(kind: type[APIError], message: str, attributes: dict[str, Any]) -> APIError:
    error = kind(message)
    error.__dict__.update(attributes)
    return error


class BadRequestError(APIError):
    """400 or 422: the request is wrong, and sending it again will not help."""

    default_status = 400
    type = "invalid_request_error"


class UnsupportedParamsError(BadRequestError):
    """The model has no input for a parameter; `drop_params=True` leaves it out."""

    code = "unsupported_parameter"


class AuthenticationError(APIError):
    """401: no key, or one that Replicate does not know."""

    default_status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"


class InsufficientCreditError(APIError):
    """402: the account has no credit left."""

    default_status = 402
    type = "insufficient_quota"
    code = "insufficient_quota"


class PermissionDeniedError(APIError):
    """403: the key may not use this model."""

    default_status = 403
    type = "invalid_request_error"


class NotFoundError(APIError):
    """404: no such model, version, deployment or prediction."""

    default_status = 404
    type = "invalid_request_error"
    code = "model_not_found"


class Timeout(APIError):
    """408: the deadline passed; the prediction has been cancelled.

    `text` is what a stream had given until then.
    """

    default_status = 408
    type = "timeout"
    code = "timeout"
    text: str = ""


class RateLimitError(APIError):
    """429: the account's rate limit; `retry_after` says for how many seconds."""

    default_status = 429
    type = "requests"
    code = "rate_limit_exceeded"


class InternalServerError(APIError):
    """5xx: Replicate, or something in front of it, failed."""


class ServiceUnavailableError(InternalServerError):
    """503: Replicate is not taking requests at the moment."""

    default_status = 503


class APIConnectionError(APIError):
    """The server could not be reached, or the connection broke."""


class PredictionFailedError(APIError):
    """The model itself failed. `text` is what it had written until then."""

    code = "prediction_failed"
    text: str = ""


class AnswerMisfitError(PredictionFailedError):
    """422: the model's answers do not fit the tools or the format that were asked for. `text` is the last of them.

    `replicate` lists the predictions, which are billed all the same, as `ModelResponse.replicate` does.
    """

    default_status = 422
    type = "invalid_request_error"
    code = "answer_misfit"
    replicate: Sequence[Any] = ()


class ContextWindowExceededError(PredictionFailedError, BadRequestError):
    """400: the model failed as the conversation is longer than what it reads. OpenAI and LiteLLM call it a bad request."""

    default_status = 400
    type = "invalid_request_error"
    code = "context_length_exceeded"


class PredictionCanceledError(APIError):
    """Somebody else cancelled the prediction, or it was aborted before it began."""

    default_status = 499
    code = "prediction_canceled"
    text: str = ""

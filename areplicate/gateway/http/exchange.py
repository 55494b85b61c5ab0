"""One request to the gateway, and what became of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from ...chat.responses import ModelResponseChunk, Run, Usage
from ...errors import APIConnectionError, APIError
from ...replicate.progress import BOOTING_AFTER
from ..accounts.auth import ANYBODY, Caller
from ..accounts.rows import UsageRow
from ..errors import GatewayError, from_upstream, stopping, unexpected
from ..logs import logger

if TYPE_CHECKING:
    from ..accounts.account import Account
    from ..config.backend import Backend

JSON = "application/json"


def new_request_id() -> str:
    return "req_" + secrets.token_hex(12)


class Exchange:
    """A request on its way through the gateway. Times are `time.monotonic`'s seconds."""

    __slots__ = (
        "account",
        "backend",
        "began",
        "caller",
        "calling",
        "client",
        "cors",
        "ended",
        "endpoint",
        "error_code",
        "fields",
        "first_text",
        "method",
        "model",
        "pieces",
        "predictions",
        "request",
        "request_id",
        "rest",
        "runs",
        "status",
        "streamed",
        "upstream_model",
        "usage",
    )

    account: Account
    """What lets the request in, from when the front door opens it until it is settled."""

    request: web.BaseRequest
    """What was sent; a request of a batch has none."""

    def __init__(self, request: web.BaseRequest | None, backend: Backend) -> None:
        if request is not None:
            self.request = request
        self.method = "POST" if request is None else request.method
        self.backend = backend
        self.request_id = new_request_id()
        self.client = None if request is None else request.remote
        """Its address, or that of the proxy before the gateway."""
        self.began = time.monotonic()
        self.ended: float | None = None
        self.endpoint = ""
        """The route; empty for what is not a route of ours."""
        self.rest = ""
        """What the path has in the place of the route's `{id}`."""
        self.fields: Mapping[str, str] = {}
        """Fields of the body that the path gives."""
        self.cors: Mapping[str, str] = {}
        """Headers for a browser's page that may read the answer."""
        self.caller: Caller = ANYBODY
        self.model: str | None = None
        """The model that the client asked for; always a name in the configuration."""
        self.upstream_model: str | None = None
        self.calling = False
        """Whether a model has been asked, so that money may have been spent."""
        self.streamed = False
        self.pieces = 0
        """Streamed pieces of text, each about a token."""
        self.first_text: float | None = None
        self.predictions: dict[str, str | None] = {}
        """The ids of the predictions made for it, in their order, each with its model if that is known."""
        self.runs: Sequence[Run] = ()
        self.usage: Usage | None = None
        self.status = 200
        self.error_code: str | None = None

    def answered(self, model: str, runs: Sequence[Run], usage: Usage | None) -> None:
        """The model has answered in full."""
        self.upstream_model = model
        self.runs = (*self.runs, *runs)
        if usage is not None:
            self.usage = usage
        for run in runs:
            self.predictions[run.prediction_id] = model

    def failed(self, error: Exception) -> GatewayError:
        """The client's error for a request that failed. An error that was not foreseen goes to the log."""
        if isinstance(error, APIError):
            told = self._model_failed(error)
        elif isinstance(error, GatewayError):
            told = error
        else:
            logger.error("%s failed", self.endpoint, exc_info=error, extra={"request_id": self.request_id})
            told = unexpected()
        self.status, self.error_code = told.status, told.code
        return told

    def _model_failed(self, error: APIError) -> GatewayError:
        self.upstream_model = error.model
        if error.prediction_id is not None:
            self.predictions[error.prediction_id] = error.model
        closed = self.backend.closed and isinstance(error, APIConnectionError)
        return stopping() if closed else from_upstream(error)

    def streamed_chunk(self, chunk: ModelResponseChunk) -> None:
        """A chunk of the answer has come."""
        self.upstream_model = chunk.model
        if chunk.replicate is not None:
            self.answered(chunk.model, chunk.replicate, None)
        elif chunk.choices and chunk.choices[0].delta.content:
            self.pieces += 1
            self.predictions[chunk.id] = chunk.model
            if self.first_text is None:
                self.first_text = time.monotonic()

    @property
    def prediction_id(self) -> str | None:
        return next(iter(self.predictions), None)

    def client_has_left(self) -> bool:
        transport = self.request.transport
        return transport is None or transport.is_closing()

    def seconds(self) -> float:
        return (self.ended or time.monotonic()) - self.began

    def tokens(self) -> tuple[int, int]:
        """Tokens of the prompts and of the answers, as far as they are known."""
        counted = [run.usage for run in self.runs if run.usage is not None]
        if counted:
            return sum(u.prompt_tokens for u in counted), sum(u.completion_tokens for u in counted)
        if self.usage is not None:
            return self.usage.prompt_tokens, self.usage.completion_tokens
        return 0, self.pieces

    def waited(self) -> tuple[float, float]:
        """Seconds queued, and seconds booting: a wait longer than a warm model needs counts as a boot."""
        queued = [run.queued_s or 0.0 for run in self.runs]
        return sum(min(q, BOOTING_AFTER) for q in queued), sum(max(0.0, q - BOOTING_AFTER) for q in queued)

    def usage_row(self, at: float, cost: float | None, predictions: int) -> UsageRow:
        prompt, completion = self.tokens()
        queue, boot = self.waited()
        return UsageRow(
            request_id=self.request_id,
            at=at,
            key_id=self.caller.key_id,
            endpoint=self.endpoint,
            model=self.model,
            upstream_model=self.upstream_model,
            prediction_id=self.prediction_id,
            predictions=predictions,
            streamed=self.streamed,
            status=self.status,
            seconds=self.seconds(),
            prompt_tokens=prompt,
            completion_tokens=completion,
            queue_s=queue,
            boot_s=boot,
            run_s=sum(run.predict_s or 0.0 for run in self.runs),
            cost=cost,
        )

    def head(self, content_type: str = JSON) -> dict[str, str]:
        """The headers of every answer: no cache may keep what is for this caller alone."""
        return {
            "Content-Type": content_type,
            "Cache-Control": "no-store",
            "x-request-id": self.request_id,
            "request-id": self.request_id,  # Anthropic's name for it
            **self.cors,
        }

    def json(self, body: bytes, status: int = 200, content_type: str = JSON) -> web.Response:
        """An answer with this body."""
        self.status = status
        return web.Response(body=body, status=status, headers=self.head(content_type))

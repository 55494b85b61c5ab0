"""What is known of one request, for its usage row, its metrics and its line in the log."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Literal

import msgspec

from ...chat.responses import ModelResponseChunk, Run, Usage
from ...replicate.progress import BOOTING_AFTER
from .tables import UsageRow


def new_request_id() -> str:
    return "req_" + secrets.token_hex(12)


class Record(msgspec.Struct, kw_only=True):
    """One request. Times are `time.monotonic`'s seconds.

    Attributes:
        endpoint: the route; empty if no route fits the request.
        model: the model that the client asked for; always a name in the configuration.
        calling: whether a model has been asked, so that money may have been spent.
        refused_by: if it was refused, whether for its key's limits or by Replicate.
        pieces: streamed pieces of text, each about a token.
        predictions: the ids of the predictions made for it, in their order, each with its model if that is known.
    """

    request_id: str = msgspec.field(default_factory=new_request_id)
    endpoint: str = ""
    began: float = msgspec.field(default_factory=time.monotonic)
    ended: float | None = None
    status: int = 200
    error_code: str | None = None
    model: str | None = None
    upstream_model: str | None = None
    calling: bool = False
    refused_by: Literal["key", "replicate"] = "key"
    streamed: bool = False
    pieces: int = 0
    first_text: float | None = None
    predictions: dict[str, str | None] = {}
    runs: Sequence[Run] = ()
    usage: Usage | None = None

    def answered(self, model: str, runs: Sequence[Run], usage: Usage | None) -> None:
        """The model has answered in full."""
        self.upstream_model = model
        self.runs = (*self.runs, *runs)
        if usage is not None:
            self.usage = usage
        for run in runs:
            self.predictions[run.prediction_id] = model

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

    def times(self) -> tuple[float, float, float]:
        """Seconds queued, booting and running: a wait longer than a warm model needs counts as a boot."""
        queued = booting = running = 0.0
        for run in self.runs:
            waited = run.queued_s or 0.0
            queued += min(waited, BOOTING_AFTER)
            booting += max(0.0, waited - BOOTING_AFTER)
            running += run.predict_s or 0.0
        return queued, booting, running

    def usage_row(
        self, *, at: float, key_id: str | None, answered_by: str | None, predictions: int, cost: float | None
    ) -> UsageRow:
        prompt, completion = self.tokens()
        queue, boot, run = self.times()
        return UsageRow(
            request_id=self.request_id,
            at=at,
            key_id=key_id,
            endpoint=self.endpoint,
            model=self.model,
            answered_by=answered_by,
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
            run_s=run,
            cost=cost,
        )

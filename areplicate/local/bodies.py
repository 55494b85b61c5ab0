"""Answers in JSON, and the one that shows a prediction."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from aiohttp import web

from .predictions import LocalPrediction, State
from .replies import count_tokens, prompt_text

_encode = msgspec.json.Encoder().encode

_JSON = {"Content-Type": "application/json"}


def json_answer(body: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=_encode(body), headers=_JSON)


def prediction_body(prediction: LocalPrediction, state: State, origin: str) -> dict[str, Any]:
    """A prediction in that state (`schemas.Prediction`), its fields in the order that Replicate sends them.

    `origin` is where the caller found the server (`http://127.0.0.1:4100`): its URLs lead back there.
    """
    model, clock = prediction.model, prediction.clock
    removed = clock.now() >= prediction.removed_at
    begun = state.status in ("processing", "succeeded", "failed")
    begun = begun or (state.status == "canceled" and prediction.starts < prediction.ends)
    shown, version = model.shown_as or (model.full_name, "hidden" if model.official else model.version)
    created = clock.wall(prediction.created)
    body = {
        "id": prediction.id,
        "model": shown,
        "version": version,
        "input": None if removed else prediction.input,
        "logs": model.logs if begun and not removed else "",
        "output": None if removed else _output(prediction, state),
        "data_removed": removed,
        "error": prediction.error if state.terminal else None,
        "source": "api",
        "status": state.status,
        "created_at": created,
        "urls": _urls(prediction, origin),
    }
    if prediction.deployment is not None:
        body["deployment"] = prediction.deployment
    if prediction.deadline is not None:  # to the microsecond: callers subtract the two
        body["deadline"] = created + timedelta(seconds=prediction.deadline - prediction.created)
    if begun:
        body["started_at"] = clock.wall(prediction.starts)
    if state.terminal:
        body["completed_at"] = clock.wall(prediction.ends)
        body["metrics"] = _metrics(prediction, state)
    return body


def _urls(prediction: LocalPrediction, origin: str) -> dict[str, str]:
    urls = {
        "cancel": f"{origin}/v1/predictions/{prediction.id}/cancel",
        "get": f"{origin}/v1/predictions/{prediction.id}",
        "web": f"https://replicate.com/p/{prediction.id}",
    }
    if prediction.model.streams:
        urls["stream"] = f"{origin}/v1/streams/{prediction.id}"
    return urls


def _output(prediction: LocalPrediction, state: State) -> Any:
    """A list grows as it is written; anything else is there when all of it is. Nothing at all is null."""
    written = prediction.written
    if prediction.model.output_kind == "list":
        return written.pieces[: state.written] if state.written or state.status == "succeeded" else None
    return written.output if state.written == len(written.pieces) else None


def _metrics(prediction: LocalPrediction, state: State) -> dict[str, float]:
    ran = max(0.0, prediction.ends - prediction.starts)
    metrics: dict[str, float] = {
        "predict_time": round(ran, 6),
        "total_time": round(prediction.ends - prediction.created, 6),
    }
    if prediction.model.token_metrics and state.status == "succeeded":
        metrics["input_token_count"] = count_tokens(prompt_text(prediction.input or {}))
        metrics["output_token_count"] = prediction.written.tokens
        metrics["time_to_first_token"] = prediction.model.time_to_first_token
        metrics["tokens_per_second"] = round(prediction.written.tokens / ran, 6) if ran else 0.0
    return metrics

"""Predictions as a chat completion."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from ..replicate.protocol.predictions import Prediction, PredictionMetrics
from .inputs import ModelInput
from .outputs import output_text, read_reply
from .responses import Choice, CompletionTokensDetails, FinishReason, ModelResponse, Run, Usage
from .schemas.schema import ModelSchema
from .usage import add, characters, estimate


class Question(msgspec.Struct, frozen=True):
    """The question of a completion, as far as its answer depends on it."""

    model: str
    input: ModelInput
    schema: ModelSchema | None = None


def model_response(question: Question, answers: Sequence[Sequence[Prediction]]) -> ModelResponse:
    """The completion that predictions make.

    Each choice has those that were asked for until one succeeded, which is the last.
    """
    choices: list[Choice] = []
    usages: list[Usage] = []
    ran: list[Run] = []
    for index, runs in enumerate(answers):
        prediction = runs[-1]
        text = output_text(prediction.output)
        message = read_reply(text, question.schema, question.model, question.input.thought)
        usage = usage_of(prediction, question.input.fields, text, message.reasoning_content)
        usages.append(usage)
        ran.append(run_of(runs, usage))
        finish = finish_reason(question, usage)
        choices.append(Choice(index=index, message=message, finish_reason=finish))
    return ModelResponse(
        id=answers[0][-1].id,
        created=int(time.time()),
        model=question.model,
        choices=choices,
        usage=usages[0] if len(usages) == 1 else add(usages),
        replicate=ran,
    )


_NOTHING_MEASURED = PredictionMetrics()


def usage_of(prediction: Prediction, input: dict[str, Any], text: str, thought: str | None = None) -> Usage:
    """The usage of a prediction that wrote `text`, of which `thought` is the model's reasoning.

    Language models on Replicate report `input_token_count` and `output_token_count`. Where one is missing, a list of
    output chunks is about a token each, and text is about four characters a token; such a usage is marked `estimated`.
    The tokens of a thought are its share of the text.
    """
    metrics = prediction.metrics or _NOTHING_MEASURED
    prompt, completion = metrics.input_token_count, metrics.output_token_count
    estimated = prompt is None or completion is None
    prompt_tokens = int(estimate(characters(input)) if prompt is None else prompt)
    if completion is None:
        completion = _chunks(prediction.output) or estimate(len(text))
    completion_tokens = int(completion)
    thought_tokens = round(completion_tokens * len(thought) / len(text)) if thought else 0
    return Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
        estimated=estimated,
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=thought_tokens)
        if thought_tokens
        else None,
    )


def finish_reason(question: Question, usage: Usage) -> FinishReason:
    limit = question.input.max_tokens
    return "length" if limit is not None and usage.completion_tokens >= limit else "stop"


def run_of(runs: Sequence[Prediction], usage: Usage) -> Run:
    """What one answer took. The seconds are those of all its predictions: Replicate bills those that failed, too."""
    *failed, last = runs
    metrics = last.metrics or _NOTHING_MEASURED
    predict, total = metrics.predict_time, metrics.total_time
    for run in failed:
        metrics = run.metrics or _NOTHING_MEASURED
        predict = None if predict is None else predict + (metrics.predict_time or 0.0)
        total = None if total is None else total + (metrics.total_time or 0.0)
    return Run(
        prediction_id=last.id,
        version=last.version,
        attempts=len(runs),
        queued_s=max(0.0, total - predict) if total is not None and predict is not None else None,
        predict_s=predict,
        usage=usage,
    )


def _chunks(output: Any) -> int:
    return len(list(filter(None, output))) if isinstance(output, list) else 0

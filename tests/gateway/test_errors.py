"""What clients are told of Replicate's errors, and whether their SDKs try again by themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from areplicate import errors
from areplicate.gateway.api.keys import KeyChanges
from areplicate.gateway.config.settings import GeneralSettings
from areplicate.gateway.errors import GatewayError, from_upstream
from areplicate.gateway.http.anthropic import envelope
from areplicate.gateway.mismatch import mismatch
from areplicate.local import LocalModel
from tests.gateway.process import config_for, entry, gateway, recorded
from tests.hostile import HostileReplicate, body_is
from tests.stage import LLAMA, llama
from tests.waiting import eventually

AUTHENTICATION = "upstream_authentication"
NEVER = {"x-should-retry": "false"}


@pytest.mark.parametrize(
    ("error", "status", "code", "headers"),
    [
        (errors.AuthenticationError("401"), 502, AUTHENTICATION, NEVER),
        (errors.PermissionDeniedError("403"), 502, AUTHENTICATION, NEVER),
        (errors.InsufficientCreditError("402"), 402, "upstream_credit", {}),
        (errors.RateLimitError("429", retry_after=7), 429, "rate_limit_exceeded", {"Retry-After": "7"}),
        (errors.RateLimitError("429"), 429, "rate_limit_exceeded", {"Retry-After": "1"}),
        (errors.UnsupportedParamsError("stop"), 400, "unsupported_parameter", {}),
        (errors.BadRequestError("422", status_code=422), 400, None, {}),
        (errors.NotFoundError("404"), 404, "model_not_found", {}),
        (errors.Timeout("late"), 408, "timeout", NEVER),
        (errors.PredictionFailedError("CUDA out of memory"), 500, "prediction_failed", NEVER),
        (errors.AnswerMisfitError("no JSON"), 422, "answer_misfit", {}),
        (errors.ContextWindowExceededError("too long"), 400, "context_length_exceeded", {}),
        (errors.PredictionCanceledError("by somebody"), 500, "prediction_canceled", NEVER),
        (errors.APIConnectionError("reset"), 502, "upstream_unreachable", {}),
        (
            errors.ServiceUnavailableError("503", retry_after=2.5),
            503,
            "upstream_unavailable",
            {"Retry-After": "3"},
        ),
        (errors.ServiceUnavailableError("503"), 503, "upstream_unavailable", {}),
        (errors.InternalServerError("500"), 502, "upstream_error", {}),
    ],
)
def test_an_error_of_replicates(
    error: errors.APIError, status: int, code: str | None, headers: dict[str, str]
) -> None:
    """SDKs try 408, 429 and 5xx again, unless they are told that it would not help."""
    answer = from_upstream(error)
    assert (answer.status, answer.code, answer.headers) == (status, code, headers)


def test_an_error_about_what_is_no_text_can_be_sent() -> None:
    """As a path's or a header's bytes that are not UTF-8, which become halves of characters."""
    error = GatewayError(400, "half a \udcff", param="\udcff")
    for body in (error.envelope(), envelope(error, "req_1")):
        assert b"half a ?" in body


def test_an_answer_that_is_too_large_is_told_with_its_size_and_paid_once(tmp_path: Path) -> None:
    """It is neither read nor asked for again, by whoever could."""
    with HostileReplicate([llama()]) as hostile:
        for kind in ("create", "get"):
            hostile.on(kind, body_is(lambda body: body + b" " * (65 << 20)))
        config = config_for(hostile, ()) | {"model_list": [entry(hostile, "llama", LLAMA)]}
        with gateway(config, tmp_path) as running:
            answer = running.ask(model="llama")
        assert answer.status_code == 500 and "has 65 MiB" in answer.text and "64 MiB" in answer.text, (
            answer.text
        )
        assert answer.headers["x-should-retry"] == "false"
        assert len(hostile.predictions) == 1


def test_large_answers_at_once_have_a_bound_together(tmp_path: Path) -> None:
    """What has no room is refused and paid; what is small is never refused, and room comes back."""
    with (
        HostileReplicate([llama(), LocalModel(owner="some", name="small")]) as hostile,
        ThreadPoolExecutor(6) as threads,
    ):
        pads = body_is(lambda body: body + b" " * (30 << 20) if b"small" not in body else body)
        hostile.on("create", pads)
        names = {"large": LLAMA, "small": "some/small"}
        entries = [entry(hostile, name, model) for name, model in names.items()]
        config = config_for(hostile, (), max_answers_mb=80) | {"model_list": entries}
        with gateway(config, tmp_path) as running:
            asked = [threads.submit(running.ask, model=name) for name in ["large"] * 6 + ["small"] * 6]
            answers = [each.result() for each in asked]
            refused = [each for each in answers[:6] if each.status_code != 200]
            assert 0 < len(refused) < 6 and all(each.status_code == 200 for each in answers[6:]), answers
            assert all(each.status_code == 503 and "max_answers_mb" in each.text for each in refused)
            assert len(hostile.predictions) == 12
            eventually(lambda: len(recorded(tmp_path)) == 12)
            assert running.ask(model="large").status_code == 200


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        (
            KeyChanges,
            {"key": "sk-x", "role": "admin"},
            "must be 'user' or 'metrics' or 'health', not 'admin'",
        ),
        (GeneralSettings, {"unsupported_providers": "drop"}, "must be 'refuse' or 'skip', not 'drop'"),
    ],
)
def test_an_error_says_which_texts_a_value_may_be(kind: type, value: Any, says: str) -> None:
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(value, kind)
    assert mismatch(error.value, kind).why == says

"""Replicate's error answers, as it gives them, become the errors that users catch."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import areplicate
from areplicate.replicate.protocol.problems import error_from_response, retry_after
from areplicate.replicate.protocol.requests import Response
from tests.recorded import exchanges


def response(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, headers or {}, raw)


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, areplicate.BadRequestError, 400),
        (401, areplicate.AuthenticationError, 401),
        (402, areplicate.InsufficientCreditError, 402),
        (403, areplicate.PermissionDeniedError, 403),
        (404, areplicate.NotFoundError, 404),
        (405, areplicate.BadRequestError, 405),
        (422, areplicate.BadRequestError, 422),
        (429, areplicate.RateLimitError, 429),
        (500, areplicate.InternalServerError, 500),
        (502, areplicate.InternalServerError, 502),
        (503, areplicate.ServiceUnavailableError, 503),
        (599, areplicate.InternalServerError, 599),
    ],
)
def test_each_status_is_its_error(status: int, kind: type[areplicate.APIError], code: int) -> None:
    error = error_from_response(response(status, {"detail": "because"}))
    assert type(error) is kind
    assert error.status_code == code
    assert "because" in error.message


def test_recorded_refusals_keep_their_words() -> None:
    said = []
    for name in ("run-invalid-token", "trainings-create-invalid-destination"):
        for exchange in exchanges(name):
            recorded = exchange["response"]
            error = error_from_response(response(recorded["status"], recorded["body"], recorded["headers"]))
            assert recorded["body"]["detail"] in str(error)
            said.append(type(error))
    assert said == [areplicate.AuthenticationError, areplicate.NotFoundError]


def test_invalid_fields_are_named() -> None:
    error = error_from_response(
        response(
            422,
            {
                "title": "Input validation failed",
                "detail": "- input.temperature: Must be greater than or equal to 0.01",
                "status": 422,
                "invalid_fields": [
                    {"type": "range", "field": "input.temperature", "description": "too small"}
                ],
            },
        )
    )
    assert "input.temperature: too small" in error.message


def test_html_from_the_edge_is_read_as_text() -> None:
    page = b"<html><head><style>p{}</style><title>502</title></head><body><h1>Bad <b>Gateway</b></h1></body></html>"
    error = error_from_response(response(502, page))
    assert "Bad Gateway" in error.message
    assert "<" not in error.message
    assert "p{}" not in error.message


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "7"}, {}, 7.0),
        ({}, {"detail": "Request was throttled. Your rate limit resets in ~30s."}, 30.0),
        ({"ratelimit-reset": "12", "ratelimit-remaining": "0"}, {"detail": "Request was throttled."}, 12.0),
        ({}, {"detail": "Request was throttled."}, None),
        ({"retry-after": "soon"}, {}, None),
    ],
)
def test_how_long_to_hold_back(headers: dict[str, str], body: Any, seconds: float | None) -> None:
    assert retry_after(response(429, body, headers)) == seconds


def test_retry_after_may_be_a_date() -> None:
    past = {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert retry_after(response(503, {}, past)) == 0.0


@given(status=st.integers(300, 599), body=st.binary(max_size=300))
def test_any_body_gives_an_error_in_words(status: int, body: bytes) -> None:
    error = error_from_response(response(status, body))
    assert str(status) in error.message
    assert len(error.message) < 1500


def test_errors_survive_pickling_with_what_they_know() -> None:
    error = areplicate.PredictionFailedError(
        "no", model="a/b", prediction_id="p1", method="GET", url="https://x"
    )
    error.text = "so far"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is areplicate.PredictionFailedError
    assert (again.text, again.model, str(again)) == ("so far", "a/b", str(error))

"""Replicate's error answers, as it gives them, become the errors that users catch."""

from __future__ import annotations

import json
import pickle
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime, formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import areplicate
from areplicate.replicate.limits import ratelimit
from areplicate.replicate.protocol.predictions import decode_prediction
from areplicate.replicate.protocol.problems import (
    error_from_prediction,
    error_from_response,
    reduced_limits,
    retry_after,
)
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


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (
            401,
            {"title": "Unauthenticated", "detail": "No token"},
            "Replicate answered 401: Unauthenticated: No token. "
            "Check the key in REPLICATE_API_KEY or api_key=: https://replicate.com/account/api-tokens.",
        ),
        (
            402,
            {"detail": "Pay!"},
            "Replicate answered 402: Pay! Add credit at https://replicate.com/account/billing.",
        ),
        (
            404,
            {"detail": "Not here?"},
            "Replicate answered 404: Not here? "
            "Check the model's name, and that the key's account may see it.",
        ),
        (422, {"detail": " Wrong. "}, "Replicate answered 422: Wrong."),
        (
            422,
            {"invalid_fields": [{"field": "a", "description": "b"}, 7, {"field": "c", "description": "d"}]},
            "Replicate answered 422: a: b: c: d.",
        ),
        (
            422,
            {"title": "Bad", "detail": "x", "invalid_fields": [{"field": "a", "description": "b"}]},
            "Replicate answered 422: Bad: x: a: b.",
        ),
        (
            422,
            b'{"other": "' + "é".encode() * 600 + b'"}',
            f'Replicate answered 422: {{"other": "{"é" * 494}\ufffd.',
        ),
        (422, {"detail": {"loc": ["x"]}}, "Replicate answered 422: {'loc': ['x']}."),
        (422, {"other": 1}, 'Replicate answered 422: {"other": 1}.'),
        (500, b"", "Replicate answered 500: no explanation."),
        (500, b"\xff  what\n <br> now", "Replicate answered 500: \ufffd what now."),
        (500, b"<STYLE a='b'>x</STYLE >y<script>z\n</script>", "Replicate answered 500: y."),
        (500, {"detail": "x" * 3000}, f"Replicate answered 500: {'x' * 1000}."),
        (500, b"y" * 9000, f"Replicate answered 500: {'y' * 1000}."),
        (500, b"<p>" * 1330 + b"123456789 123", "Replicate answered 500: 123456789."),
    ],
)
def test_an_error_says_what_is_wrong_and_what_to_do(status: int, body: Any, message: str) -> None:
    assert error_from_response(response(status, body)).message == message


@pytest.mark.parametrize(
    ("status", "location", "said"),
    [
        (302, "https://sso.example/" + "x" * 300, "a redirect to https://sso.example/" + "x" * 180 + ","),
        (300, None, "a redirect to nowhere, which is not followed. Check api_base."),
        (399, None, "a redirect to nowhere"),
    ],
)
def test_a_redirect_is_told_with_its_target(status: int, location: str | None, said: str) -> None:
    error = error_from_response(response(status, b"{}", {"location": location} if location else {}))
    assert type(error) is areplicate.APIError
    assert said in error.message


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (399, areplicate.APIError),
        (418, areplicate.BadRequestError),
        (499, areplicate.BadRequestError),
        (501, areplicate.InternalServerError),
        (204, areplicate.APIError),
    ],
)
def test_a_status_that_is_not_listed_is_an_error_of_its_hundred(
    status: int, kind: type[areplicate.APIError]
) -> None:
    error = error_from_response(response(status, {"detail": "x"}))
    assert type(error) is kind and error.status_code == status


def test_an_error_keeps_how_long_to_hold_back() -> None:
    assert error_from_response(response(429, {}, {"retry-after": "3"})).retry_after == 3.0
    assert error_from_response(response(503, {}, {"retry-after": "4"})).retry_after == 4.0
    assert error_from_response(response(500, {"detail": "resets in ~5s"})).retry_after is None


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "-3"}, {}, 0.0),
        ({"retry-after": "0.5"}, {}, 0.5),
        ({}, {"detail": "resets in 2.5 s"}, 2.5),
        ({"retry-after": "9", "ratelimit-reset": "5"}, {"detail": "resets in ~30s"}, 9.0),
        ({"ratelimit-reset": "5"}, {"detail": "resets in ~30s"}, 30.0),
        ({"ratelimit-reset": "later", "ratelimit-remaining": "0"}, {}, None),
        ({"ratelimit-reset": "5"}, b"\xff", 5.0),
        ({}, {"retry_after": "7.5"}, 7.5),
        ({}, {"retry_after": 0.5}, 0.5),
        ({}, {"retry_after": 0, "detail": "resets in ~8s"}, 0.0),
        ({}, {"retry_after": -3, "detail": "resets in ~8s"}, 8.0),
        ({}, {"retry_after": True}, None),
        ({}, {"retry_after": {"seconds": 3}}, None),
        ({}, {"retry_after": 10**400}, None),
        ({}, b'{"retry_after": 1e999, "detail": "resets in ~8s"}', 8.0),
        ({"retry-after": "inf"}, {}, None),
        ({"retry-after": "9" * 400, "ratelimit-reset": "5"}, {}, 5.0),
        ({"ratelimit-reset": "-inf"}, {}, None),
        ({"ratelimit-reset": "5"}, b"x" * 1990 + b"resets in ~30s", 5.0),
        ({"retry-after": "soon"}, {"retry_after": 4}, 4.0),
        ({"retry-after": "nan"}, {"retry_after": 4}, 4.0),
        ({"retry-after": "5, 7"}, {"detail": "resets in ~8s"}, 8.0),
        ({"retry-after": ""}, b'{"retry_after": NaN, "detail": "resets in ~8s"}', 8.0),
        ({"retry-after": "nan", "ratelimit-reset": "nan"}, {"retry_after": "nan"}, None),
    ],
)
def test_every_way_of_saying_when(headers: dict[str, str], body: Any, seconds: float | None) -> None:
    assert retry_after(response(429, body, headers)) == seconds


THROTTLED = (
    b'{"detail": "Request was throttled. Your rate limit for creating predictions is reduced to 6 requests per '
    b'minute with a burst of 1 requests while you have less than $5.0 in credit. Your rate limit resets in ~5s.", '
    b'"status": 429, "retry_after": 7}'
)


def test_what_a_429_says_in_its_body_is_read() -> None:
    assert retry_after(Response(429, {}, THROTTLED)) == 7
    assert reduced_limits(Response(429, {}, THROTTLED)) == (6, 1)
    assert reduced_limits(Response(429, {}, b"{}")) == ()
    assert retry_after(Response(429, {}, b'{"retry_after": "soon", "detail": "resets in ~9s"}')) == 9
    assert retry_after(Response(429, {"retry-after": "3"}, THROTTLED)) == 3


@pytest.mark.parametrize("hours", [-5, 0, 5])
@pytest.mark.parametrize(("after", "waited"), [(20, 20), (-20, 0)])
def test_a_date_to_retry_after_is_read_by_the_servers_clock(hours: int, after: float, waited: float) -> None:
    there = datetime.now(timezone.utc) + timedelta(hours=hours)
    headers = {
        "date": format_datetime(there, usegmt=True),
        "retry-after": format_datetime(there + timedelta(seconds=after), usegmt=True),
    }
    assert retry_after(Response(503, headers, b"")) == waited


def test_a_date_in_the_future_is_so_many_seconds() -> None:
    moment = formatdate(time.time() + 100, usegmt=True)
    waited = retry_after(response(503, {}, {"retry-after": moment}))
    assert waited is not None and 95 < waited <= 100


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, (None, None)),
        ({"ratelimit-remaining": "599"}, (599, None)),
        ({"ratelimit-reset": "1.5"}, (None, 1.5)),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "0"}, (0, 0.0)),
        ({"ratelimit-remaining": "many", "ratelimit-reset": "1"}, (None, None)),
        ({"ratelimit-remaining": "9" * 400}, (10**9, None)),
    ],
)
def test_what_is_left_of_the_account(headers: dict[str, str], found: tuple[int | None, float | None]) -> None:
    assert ratelimit(headers) == found


def prediction(**fields: Any) -> Any:
    body = {"id": "a", "status": "succeeded", "urls": {"get": ""}, **fields}
    return decode_prediction(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        (
            {"status": "failed", "error": "Out of memory"},
            areplicate.PredictionFailedError,
            "The model failed: Out of memory.",
        ),
        (
            {"status": "failed", "error": None},
            areplicate.PredictionFailedError,
            "The model failed: it did not say why.",
        ),
        (
            {"status": "failed", "error": {"code": 1}},
            areplicate.PredictionFailedError,
            "The model failed: {'code': 1}.",
        ),
        (
            {"status": "canceled"},
            areplicate.PredictionCanceledError,
            "The prediction was cancelled from elsewhere.",
        ),
        (
            {"status": "aborted"},
            areplicate.PredictionCanceledError,
            "The prediction was aborted before it began; nothing is billed for it.",
        ),
        (
            {"status": "expired", "completed_at": "2026-11-27T01:00:00Z"},
            areplicate.PredictionFailedError,
            "The prediction ended as 'expired', which areplicate does not know: it has no error.",
        ),
        (
            {"data_removed": True, "output": None},
            areplicate.APIError,
            "The output has been removed: Replicate keeps it for an hour.",
        ),
    ],
)
def test_each_end_without_an_answer_is_its_error(
    fields: dict[str, Any], kind: type[areplicate.APIError], message: str
) -> None:
    error = error_from_prediction(prediction(**fields))
    assert type(error) is kind
    assert error.message == message


@pytest.mark.parametrize(
    "fields", [{}, {"output": None}, {"data_removed": True, "output": ["x"]}, {"status": "processing"}]
)
def test_an_answer_is_no_error(fields: dict[str, Any]) -> None:
    assert error_from_prediction(prediction(**fields)) is None


def test_what_the_detail_tells_already_is_not_told_twice() -> None:
    field = {
        "type": "additional_property_not_allowed",
        "field": "input",
        "description": "temprature is not allowed",
    }
    body: dict[str, Any] = {
        "title": "Input validation failed",
        "detail": "- input: temprature is not allowed",
        "invalid_fields": [field],
    }
    message = error_from_response(Response(422, {}, json.dumps(body).encode())).message
    assert message.count("temprature is not allowed") == 1
    body["detail"] = "It is wrong"
    assert (
        "input: temprature is not allowed"
        in error_from_response(Response(422, {}, json.dumps(body).encode())).message
    )

"""Traffic that the official client recorded with the service, read as areplicate reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from areplicate.chat.outputs import output_text
from areplicate.replicate.protocol.models import decode_model, decode_version
from areplicate.replicate.protocol.predictions import decode_page, decode_prediction
from areplicate.replicate.server_clock import seconds, timestamp
from tests.recorded import exchanges, recordings


def recorded() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for recording in recordings():
        for exchange in exchanges(recording):
            yield exchange["request"]["method"], exchange["request"]["url"], exchange["response"]


def test_every_recorded_prediction_is_understood() -> None:
    seen = 0
    for _, url, response in recorded():
        body = response["body"]
        if (
            "/predictions" not in url
            or response["status"] >= 300
            or not isinstance(body, dict)
            or "id" not in body
        ):
            continue
        listed = decode_page(json.dumps({"results": [body]}).encode()).results[0]
        prediction = decode_prediction(json.dumps(body).encode())
        assert prediction.id == listed.id == body["id"]
        assert prediction.terminal is (body["status"] in ("succeeded", "failed", "canceled"))
        when = seconds(prediction.created_at)
        assert when is not None and timestamp(when) >= "2023"
        assert json.loads(bytes(listed.input)) == body["input"]
        seen += 1
    assert seen >= 10


def test_a_held_creation_that_says_processing_is_not_terminal() -> None:
    [exchange] = exchanges("models_predictions_create_blocking-True-10")
    body = exchange["response"]["body"]
    prediction = decode_prediction(json.dumps(body).encode())
    assert prediction.status == "processing" and not prediction.terminal
    assert len(body["output"]) > 10
    assert output_text(prediction.output) == "".join(body["output"])


def test_recorded_models_and_versions_are_understood() -> None:
    models = versions = 0
    for method, url, response in recorded():
        body = response["body"]
        if method != "GET" or response["status"] != 200 or not isinstance(body, dict):
            continue
        raw = json.dumps(body).encode()
        if "/versions/" in url:
            assert "Input" in decode_version(raw).schemas()
            versions += 1
        elif "/models/" in url and "owner" in body:
            model = decode_model(raw)
            assert model.latest_version is None or len(model.latest_version.id) == 64
            models += 1
    assert models >= 1 and versions >= 1

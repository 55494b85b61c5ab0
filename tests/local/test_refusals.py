"""What the stand-in refuses: tokens, bodies, inputs, and too many requests."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from areplicate.local import LocalModel, LocalReplicate, language_model_schema
from areplicate.local.schemas import find_faults
from tests.lazily import Lazily
from tests.local.client import LLAMA, connect, llama, serving
from tests.recorded import components, exchanges, models

jsonschema: Any = Lazily("jsonschema")

SCHEMA = language_model_schema(
    {
        "max_tokens": {"type": "integer", "minimum": 1, "maximum": 4096},
        "temperature": {"type": "number", "minimum": 0.01},
        "stop": {"type": "array", "items": {"type": "string"}},
        "name": {"type": "string", "minLength": 2, "maxLength": 4, "nullable": True},
        "mode": {"allOf": [{"$ref": "#/components/schemas/mode"}], "default": "fast"},
    }
)
SCHEMA["mode"] = {"type": "string", "enum": ["fast", "slow"], "title": "mode"}
SCHEMA["Input"]["required"] = ["prompt"]

INTEGER, STRING = (f"Invalid type. Expected: {kind}, given: " for kind in ("integer", "string"))


@pytest.mark.anyio
@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer r8_stranger"])
async def test_a_bad_token_is_refused_as_recorded(authorization: str | None) -> None:
    recorded = exchanges("run-invalid-token")[0]["response"]
    async with LocalReplicate([llama()], tokens={"r8_known"}) as local, connect(local, None) as client:
        headers = {} if authorization is None else {"Authorization": authorization}
        for refused in (await client.create(**headers), await client.get("/account", **headers)):
            assert refused.status == recorded["status"]
            assert refused.json == recorded["body"]
            assert refused.headers["Content-Type"] == recorded["headers"]["content-type"]
            assert "ratelimit-remaining" not in refused.headers
        assert (await client.create(Authorization="Bearer r8_known")).status == 201


@pytest.mark.anyio
async def test_any_token_does_unless_told_otherwise() -> None:
    async with LocalReplicate([llama()]) as local, connect(local, None) as client:
        assert (await client.create()).status == 401
        for authorization in ("Bearer anything", "Token older"):
            assert (await client.create(Authorization=authorization)).status == 201


@pytest.mark.anyio
async def test_tokens_without_credit_or_permission() -> None:
    tokens = {"r8_rich": 200, "r8_poor": 402, "r8_barred": 403}
    async with LocalReplicate([llama()], tokens=tokens) as local:
        async with connect(local, "r8_poor") as client:
            poor = await client.create()
            assert (poor.status, poor.json["title"]) == (402, "Insufficient credit")
            assert (await client.get("/predictions")).status == 200
        async with connect(local, "r8_barred") as client:
            assert (await client.create()).status == 403
            assert (await client.get("/predictions")).status == 403
        async with connect(local, "r8_rich") as client:
            assert (await client.create()).status == 201


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 400, "not valid JSON"),
        (b"{", 400, "not valid JSON"),
        (b'{"input": {"prompt": "\xff"}}', 400, "not valid JSON"),
        ([], 422, "- (root): Invalid type. Expected: object, given: array"),
        ({}, 422, "- (root): input is required"),
        ({"input": "Hi"}, 422, "- input: Invalid type. Expected: object, given: string"),
        ({"input": None}, 422, "- input: Invalid type. Expected: object, given: null"),
        ({"input": {}, "version": "a"}, 422, "Additional property version is not allowed"),
        ({"input": {}, "color": 1}, 422, "Additional property color is not allowed"),
        ({"input": {}, "stream": 1}, 422, "- stream: Invalid type. Expected: boolean, given: integer"),
        ({"input": {}, "webhook": "http://example.com"}, 422, "- webhook: Does not match"),
        ({"input": {}, "webhook_events_filter": ["end"]}, 422, "webhook_events_filter.0 must be one of"),
    ],
)
async def test_a_bad_body_is_refused(body: Any, status: int, detail: str) -> None:
    async with serving(llama()) as (local, client):
        refused = await client.post(LLAMA, body)
        assert refused.status == refused.json["status"] == status
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert detail in refused.json["detail"]
        assert ("invalid_fields" in refused.json) == (status == 422)
        assert not local.predictions


@pytest.mark.anyio
async def test_a_creation_by_version_needs_one_that_exists() -> None:
    async with serving(llama()) as (_, client):
        missing = await client.post("/predictions", {"input": {}})
        assert missing.json["invalid_fields"] == [
            {"type": "required", "field": "", "description": "version is required"}
        ]
        for version in ("latest", "0" * 64, "meta/llama:", ""):
            unknown = await client.post("/predictions", {"version": version, "input": {}})
            assert (unknown.status, unknown.json["title"]) == (422, "Invalid version or not permitted")


@pytest.mark.anyio
async def test_a_whole_body_is_accepted() -> None:
    async with serving(llama()) as (_, client):
        body = {
            "input": {},
            "stream": True,
            "webhook": "https://example.com/hook",
            "webhook_events_filter": ["start", "completed"],
        }
        assert (await client.post(LLAMA, body)).status == 201


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("input", "kind", "field", "description"),
    [
        ({"prompt": 1}, "invalid_type", "input.prompt", STRING + "integer"),
        ({"prompt": None}, "invalid_type", "input.prompt", STRING + "null"),
        ({"max_tokens": 0}, "number_gte", "input.max_tokens", "Must be greater than or equal to 1"),
        ({"max_tokens": 5e3}, "number_lte", "input.max_tokens", "Must be less than or equal to 4096"),
        (
            {"max_tokens": 1.5},
            "invalid_type",
            "input.max_tokens",
            INTEGER + "number",
        ),
        (
            {"max_tokens": True},
            "invalid_type",
            "input.max_tokens",
            INTEGER + "boolean",
        ),
        ({"temperature": 0}, "number_gte", "input.temperature", "Must be greater than or equal to 0.01"),
        (
            {"stop": ["a", 1]},
            "invalid_type",
            "input.stop.1",
            STRING + "integer",
        ),
        ({"name": "abcde"}, "string_lte", "input.name", "String length must be less than or equal to 4"),
        ({"name": "a"}, "string_gte", "input.name", "String length must be greater than or equal to 2"),
        ({"mode": "huge"}, "enum", "input.mode", 'input.mode must be one of the following: "fast", "slow"'),
    ],
)
async def test_an_input_must_fit_the_models_schema(
    input: dict[str, Any], kind: str, field: str, description: str
) -> None:
    async with serving(llama(schema=SCHEMA)) as (local, client):
        refused = await client.post(LLAMA, {"input": {"prompt": "", **input}})
        assert (refused.status, refused.json["title"]) == (422, "Input validation failed")
        assert refused.json["invalid_fields"] == [{"type": kind, "field": field, "description": description}]
        assert refused.json["detail"] == f"- {field}: {description}\n"
        assert not local.predictions


@pytest.mark.anyio
async def test_what_the_schema_requires_must_be_there() -> None:
    async with serving(llama(schema=SCHEMA)) as (_, client):
        refused = await client.post(LLAMA, {"input": {"max_tokens": 0}})
        assert refused.json["detail"] == (
            "- input: prompt is required\n- input.max_tokens: Must be greater than or equal to 1\n"
        )


@pytest.mark.anyio
async def test_a_name_that_the_schema_does_not_have_is_taken_unless_it_says_otherwise() -> None:
    asked = {"input": {"prompt": "", "seed": 1}}
    async with serving(llama(schema=SCHEMA)) as (_, client):
        assert (await client.post(LLAMA, asked)).status == 201
    closed = {**SCHEMA, "Input": {**SCHEMA["Input"], "additionalProperties": False}}
    async with serving(llama(schema=closed)) as (local, client):
        refused = await client.post(LLAMA, asked)
        field = ("additional_property_not_allowed", "input", "Additional property seed is not allowed")
        expected = dict(zip(("type", "field", "description"), field, strict=True))
        assert (refused.status, refused.json["invalid_fields"]) == (422, [expected])
        assert not local.predictions


@pytest.mark.anyio
async def test_a_fitting_input_is_taken() -> None:
    input = {"prompt": "", "max_tokens": 5.0, "temperature": 1, "stop": [], "name": None, "mode": "slow"}
    async with serving(llama(schema=SCHEMA)) as (_, client):
        assert (await client.post(LLAMA, {"input": input})).status == 201


@pytest.mark.anyio
async def test_community_models_ignore_what_they_do_not_know() -> None:
    model = LocalModel(owner="someone", name="chat", official=False, schema=SCHEMA)
    async with serving(model) as (_, client):
        body = {"version": model.version, "input": {"prompt": "", "color": "red"}}
        assert (await client.post("/predictions", body)).status == 201
        body = {"version": model.version, "input": {"prompt": "", "mode": "red"}}
        assert (await client.post("/predictions", body)).status == 422


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.none()
            | st.booleans()
            | st.integers(-2, 5000)
            | st.floats(-1, 2)
            | st.text("ab", max_size=6)
            | st.sampled_from(["fast", "slow"])
            | st.lists(st.just("a") | st.just(1), max_size=2)
            for name in ("prompt", "max_tokens", "temperature", "stop", "name", "mode")
        },
    )
)
def test_the_validator_agrees_with_jsonschema(input: dict[str, Any]) -> None:
    reference = json.loads(json.dumps(SCHEMA["Input"]).replace("#/components/schemas", "#/$defs"))
    reference["properties"]["name"]["type"] = ["string", "null"]  # which OpenAPI 3.0 spells `nullable`
    valid = jsonschema.Draft202012Validator({**reference, "$defs": SCHEMA}).is_valid(input)
    assert (not list(find_faults(SCHEMA["Input"], input, "input", SCHEMA))) == valid


def test_recorded_inputs_fit_the_schemas_they_were_run_with() -> None:
    checked = 0
    for model in models():
        schemas = components(model)
        input = model["ran_with"]
        reference = json.loads(json.dumps(schemas["Input"]).replace("#/components/schemas", "#/$defs"))
        valid = jsonschema.Draft202012Validator({**reference, "$defs": schemas}).is_valid(input)
        assert (not list(find_faults(schemas["Input"], input, "input", schemas))) == valid, model["model"]
        checked += valid
    assert checked > 150


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/predictions/nothing", 404),
        ("POST", "/predictions/nothing/cancel", 404),
        ("GET", "/streams/nothing", 404),
        ("GET", "/models/meta/nothing", 404),
        ("GET", "/models/meta/nothing/versions", 404),
        ("GET", "/models/meta/llama/versions/nothing", 404),
        ("GET", "/deployments/acme/nothing", 404),
        ("GET", "/files/nothing", 404),
        ("DELETE", "/files/nothing", 404),
        ("POST", "/models/meta/nothing/predictions", 404),
        ("DELETE", "/predictions", 405),
        ("POST", "/account", 405),
        ("GET", "/", 404),
    ],
)
async def test_what_there_is_not(method: str, path: str, status: int) -> None:
    async with serving(llama()) as (_, client):
        refused = await client.send(method, path)
        assert refused.status == refused.json["status"] == status
        assert refused.headers["Content-Type"] == "application/problem+json"


@pytest.mark.anyio
async def test_creations_are_limited_apart_from_the_rest() -> None:
    async with serving(llama(), create_per_minute=6, other_per_minute=60) as (_, client):
        statuses = [(await client.create()).status for _ in range(8)]
        assert statuses == [201] * 6 + [429] * 2
        read = await client.get("/predictions")
        assert (read.status, read.headers["ratelimit-remaining"]) == (200, "59")


@pytest.mark.anyio
async def test_a_throttled_request_says_when_to_come_back() -> None:
    async with serving(llama(), create_per_minute=6, create_burst=1) as (_, client):
        first = await client.create()
        assert (first.headers["ratelimit-remaining"], first.headers["ratelimit-reset"]) == ("0", "10")
        await asyncio.sleep(2.5)
        throttled = await client.create()
        assert throttled.status == 429
        assert throttled.json == {"detail": "Request was throttled. Your rate limit resets in ~8s."}
        assert throttled.headers["Retry-After"] == throttled.headers["ratelimit-reset"] == "8"
        await asyncio.sleep(8)
        assert (await client.create()).status == 201


@pytest.mark.anyio
async def test_what_was_not_used_is_not_saved_up() -> None:
    async with serving(llama(), create_per_minute=60, create_burst=2) as (_, client):
        for _ in range(2):
            assert [(await client.create()).status for _ in range(3)] == [201, 201, 429]
            await asyncio.sleep(1000)


@pytest.mark.anyio
async def test_retry_after_is_not_always_there() -> None:
    async with serving(llama(), create_per_minute=1, retry_after=False) as (_, client):
        await client.create()
        throttled = await client.create()
        assert "Retry-After" not in throttled.headers
        assert throttled.headers["ratelimit-reset"] == "60"


@pytest.mark.anyio
async def test_tokens_have_limits_of_their_own() -> None:
    async with LocalReplicate([llama()], create_per_minute=1) as local:
        for token in ("a", "b"):
            async with connect(local, token) as client:
                assert [(await client.create()).status for _ in range(2)] == [201, 429]


@pytest.mark.anyio
async def test_every_answer_says_what_is_left() -> None:
    async with serving(llama()) as (_, client):
        created = await client.create()
        assert (created.headers["ratelimit-remaining"], created.headers["ratelimit-reset"]) == ("599", "1")
        for path in ("/predictions", "/account", "/models/meta/nothing"):
            assert (await client.get(path)).headers["ratelimit-remaining"] == "2999"

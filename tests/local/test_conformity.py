"""The stand-in against what is known of the service: its OpenAPI document and recorded traffic."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

import aiohttp
import pytest

from areplicate.local import LocalDeployment, LocalModel, LocalReplicate, language_model_schema
from areplicate.replicate.protocol.predictions import TERMINAL
from tests.local.client import Answer, Client, connect
from tests.recorded import contract, exchanges

if TYPE_CHECKING:
    from openapi_core import OpenAPI

pytestmark = pytest.mark.anyio

SDXL = "39ed52f2a78e934b3ba6e2a89f5b1c712de7dfea535525255b1aa35c5565e08b"
CHAT = "02e509c789964a7ea8736978a43525956ef40397be9033abf9fd2badfe68c9e3"
SCHEMA = language_model_schema({})
MODELS = (
    LocalModel(owner="stability-ai", name="sdxl", version=SDXL, schema=SCHEMA, official=False),
    LocalModel(owner="meta", name="llama-2-70b-chat", version=CHAT, schema=SCHEMA),
    LocalModel(owner="meta", name="meta-llama-3-8b-instruct", schema=SCHEMA, answers_early=True),
    LocalModel(owner="mattt", name="empty", schema={}),
)
DEPLOYMENTS = (LocalDeployment(owner="acme", name="chat", model="meta/llama-2-70b-chat"),)

ABSENT_TODAY = {"stream", "webhook_completed"}
"""Fields of the older recordings that Replicate has since given up."""

CONTRACT = contract()
NOT_SERVED = {
    "POST /models",
    "PATCH /models/{model_owner}/{model_name}",
    "DELETE /models/{model_owner}/{model_name}",
    "DELETE /models/{model_owner}/{model_name}/versions/{version_id}",
    "POST /deployments",
    "PATCH /deployments/{deployment_owner}/{deployment_name}",
    "DELETE /deployments/{deployment_owner}/{deployment_name}",
}
"""What changes the account: a stand-in's models and deployments are given when it is made."""


NO_TRAINING = {
    "GET /trainings/{training_id}",
    "POST /trainings/{training_id}/cancel",
    "POST /models/{model_owner}/{model_name}/versions/{version_id}/trainings",
}
"""Their answer is that there is none, which the contract has no word for."""


def mended(part: Any) -> Any:
    """The document as OpenAPI 3.1 wants it: `nullable` spelled as a type, no QUERY, and no choice between
    schemas that overlap (any version, or `hidden`)."""
    if isinstance(part, list):
        return [mended(item) for item in part]
    if not isinstance(part, dict):
        return part
    part = {name: mended(value) for name, value in part.items() if name != "query"}
    if "oneOf" in part:
        part["anyOf"] = part.pop("oneOf")
    if part.pop("nullable", False) is True:
        part["type"] = [part["type"], "null"]
    return part


@lru_cache
def contract_as_checks() -> OpenAPI:
    import openapi_core

    config = openapi_core.Config(extra_media_type_deserializers={"application/problem+json": json.loads})
    return openapi_core.OpenAPI.from_dict(mended(CONTRACT), config=config)


class Checked(Client):
    """A client whose every request and answer is checked against the contract."""

    answered: set[str]
    """The operations that answered: `GET /models/{model_owner}/{model_name}`."""

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        answer = await super().send(method, path, body, **headers)
        url = urlsplit(path if path.startswith("http") else self.base + path)
        if method != "QUERY":  # which the library does not know
            check(method, url, body, headers, answer)
        self.answered.add(operation_of(method, url.path.removeprefix("/v1")))
        return answer


def check(method: str, url: SplitResult, body: Any, headers: dict[str, str], answer: Answer) -> None:
    from openapi_core.testing import MockRequest, MockResponse

    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    response = MockResponse(answer.body, answer.status, content_type=kind)
    data = json.dumps(body).encode() if isinstance(body, dict) else None
    request = MockRequest(
        "https://api.replicate.com",
        method.lower(),
        url.path,
        args=dict(parse_qsl(url.query)),
        headers={"Authorization": "Bearer r8_test", **{n.replace("_", "-"): v for n, v in headers.items()}},
        data=data,
    )
    if not isinstance(body, aiohttp.FormData):
        contract_as_checks().validate_request(request)
    contract_as_checks().validate_response(request, response)


def operation_of(method: str, path: str) -> str:
    """The contract's name for what is asked: literal segments win over placeholders."""
    fitting = [
        template
        for template, operations in CONTRACT["paths"].items()
        if method.lower() in operations and re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path)
    ]
    return f"{method} {min(fitting, key=lambda template: template.count('{'))}"


async def test_every_operation_answers_as_the_contract_says() -> None:
    async with LocalReplicate(MODELS, DEPLOYMENTS) as local, connect(local) as plain:
        client = Checked(plain.session, plain.base)
        client.answered = set()
        await ask_for_everything(client)
    operations = {
        f"{method.upper()} {path}" for path, methods in CONTRACT["paths"].items() for method in methods
    }
    assert client.answered == operations - NOT_SERVED - NO_TRAINING


async def ask_for_everything(client: Checked) -> None:
    for path in (
        "/account",
        "/collections",
        "/collections/language-models",
        "/deployments",
        "/deployments/acme/chat",
        "/files",
        "/hardware",
        "/models",
        "/models?sort_by=model_created_at&sort_direction=asc",
        "/models/mattt/empty",
        "/models/meta/llama-2-70b-chat",
        "/models/meta/llama-2-70b-chat/examples",
        "/models/meta/llama-2-70b-chat/readme",
        "/models/meta/llama-2-70b-chat/versions",
        f"/models/meta/llama-2-70b-chat/versions/{CHAT}",
        "/search?query=llama",
        "/search?query=official&limit=1",
        "/trainings",
        "/webhooks/default/secret",
    ):
        assert (await client.get(path)).status == 200, path
    assert (await client.send("QUERY", "/models", b"llama", Content_Type="text/plain")).status == 200
    by_version = {"version": SDXL, "input": {"prompt": "Hi"}, "webhook": "https://example.com/hook"}
    for created in (
        await client.post("/predictions", by_version, Content_Type="application/json"),
        await client.create(path="/models/meta/llama-2-70b-chat/predictions", Prefer="wait=5"),
        await client.create(path="/deployments/acme/chat/predictions", Prefer="wait", Cancel_After="1h30m"),
    ):
        assert created.status == 201
        assert (await client.get(created.json["urls"]["get"])).status == 200
        assert (await client.post(created.json["urls"]["cancel"])).status == 200
    assert (await client.get("/predictions")).status == 200
    assert (await client.get("/predictions?created_after=2025-01-01T00:00:00Z&source=web")).status == 200
    form = aiohttp.FormData()
    form.add_field("content", b"It is a file.", filename="a.txt", content_type="text/plain")
    file = (await client.post("/files", form)).json
    assert (await client.get(file["urls"]["get"])).status == 200
    assert (await client.get(f"/files/{file['id']}/download?owner=local&expiry=1&signature=x")).status == 404
    assert (await client.send("DELETE", file["urls"]["get"])).status == 204
    assert (await client.get(file["urls"]["get"])).status == 404


@pytest.mark.parametrize("operation", sorted(NOT_SERVED | NO_TRAINING))
async def test_what_it_does_not_do_is_refused(operation: str) -> None:
    method, template = operation.split()
    path = re.sub(r"{\w+}", "x", template)
    async with LocalReplicate(MODELS, DEPLOYMENTS) as local, connect(local) as client:
        assert (await client.send(method, path, {})).status == (404 if operation in NO_TRAINING else 405)


async def test_predictions_have_every_field_of_the_contract() -> None:
    known = CONTRACT["components"]["schemas"]["schemas_prediction_response"]
    async with LocalReplicate(MODELS, DEPLOYMENTS) as local, connect(local) as client:
        made = await client.create(
            path="/deployments/acme/chat/predictions", Prefer="wait", Cancel_After="90"
        )
        assert made.json.keys() == known["properties"].keys()
        assert made.json["urls"].keys() == known["properties"]["urls"]["properties"].keys()
        assert set(known["properties"]["status"]["enum"]) == TERMINAL | {"starting", "processing"}


async def test_a_prediction_that_did_not_start_in_time_is_aborted() -> None:
    model = LocalModel(owner="a", name="b", boot_seconds=60)
    async with LocalReplicate([model]) as local, connect(local) as client:
        made = await client.create(path="/models/a/b/predictions", Cancel_After="5s")
        await asyncio.sleep(6)
        ended = (await client.get(made.json["urls"]["get"])).json
        assert (ended["status"], ended["output"], "started_at" in ended) == ("aborted", None, False)


def missing(known: Any, served: Any, where: str) -> Iterator[str]:
    """Where `served` lacks a field of `known`, or has another type there; null goes with any type."""
    if known is None or served is None:
        return
    if isinstance(known, dict) and isinstance(served, dict):
        for name in known.keys() - served.keys() - ABSENT_TODAY:
            yield f"{where}.{name} is missing"
        for name in known.keys() & served.keys() - {"input", "output", "openapi_schema"}:
            yield from missing(known[name], served[name], f"{where}.{name}")
    elif isinstance(known, list) and isinstance(served, list):
        if known and served:
            yield from missing(known[0], served[0], f"{where}[0]")
    elif {type(known), type(served)} > {int, float}:
        return
    elif type(known) is not type(served):
        yield f"{where} is a {type(served).__name__}, not a {type(known).__name__}"


@pytest.mark.parametrize(
    "recording",
    [
        "file-operations",
        "hardware-list",
        "models-get",
        "models_predictions_create_blocking-True-10",
        "predictions-create",
        "predictions-get",
        "predictions-stream",
        "predictions_cancel-True",
        "predictions_create_by_model-True",
        "run",
        "trainings-create-invalid-destination",
    ],
)
async def test_recorded_traffic_replays(recording: str) -> None:
    async with LocalReplicate(MODELS) as local, connect(local) as client:
        ids: dict[str, str] = {}
        for exchange in exchanges(recording):
            request, recorded = exchange["request"], exchange["response"]
            path = urlsplit(request["url"]).path.removeprefix("/v1")
            if path.startswith("/predictions/") and (id := path.split("/")[2]) not in ids:
                body = {"version": SDXL, "input": recorded["body"]["input"]}
                ids[id] = (await client.post("/predictions", body, Prefer="wait")).json["id"]
            for known, ours in ids.items():
                path = path.replace(known, ours)
            content = request["body"].encode() if isinstance(request["body"], str) else request["body"]
            headers = {
                name.replace("-", "_"): value
                for name, value in request["headers"].items()
                if name in ("prefer", "content-type", "accept")
            }
            answer = await client.send(request["method"], path, content, **headers)
            where = f"{request['method']} {path}"
            assert answer.status == recorded["status"], where
            if recorded["body"] is None:
                assert not answer.body
                continue
            served = answer.json
            if isinstance(served, list):
                assert not list(missing(recorded["body"], served, where))
                continue
            if served.get("status") == recorded["body"].get("status"):
                assert not list(missing(recorded["body"], served, where))
            for header in ("preference-applied", "ratelimit-reset"):
                if header in recorded["headers"]:
                    assert answer.headers[header] == recorded["headers"][header], where
            if "id" in served:
                ids[recorded["body"]["id"]] = served["id"]


async def test_the_recorded_early_answer() -> None:
    recorded = exchanges("models_predictions_create_blocking-True-10")[0]["response"]
    model = LocalModel(
        owner="meta",
        name="meta-llama-3-8b-instruct",
        reply=recorded["body"]["output"],
        run_seconds=2,
        answers_early=True,
        shown_as=("meta/meta-llama-3-8b-instruct", "dp-a557b7387b4940df25b23f779dc534c4"),
    )
    async with LocalReplicate([model]) as local, connect(local) as client:
        path = "/models/meta/meta-llama-3-8b-instruct/predictions"
        answer = await client.create("text", path=path, Prefer="wait=10")
        assert answer.status == recorded["status"]
        own = {"id", "created_at", "urls", "source", "started_at"}
        same = {name: value for name, value in answer.json.items() if name not in own}
        assert same == {name: value for name, value in recorded["body"].items() if name not in own}

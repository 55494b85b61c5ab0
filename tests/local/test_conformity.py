"""The stand-in against what is known of the service: its OpenAPI document and recorded traffic."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from areplicate.local import LocalDeployment, LocalModel, LocalReplicate, language_model_schema
from tests.local.client import Answer, Client, connect

pytestmark = pytest.mark.anyio

SDXL = "39ed52f2a78e934b3ba6e2a89f5b1c712de7dfea535525255b1aa35c5565e08b"
CHAT = "02e509c789964a7ea8736978a43525956ef40397be9033abf9fd2badfe68c9e3"
SCHEMA = language_model_schema({})
MODELS = (
    LocalModel(owner="stability-ai", name="sdxl", version=SDXL, schema=SCHEMA, official=False),
    LocalModel(owner="meta", name="llama-2-70b-chat", version=CHAT, schema=SCHEMA),
    LocalModel(owner="meta", name="meta-llama-3-8b-instruct", schema=SCHEMA, answers_early=True),
    LocalModel(owner="mattt", name="empty"),
)
DEPLOYMENTS = (LocalDeployment(owner="acme", name="chat", model="meta/llama-2-70b-chat"),)

ABSENT_TODAY = {"stream", "webhook_completed"}
"""Fields of the older recordings that Replicate has since given up."""


@pytest.fixture(scope="session")
def document(shared_data: Path) -> dict[str, Any]:
    document: dict[str, Any] = mended(yaml.safe_load((shared_data / "replicate-openapi.yml").read_text()))
    return document


def mended(part: Any) -> Any:
    """The document as OpenAPI 3.1 wants it: `nullable` spelled as a type, and without its QUERY operation."""
    if isinstance(part, list):
        return [mended(item) for item in part]
    if not isinstance(part, dict):
        return part
    part = {name: mended(value) for name, value in part.items() if name != "query"}
    if part.pop("nullable", False) is True:
        part["type"] = [part["type"], "null"]
    return part


class Checked(Client):
    """A client whose every request and answer is checked against the OpenAPI document."""

    openapi: OpenAPI

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        answer = await super().send(method, path, body, **headers)
        url = urlsplit(path if path.startswith("http") else self.base + path)
        named = {"Authorization": "Bearer r8_test"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body).encode()
        request = MockRequest("https://api.replicate.com", method.lower(), url.path, headers=named, data=data)
        kind = answer.headers["Content-Type"].partition(";")[0]
        self.openapi.validate_request(request)
        self.openapi.validate_response(request, MockResponse(answer.body, answer.status, content_type=kind))
        return answer


async def test_every_documented_answer_is_as_documented(document: dict[str, Any]) -> None:
    async with LocalReplicate(MODELS, DEPLOYMENTS) as local, connect(local) as plain:
        client = Checked(plain.session, plain.base)
        client.openapi = OpenAPI.from_dict(document)
        for path in (
            "/account",
            "/models",
            "/models/meta/llama-2-70b-chat",
            "/models/meta/llama-2-70b-chat/versions",
            f"/models/meta/llama-2-70b-chat/versions/{CHAT}",
            "/deployments",
            "/deployments/acme/chat",
            "/webhooks/default/secret",
        ):
            assert (await client.get(path)).status == 200
        by_version = {"version": SDXL, "input": {"prompt": "Hi"}, "webhook": "https://example.com/hook"}
        for created in (
            await client.post("/predictions", by_version),
            await client.create(path="/models/meta/llama-2-70b-chat/predictions", Prefer="wait=5"),
            await client.create(path="/deployments/acme/chat/predictions", Prefer="wait"),
        ):
            assert created.status == 201
            assert (await client.get(created.json["urls"]["get"])).status == 200
            assert (await client.post(created.json["urls"]["cancel"])).status == 200
        assert (await client.get("/predictions")).status == 200


async def test_every_documented_example_has_the_fields_that_are_served(document: dict[str, Any]) -> None:
    """The document has no schema for these answers, but a whole example in each description."""
    async with LocalReplicate(MODELS, DEPLOYMENTS) as local, connect(local) as client:
        body = {"version": SDXL, "input": {"prompt": "Hi"}}
        done = (await client.post("/predictions", body, Prefer="wait")).json
        model, name = "/models/stability-ai/sdxl", "/models/{model_owner}/{model_name}"
        deployment = "/deployments/{deployment_owner}/{deployment_name}"
        for operation, served in (
            ("/predictions/{prediction_id} get", (await client.get(done["urls"]["get"])).json),
            ("/predictions get", (await client.get("/predictions")).json),
            ("/account get", (await client.get("/account")).json),
            ("/deployments get", (await client.get("/deployments")).json),
            (f"{deployment} get", (await client.get("/deployments/acme/chat")).json),
            (f"{name} get", (await client.get(model)).json),
            (f"{name}/versions get", (await client.get(f"{model}/versions")).json),
            (f"{name}/versions/{{version_id}} get", (await client.get(f"{model}/versions/{SDXL}")).json),
        ):
            path, method = operation.split()
            known = example(document["paths"][path][method]["description"])
            assert not list(missing(known, served, operation))


def example(description: str) -> Any:
    """The first JSON in a description; it may have a comma too many, or dots where more would be."""
    text = re.findall(r"```json\n(.*?)```", description, re.DOTALL)[0]
    text = re.sub(r",(\s*[}\]])", r"\1", text).replace("{...}", "null")
    return json.loads(text)


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
        "models-get",
        "models_predictions_create_blocking-True-10",
        "predictions-create",
        "predictions-get",
        "predictions-stream",
        "predictions_cancel-True",
        "predictions_create_by_model-True",
        "run",
    ],
)
async def test_recorded_traffic_replays(recording: str, shared_data: Path) -> None:
    exchanges = json.loads((shared_data / "recorded" / f"{recording}.json").read_text())
    async with LocalReplicate(MODELS) as local, connect(local) as client:
        ids: dict[str, str] = {}
        for exchange in exchanges:
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
            if served.get("status") == recorded["body"].get("status"):
                assert not list(missing(recorded["body"], served, where))
            for header in ("preference-applied", "ratelimit-reset"):
                if header in recorded["headers"]:
                    assert answer.headers[header] == recorded["headers"][header], where
            if "id" in served:
                ids[recorded["body"]["id"]] = served["id"]


async def test_the_recorded_early_answer(shared_data: Path) -> None:
    recording = shared_data / "recorded" / "models_predictions_create_blocking-True-10.json"
    recorded = json.loads(recording.read_text())[0]["response"]
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
        answer = await client.create("Please write a haiku about llamas", path=path, Prefer="wait=10")
        assert answer.status == recorded["status"]
        own = {"id", "created_at", "urls", "source", "started_at"}
        same = {name: value for name, value in answer.json.items() if name not in own}
        assert same == {name: value for name, value in recorded["body"].items() if name not in own}

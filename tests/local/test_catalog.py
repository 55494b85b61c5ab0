"""The stand-in's models, versions, deployments, files and accounts, and the defaults."""

from __future__ import annotations

import base64
import hashlib
import os

import aiohttp
import pytest

from areplicate.local import (
    DEFAULT_DEPLOYMENTS,
    DEFAULT_MODELS,
    LocalModel,
    LocalReplicate,
    language_model_schema,
)
from tests.local.client import connect, llama, serving

pytestmark = pytest.mark.anyio

SCHEMA = language_model_schema({"top_k": {"type": "integer"}})


async def test_a_model_publishes_its_schemas() -> None:
    async with serving(llama(schema=SCHEMA)) as (_, client):
        model = (await client.get("/models/meta/llama")).json
        assert (model["owner"], model["name"], model["is_official"]) == ("meta", "llama", True)
        version = model["latest_version"]
        assert version["openapi_schema"]["components"]["schemas"] == SCHEMA
        assert (await client.get(f"/models/meta/llama/versions/{version['id']}")).json == version
        assert (await client.get("/models/meta/llama/versions")).json["results"] == [version]
        assert (await client.get("/models")).json["results"] == [model]


async def test_a_model_may_publish_no_schema() -> None:
    async with serving(llama()) as (_, client):
        assert (await client.get("/models/meta/llama")).json["latest_version"]["openapi_schema"] is None


async def test_a_model_with_several_versions() -> None:
    versions = [llama(version=digit * 64, reply=[digit]) for digit in "ab"]
    async with serving(*versions) as (_, client):
        listed = (await client.get("/models/meta/llama/versions")).json["results"]
        assert [version["id"][0] for version in listed] == ["b", "a"]
        assert (await client.create(Prefer="wait")).json["output"] == ["b"]
        body = {"version": "a" * 64, "input": {}}
        assert (await client.post("/predictions", body, Prefer="wait")).json["output"] == ["a"]
        assert (await client.get("/models/meta/llama/versions/" + "c" * 64)).status == 404


async def test_files_are_kept_and_deleted() -> None:
    content = os.urandom(300_000) + b"\r\n--not a boundary\r\n\r\n\x00\r\r\n"
    form = aiohttp.FormData()
    form.add_field("metadata", "{}", content_type="application/json")
    form.add_field("content", content, filename="input.bin", content_type="application/octet-stream")
    async with serving(llama()) as (local, client), connect(local, "r8_b") as other:
        uploaded = await client.post("/files", form)
        assert uploaded.status == 201
        file = uploaded.json
        assert (file["name"], file["content_type"]) == ("input.bin", "application/octet-stream")
        assert file["size"] == len(content)
        assert file["checksums"]["sha256"] == hashlib.sha256(content).hexdigest()
        assert (await client.get(file["urls"]["get"])).json == file
        assert (await client.get("/files")).json["results"] == [file]
        assert (await other.get(file["urls"]["get"])).status == 404
        assert (await other.get("/files")).json["results"] == []
        assert (await client.send("DELETE", file["urls"]["get"])).status == 204
        assert (await client.get(file["urls"]["get"])).status == 404


async def test_an_upload_needs_content() -> None:
    form = aiohttp.FormData({"other": "x"}, default_to_multipart=True)
    async with serving(llama()) as (_, client):
        assert (await client.post("/files", form)).status == 422
        assert (await client.post("/files", {"content": "x"})).status == 422


async def test_the_webhook_secret_is_a_key_for_its_token() -> None:
    async with serving(llama()) as (local, client), connect(local, "r8_b") as other:
        key = (await client.get("/webhooks/default/secret")).json["key"]
        prefix, _, secret = key.partition("_")
        assert prefix == "whsec"
        assert len(base64.b64decode(secret, validate=True)) == 24
        assert (await client.get("/webhooks/default/secret")).json["key"] == key
        assert (await other.get("/webhooks/default/secret")).json["key"] != key


async def test_the_account() -> None:
    async with serving(llama()) as (_, client):
        assert (await client.get("/account")).json["type"] == "user"


@pytest.mark.parametrize("model", DEFAULT_MODELS, ids=lambda model: model.name)
async def test_every_default_model_runs(model: LocalModel) -> None:
    async with LocalReplicate() as local, connect(local) as client:
        input = {"prompt": "What is new?"}
        if model.official:
            created = await client.post(
                f"/models/{model.full_name}/predictions", {"input": input}, Prefer="wait"
            )
        else:
            created = await client.post(
                "/predictions", {"version": model.version, "input": input}, Prefer="wait"
            )
        assert created.json["status"] == ("failed" if model.failure else "succeeded")
        assert model.failure or "What is new?" in "".join(created.json["output"])


async def test_every_default_deployment_runs() -> None:
    async with LocalReplicate() as local, connect(local) as client:
        listed = (await client.get("/deployments")).json["results"]
        assert len(listed) == len(DEFAULT_DEPLOYMENTS) > 0
        for deployment in listed:
            path = f"/deployments/{deployment['owner']}/{deployment['name']}/predictions"
            assert (await client.create(path=path, Prefer="wait")).json["status"] == "succeeded"

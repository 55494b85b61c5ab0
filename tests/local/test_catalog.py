"""The stand-in's models, versions, deployments, files and accounts, and the defaults."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
from datetime import datetime
from urllib.parse import quote

import aiohttp
import pytest

from areplicate.local import (
    DEFAULT_DEPLOYMENTS,
    DEFAULT_MODELS,
    LocalModel,
    LocalReplicate,
    language_model_schema,
)
from tests.local.client import LLAMA, Client, connect, llama, serving

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
    async with serving(llama(schema={})) as (_, client):
        assert (await client.get("/models/meta/llama")).json["latest_version"]["openapi_schema"] is None
        assert (await client.post(LLAMA, {"input": {"anything": "goes"}})).status == 201


@pytest.mark.parametrize("kind", ["list", "string"])
async def test_a_model_whose_schema_nobody_gave_publishes_a_usual_one_and_takes_anything(kind: str) -> None:
    async with serving(llama(output_kind=kind)) as (_, client):
        version = (await client.get("/models/meta/llama")).json["latest_version"]
        schemas = version["openapi_schema"]["components"]["schemas"]
        assert {"prompt", "max_tokens", "temperature"} <= schemas["Input"]["properties"].keys()
        assert schemas["Output"]["type"] == {"list": "array", "string": "string"}[kind]
        assert (await client.post(LLAMA, {"input": {"anything": "goes"}})).status == 201


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


def many(count: int) -> list[LocalModel]:
    return [LocalModel(owner="o", name=f"m{number:02}", description="A model") for number in range(count)]


async def test_models_come_a_page_at_a_time_in_the_order_that_was_asked_for() -> None:
    older, newer = (LocalModel(owner="o", name="m00", version=digit * 64) for digit in "ab")
    async with serving(older, *many(60)[1:], newer) as (_, client):
        assert await names_on_all_pages(client, "/models?sort_direction=asc") == [
            *(f"m{number:02}" for number in range(1, 60)),
            "m00",
        ]
        made = [f"m{number:02}" for number in range(60)]
        assert await names_on_all_pages(client, "/models?sort_by=model_created_at") == made[::-1]
        first = (await client.get("/models")).json
        assert (first["previous"], len(first["results"])) == (None, 25)
        second = (await client.get(first["next"])).json
        assert (await client.get(second["previous"])).json == first
        for wrong in ("sort_by=name", "sort_direction=up"):
            assert (await client.get(f"/models?{wrong}")).status == 422
        assert (await client.get("/models?cursor=x")).status == 404


async def names_on_all_pages(client: Client, url: str | None) -> list[str]:
    names: list[str] = []
    while url is not None:
        page = (await client.get(url)).json
        names += [model["name"] for model in page["results"]]
        url = page["next"]
    return names


async def test_models_are_found_by_their_words() -> None:
    pirate = LocalModel(owner="sea", name="parrot", description="Talks like a pirate", official=False)
    async with serving(llama(), pirate) as (_, client):
        for text, names in (
            ("PIRATE", ["parrot"]),
            ("pirate talks", ["parrot"]),
            ("pirate meta", []),
            ("sea/parrot", ["parrot"]),
        ):
            found = (await client.get(f"/search?query={text.replace(' ', '+')}")).json
            assert [one["model"]["name"] for one in found["models"]] == names
            for body in (text, f'"{text}"'):  # Replicate's own clients send it in quotes
                queried = await client.send("QUERY", "/models", body.encode(), Content_Type="text/plain")
                assert [one["name"] for one in queried.json["results"]] == names
        [found] = (await client.get("/search?query=parrot")).json["models"]
        assert found["model"] == (await client.get("/models/sea/parrot")).json
        assert found["metadata"]["tags"] == ["language-models", "community"]
        assert len((await client.get("/search?query=a&limit=1")).json["models"]) == 1
        for limit in ("0", "51", "many"):
            assert (await client.get(f"/search?query=a&limit={limit}")).status == 422
        assert (await client.get("/search")).status == 400


async def test_collections_hold_the_models_of_a_kind() -> None:
    community = LocalModel(owner="sea", name="parrot", official=False)
    async with serving(llama(), community) as (_, client):
        slugs = [one["slug"] for one in (await client.get("/collections")).json["results"]]
        assert slugs == ["language-models", "official", "community"]
        [model] = (await client.get("/collections/community")).json["models"]
        assert model == (await client.get("/models/sea/parrot")).json
        assert (await client.get("/collections/none")).status == 404
        [collection] = (await client.get("/search?query=official")).json["collections"]
        assert collection["models"] == ["meta/llama"]


async def test_a_file_keeps_its_metadata_and_is_downloaded_by_a_signed_url() -> None:
    form = aiohttp.FormData()
    form.add_field("metadata", '{"row": 7}', content_type="application/json")
    form.add_field("content", b"one\r\ntwo", filename="a.txt", content_type="text/plain")
    async with serving(llama()) as (local, client), connect(local, None) as stranger:
        file = (await client.post("/files", form)).json
        assert file["metadata"] == {"row": 7}
        key = (await client.get("/webhooks/default/secret")).json["key"].removeprefix("whsec_")
        expiry = int(datetime.fromisoformat(file["created_at"].replace("Z", "+00:00")).timestamp()) + 60
        signed = f"local {file['id']} {expiry}".encode()
        signature = base64.b64encode(
            hmac.new(base64.b64decode(key), signed, hashlib.sha256).digest()
        ).decode()
        path = f"/files/{file['id']}/download?owner=local&expiry={expiry}"
        assert (await stranger.get(f"{path}&signature={quote(signature, safe='')}")).body == b"one\r\ntwo"
        assert (await stranger.get(f"{path}&signature=x")).status == 404
        assert (await stranger.get(path.replace("local", "other") + f"&signature={signature}")).status == 404
        await asyncio.sleep(61)
        assert (await stranger.get(f"{path}&signature={quote(signature, safe='')}")).status == 404
        await asyncio.sleep(24 * 3600)
        assert (await client.get(file["urls"]["get"])).status == 404
        assert (await client.get("/files")).json["results"] == []


async def test_metadata_must_be_an_object() -> None:
    form = aiohttp.FormData()
    form.add_field("metadata", "[1]", content_type="application/json")
    form.add_field("content", b"x", filename="a.txt")
    async with serving(llama()) as (_, client):
        assert (await client.post("/files", form)).status == 422

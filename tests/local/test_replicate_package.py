"""Replicate's own Python client against the stand-in, over real sockets and in real time."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest

from areplicate.local import LocalDeployment, LocalModel, LocalReplicate, language_model_schema
from tests.lazily import Lazily

if TYPE_CHECKING:
    from replicate.client import Client
replicate: Any = Lazily("replicate")

SCHEMA = language_model_schema({"max_tokens": {"type": "integer", "minimum": 1}})
REPLY = ["Llamas", " hum", "", ",\n", "softly"]
TEXT = "".join(REPLY)
CHAT = LocalModel(owner="someone", name="chat", official=False, reply=REPLY, run_seconds=0.02, schema=SCHEMA)
MODELS = (
    LocalModel(owner="meta", name="llama", reply=REPLY, boot_seconds=0.02, run_seconds=0.02, schema=SCHEMA),
    LocalModel(owner="meta", name="early", reply=REPLY, run_seconds=0.02, answers_early=True, schema=SCHEMA),
    LocalModel(owner="meta", name="slow", reply=REPLY, boot_seconds=100, schema=SCHEMA),
    LocalModel(owner="meta", name="failing", failure="out of memory", schema=SCHEMA),
    CHAT,
)
DEPLOYMENTS = (LocalDeployment(owner="acme", name="chat", model="meta/llama"),)


@pytest.fixture(scope="module")
def local() -> Iterator[LocalReplicate]:
    with LocalReplicate(MODELS, DEPLOYMENTS) as local:
        yield local


@pytest.fixture
def client(local: LocalReplicate) -> Iterator[Client]:
    client = replicate.Client(api_token="r8_test", base_url=local.api_base.removesuffix("/v1"))
    client.poll_interval = 0.005
    yield client
    client._client.close()


def test_it_runs_every_kind_of_model(client: Client) -> None:
    input = {"prompt": "Please write a haiku about llamas"}
    for ref in ("meta/llama", "meta/early", f"someone/chat:{CHAT.version}"):
        assert "".join(client.run(ref, input=input)) == TEXT
    assert "".join(client.run("meta/llama", input=input, wait=False)) == TEXT


def test_it_learns_of_a_failure(client: Client) -> None:
    with pytest.raises(replicate.exceptions.ModelError, match="out of memory"):
        client.run("meta/failing", input={"prompt": "Hi"})


def test_it_learns_why_it_is_refused(client: Client) -> None:
    with pytest.raises(replicate.exceptions.ReplicateError, match="Must be greater than or equal to 1"):
        client.run("meta/llama", input={"max_tokens": 0})
    with pytest.raises(replicate.exceptions.ReplicateError, match="could not be found"):
        client.run("someone/chat", input={"prompt": "Hi"})


def test_it_streams(client: Client) -> None:
    events = list(client.stream("meta/llama", input={"prompt": "Hi"}))
    assert "".join(str(event) for event in events) == TEXT
    assert events[-1].event.value == "done"


def test_it_watches_and_cancels(client: Client) -> None:
    prediction = client.models.predictions.create("meta/slow", input={"prompt": "Hi"})
    statuses = [prediction.status]
    prediction.cancel()
    prediction.reload()
    assert [*statuses, prediction.status] == ["starting", "canceled"]


def test_it_waits(client: Client) -> None:
    prediction = client.predictions.create(CHAT.version, input={"prompt": "Hi"})
    prediction.wait()
    assert (prediction.status, prediction.output) == ("succeeded", REPLY)


def test_it_runs_a_deployment(client: Client) -> None:
    deployment = client.deployments.get("acme/chat")
    assert deployment.current_release is not None
    assert deployment.current_release.model == "meta/llama"
    prediction = deployment.predictions.create(input={"prompt": "Hi"})
    prediction.wait()
    assert prediction.output == REPLY
    assert [d.name for d in client.deployments.list()] == ["chat"]


def test_it_lists(client: Client, local: LocalReplicate) -> None:
    for _ in range(101):
        client.models.predictions.create("meta/llama", input={"prompt": "Hi"})
    first = client.predictions.list()
    assert len(first.results) == 100
    assert first.next is not None
    second = client.predictions.list(first.next)
    listed = [prediction.id for prediction in (*first.results, *second.results)]
    assert listed == list(local.predictions)[::-1][: len(listed)]


def test_it_reads_models_versions_and_accounts(client: Client) -> None:
    model = client.models.get("someone/chat")
    assert model.latest_version is not None
    assert model.latest_version.id == CHAT.version
    assert [version.id for version in model.versions.list()] == [CHAT.version]
    assert model.versions.get(CHAT.version).openapi_schema["components"]["schemas"] == SCHEMA
    assert client.accounts.current().username == "local"
    assert client.webhooks.default.secret().key.startswith("whsec_")


def test_it_uploads(client: Client) -> None:
    content = io.BytesIO(b"some\r\nbytes\x00")
    content.name = "input.txt"
    file = client.files.create(content)
    assert (file.size, file.name) == (12, "input.txt")
    assert client.files.get(file.id).checksums == file.checksums
    client.files.delete(file.id)
    assert client.files.list() == []


def test_from_asyncio(local: LocalReplicate) -> None:
    async def main() -> None:
        client = replicate.Client(api_token="r8_test", base_url=local.api_base.removesuffix("/v1"))
        outputs = await asyncio.gather(
            *(client.async_run("meta/llama", input={"prompt": str(n)}) for n in range(20))
        )
        assert {"".join(cast("list[str]", output)) for output in outputs} == {TEXT}
        events = [event async for event in await client.async_stream("meta/llama", input={"prompt": "Hi"})]
        assert "".join(map(str, events)) == TEXT
        await client._async_client.aclose()

    asyncio.run(main())

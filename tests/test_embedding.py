"""Embeddings: texts in by whichever input the model has, vectors out of whatever it gives."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest

from areplicate import BadRequestError, PredictionFailedError
from areplicate.chat.embeddings import EmbeddingResponse, read_vectors
from areplicate.local import LocalModel, LocalReplicate
from areplicate.local.components import component_schemas
from tests.gateway.process import MASTER, UPSTREAM_KEY, gateway
from tests.lazily import openai
from tests.stage import LLAMA, llama, sent, stage

pytestmark = pytest.mark.anyio
STRING = {"type": "string"}
MODEL = "acme/embeds"


def vector(text: str) -> list[float]:
    return [float(len(text)), 0.5]


def model(properties: Any, reply: Any, **options: Any) -> LocalModel:
    schema = component_schemas({"properties": properties, "required": []}, {"type": "array", "items": {}})
    return LocalModel(
        owner="acme", name="embeds", reply=reply, output_kind="object", schema=schema, **options
    )


def single(input: dict[str, Any]) -> Any:
    return {"embedding": vector(input["text"])}


KINDS = {
    "one text": (model({"text": STRING}, single), 2),
    "a list": (
        model(
            {"texts": {"type": "array", "items": STRING}},
            lambda input: {"vectors": [vector(text) for text in input["texts"]]},
        ),
        1,
    ),
    "a list as text": (
        model(
            {"texts": STRING},
            lambda input: {"data": [{"embedding": vector(text)} for text in json.loads(input["texts"])]},
        ),
        1,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_texts_go_in_as_the_model_takes_them(kind: str) -> None:
    embeds, predictions = KINDS[kind]
    async with stage(embeds) as (local, router):
        response = await router.aembedding(MODEL, ["Hello", "dear world"])
        assert [each.embedding for each in response.data] == [vector("Hello"), vector("dear world")]
        assert [each.index for each in response.data] == [0, 1]
        assert len(sent(local)) == len(response.replicate) == predictions
        assert response.usage.prompt_tokens == 5 and response["object"] == "list"


async def test_base64_is_32_bit_floats() -> None:
    async with stage(KINDS["one text"][0]) as (_, router):
        response = await router.aembedding(MODEL, "Hello", encoding_format="base64")
    encoded = response.data[0].embedding
    assert isinstance(encoded, str)
    assert list(struct.unpack("<2f", base64.b64decode(encoded))) == vector("Hello")


@pytest.mark.parametrize(
    ("output", "count"),
    [
        ([0.1, 2], 1),
        ([[0.1, 2.0]], 1),
        ([{"embedding": [1, 2]}, {"embedding": [3, 4]}], 2),
        ({"text": "x", "vectors": [[1, 2], [3, 4]]}, 2),
        ("[[1, 2], [3, 4]]", 2),
        ([{"input": "x", "embedding": [1, 2]}], 1),
    ],
)
def test_vectors_are_found_wherever_they_stand(output: Any, count: int) -> None:
    assert len(read_vectors(output, count, MODEL)) == count


async def test_a_model_that_does_not_embed_is_told() -> None:
    async with stage(model({"text": STRING}, {"text": "Hello"})) as (_, router):
        with pytest.raises(PredictionFailedError, match="gave 0 vectors for 1 texts"):
            await router.aembedding(MODEL, "Hello")
    async with stage(model({"image": {"type": "string", "format": "uri"}}, {})) as (local, router):
        with pytest.raises(BadRequestError, match="no input for text to embed"):
            await router.aembedding(MODEL, "Hello")
        assert not sent(local)


async def test_a_model_that_writes_text_is_not_asked() -> None:
    async with stage(llama(reply="Hello")) as (local, router):
        with pytest.raises(BadRequestError, match="writes text and gives no vectors"):
            await router.aembedding(LLAMA, "Hello")
        assert not sent(local)


@pytest.mark.parametrize("input", [[1, 2], [[1, 2]]])
async def test_ids_of_tokens_are_refused_with_what_to_do(input: Any) -> None:
    async with stage(KINDS["one text"][0]) as (_, router):
        with pytest.raises(BadRequestError, match="check_embedding_ctx_length=False"):
            await router.aembedding(MODEL, input)


@pytest.mark.parametrize("input", ["", [], [""], [1, 2], [[1, 2]], None])
async def test_what_is_no_text_is_refused(input: Any) -> None:
    async with stage(KINDS["one text"][0]) as (_, router):
        with pytest.raises(BadRequestError, match="input must be a string"):
            await router.aembedding(MODEL, input)


async def test_one_failure_ends_the_others() -> None:
    def reply(input: dict[str, Any]) -> Any:
        if input["text"] == "bad":
            raise ValueError("no")
        return single(input)

    async with stage(model({"text": STRING}, reply)) as (_, router):
        with pytest.raises(PredictionFailedError, match="no"):
            await router.aembedding(MODEL, ["good", "bad"])


async def test_under_a_name_of_ones_own() -> None:
    lists = [{"model_name": "mine", "litellm_params": {"model": MODEL}}]
    async with stage(KINDS["one text"][0], router={"model_list": lists}) as (_, router):
        response: EmbeddingResponse = await router.aembedding("mine", "Hello")
        assert response.data[0].embedding == vector("Hello")


@pytest.mark.filterwarnings("ignore")
async def test_another_model_steps_in() -> None:
    async with stage(KINDS["one text"][0]) as (_, router):
        response = await router.aembedding("acme/gone", "Hello", fallbacks=[MODEL])
        assert response.data[0].embedding == vector("Hello") and response.model == MODEL
        with pytest.raises(BadRequestError, match="mock_response"):
            await router.aembedding(MODEL, "Hello", mock_response="x")


def test_the_openai_package_over_a_gateway(tmp_path: Any) -> None:
    with LocalReplicate(models=[KINDS["one text"][0]], tokens=[UPSTREAM_KEY]) as local:
        params = {"model": MODEL, "api_key": UPSTREAM_KEY, "api_base": local.api_base}
        config = {
            "model_list": [{"model_name": "embeds", "litellm_params": params}],
            "general_settings": {"master_key": MASTER},
        }
        with gateway(config, tmp_path) as running:
            with openai.OpenAI(base_url=f"{running.url}/v1", api_key=MASTER, max_retries=0) as client:
                # The package asks for base64 unless it is told otherwise.
                for options in ({}, {"encoding_format": "float"}):
                    answer = client.embeddings.create(model="embeds", input=["Hello", "world!"], **options)
                    assert [each.embedding for each in answer.data] == [vector("Hello"), vector("world!")]
                    assert answer.model == "embeds" and answer.usage.total_tokens > 0
                with pytest.raises(openai.BadRequestError):
                    client.embeddings.create(model="embeds", input=[[1, 2]])

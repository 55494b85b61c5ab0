"""What people use: the openai package and curl, against a real gateway process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from areplicate.local import Faults, LocalReplicate
from tests.gateway.process import HI, MASTER, MODELS, UPSTREAM_KEY, WORDS, Gateway, config_for, entry, gateway
from tests.lazily import openai

pytestmark = pytest.mark.filterwarnings("ignore")
TEXT = "".join(WORDS)


@pytest.fixture(scope="module")
def local() -> Iterator[LocalReplicate]:
    with LocalReplicate(models=MODELS, tokens=[UPSTREAM_KEY]) as local:
        yield local


@pytest.fixture(scope="module")
def running(local: LocalReplicate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = config_for(local)
    config["model_list"].append(entry(local, "misconfigured", "acme/chat", api_key="r8_wrong"))
    with gateway(config, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def client(running: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key=MASTER, max_retries=0) as client:
        yield client


def test_a_completion(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="chat", messages=HI, temperature=0.5, max_tokens=50)
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None and answer.usage.completion_tokens == len(WORDS)
    assert answer._request_id is not None and answer._request_id.startswith("req_")


def test_two_choices(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="chat", messages=HI, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]


def test_a_streamed_completion(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="chat", messages=HI, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert "".join(piece for piece in pieces if piece) == TEXT
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == len(WORDS)
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == [
        "stop"
    ]


@pytest.mark.anyio
@pytest.mark.real_time
async def test_async(running: Gateway) -> None:
    async with openai.AsyncOpenAI(base_url=running.url, api_key=MASTER, max_retries=0) as client:
        answer = await client.chat.completions.create(model="chat", messages=HI)
        assert answer.choices[0].message.content == TEXT
        stream = await client.chat.completions.create(model="chat", messages=HI, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(pieces) == TEXT


def test_models(client: openai.OpenAI) -> None:
    assert {"chat", "boots"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("chat").owned_by == "replicate"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing")


def test_a_model_goes_by_the_name_it_was_asked_by(client: openai.OpenAI) -> None:
    streamed = [
        *client.chat.completions.create(model="chat", messages=HI, stream=True),
        *client.completions.create(model="chat", prompt="Hi", stream=True),
    ]
    whole = [
        client.chat.completions.create(model="chat", messages=HI),
        client.completions.create(model="chat", prompt="Hi"),
        client.responses.create(model="chat", input="Hi"),
    ]
    assert {answer.model for answer in [*streamed, *whole]} == {"chat"}


def test_legacy_completions(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="chat", prompt=["One", "Two"], n=2)
    assert [(choice.index, choice.text) for choice in answer.choices] == [(i, TEXT) for i in range(4)]
    pieces = list(client.completions.create(model="chat", prompt="One", stream=True))
    assert "".join(chunk.choices[0].text for chunk in pieces) == TEXT
    assert pieces[-1].choices[0].finish_reason == "stop"


def test_stop_ends_every_answer(client: openai.OpenAI, local: LocalReplicate) -> None:
    before, stop = TEXT[:6], TEXT[6:9]
    chunks = list(
        client.chat.completions.create(
            model="patient", messages=HI, stop=stop, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == before
    assert chunks[-2].choices[0].finish_reason == "stop" and chunks[-1].usage is not None
    assert list(local.predictions.values())[-1].status == "canceled"
    assert client.completions.create(model="chat", prompt="One", stop=[stop]).choices[0].text == before
    pieces = client.completions.create(model="chat", prompt="One", stop=stop, stream=True)
    assert "".join(chunk.choices[0].text for chunk in pieces) == before
    extra = {"stop": stop, "drop_params": False}
    assert client.responses.create(model="chat", input="One", extra_body=extra).output_text == before


@pytest.mark.parametrize(
    ("request_", "error", "code"),
    [
        ({"model": "nothing"}, "NotFoundError", "model_not_found"),
        ({"model": "chat", "messages": []}, "BadRequestError", None),
        ({"model": "chat", "messages": [{"role": "nobody", "content": "x"}]}, "BadRequestError", None),
        ({"model": "chat", "n": 1000}, "BadRequestError", None),
        ({"model": "chat", "extra_body": {"api_base": "http://evil"}}, "BadRequestError", None),
        ({"model": "fails"}, "InternalServerError", "prediction_failed"),
        ({"model": "misconfigured"}, "InternalServerError", "upstream_authentication"),
    ],
)
def test_errors(client: openai.OpenAI, request_: Any, error: str, code: str | None) -> None:
    with pytest.raises(getattr(openai, error)) as caught:
        client.chat.completions.create(**{"messages": HI, **request_})
    assert caught.value.code == code
    assert UPSTREAM_KEY not in str(caught.value) and "r8_wrong" not in str(caught.value)


def test_a_wrong_key(running: Gateway) -> None:
    with (
        openai.OpenAI(base_url=f"{running.url}/v1", api_key="sk-wrong") as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        client.models.list()
    assert caught.value.code == "invalid_api_key"


def test_a_stream_that_fails(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError, match="CUDA out of memory"):
        list(client.chat.completions.create(model="fails", messages=HI, stream=True))


def test_what_may_pass_is_tried_again_and_what_may_not_is_not(
    running: Gateway, local: LocalReplicate
) -> None:
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key=MASTER, max_retries=2) as client:
        before = local.counts["create"]
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model="fails", messages=HI)
        assert local.counts["create"] == before + 1, "a model that failed is not asked and paid again"
        key = running.new_key(rpm_limit=60)
        again = client.with_options(api_key=key)
        assert again.chat.completions.create(model="chat", messages=HI).choices


def test_replicates_own_faults_are_ridden_out(client: openai.OpenAI, local: LocalReplicate) -> None:
    local.faults = Faults(create_error=1, limit=1)
    try:
        assert client.chat.completions.create(model="chat", messages=HI).choices[0].message.content == TEXT
    finally:
        local.faults = Faults()


def curl(*arguments: str) -> str:
    command = ["curl", "--silent", "--show-error", "--max-time", "20", "--noproxy", "*", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_curl(running: Gateway) -> None:
    body = json.dumps({"model": "chat", "messages": HI, "stream": True})
    key = f"Authorization: Bearer {MASTER}"
    # No Content-Type of JSON: curl's own default is what people send by mistake.
    lines = curl("-N", f"{running.url}/v1/chat/completions", "-H", key, "-d", body).split("\n\n")
    assert lines[0].startswith('data: {"id"') and lines[-2] == "data: [DONE]"


def test_a_trailing_comma_from_documentation(running: Gateway) -> None:
    body = '{\n  "model": "chat",\n  "messages": [{"role": "user", "content": "Hi"}],\n}'
    key = f"Authorization: Bearer {MASTER}"
    answer = json.loads(curl(f"{running.url}/chat/completions", "-H", key, "-d", body))
    assert answer["error"]["code"] == "invalid_json"
    assert "trailing comma in object at line 4, column 1" in answer["error"]["message"]

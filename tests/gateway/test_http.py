"""The forms in which clients send the same request over HTTP, and what browsers' pages may do."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import brotli
import httpx
import pytest

from areplicate.gateway.http.events import data_event
from areplicate.local import LocalReplicate
from tests.gateway import zstandard
from tests.gateway.process import ASKED, HI, MASTER, MODELS, PATH, UPSTREAM_KEY, Gateway, config_for, gateway
from tests.lazily import openai

pytestmark = pytest.mark.filterwarnings("ignore")
PAGE = "https://chat.example.com"


@pytest.fixture(scope="module")
def running(local: LocalReplicate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = config_for(local, cors_origins=[PAGE])
    with gateway(config, tmp_path_factory.mktemp("dialects")) as running:
        yield running


@pytest.fixture(scope="module")
def open_one(local: LocalReplicate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway without a master key."""
    config = config_for(local) | {"general_settings": {"cors_origins": [PAGE]}}
    with gateway(config, tmp_path_factory.mktemp("open")) as running:
        yield running


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {MASTER}"},
        {"authorization": f"bearer  {MASTER}"},
        {"x-api-key": MASTER},
        {"api-key": MASTER},
        {"Authorization": "Basic dXNlcjpwYXNz", "x-api-key": MASTER},
        {"Authorization": "Basic dXNlcjpwYXNz", "x-litellm-api-key": f"Bearer {MASTER}"},
        {"x-litellm-api-key": MASTER},
    ],
)
def test_where_clients_put_the_key(running: Gateway, headers: dict[str, str]) -> None:
    with running.http(None) as http:
        assert http.post(PATH, json=ASKED, headers=headers).status_code == 200
        wrong = {name: value.replace(MASTER, "sk-wrong") for name, value in headers.items()}
        assert http.post(PATH, json=ASKED, headers=wrong).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        PATH,
        "/chat/completions",
        f"{PATH}/",
        "/v1//chat/completions",
        "//v1/chat//completions//",
        f"{PATH}?api-version=1",
        "/v1/v1/chat/completions",
        "/openai/v1/chat/completions",
        "/openai/deployments/chat/chat/completions?api-version=2024-10-21",
        "/engines/chat/chat/completions",
        "/v1/engines/chat/chat/completions/",
    ],
)
def test_spellings_of_a_path(running: Gateway, path: str) -> None:
    with running.http() as http:
        assert http.post(running.url + path, json=ASKED).status_code == 200
        assert http.get(running.url + path).status_code == 405


def test_other_servers_paths_of_other_routes(running: Gateway) -> None:
    with running.http() as http:
        for path in (
            "/v1/models/chat/",
            "/v1/v1/models/chat",
            "/openai/v1/models/chat",
            "/openai/models/chat",
        ):
            assert http.get(path).json()["id"] == "chat"
        message = {**ASKED, "max_tokens": 5}
        assert http.post("/anthropic/v1/messages", json=message).json()["type"] == "message"
        for path in (
            "/v2/models",
            "/openaiv1/models",
            "/x/openai/v1/models",
            "/openai",
            "/v1",
            "/v1/key/list",
            "/%6bey/list",
            "/key%2flist",
            "//key/list",
            "/key//list",
            "/spend/%6cogs?limit=1",
        ):
            assert http.get(path).status_code == 404, path
        # clients send no fragments:
        for target in ("/key/list#/public.html", "/key/list?size=1#/public.html"):
            request = httpx.Request(
                "GET", running.url, headers=http.headers, extensions={"target": target.encode()}
            )
            assert http.send(request).status_code == 404, target


def test_the_model_in_a_path_is_the_one_that_is_asked(running: Gateway) -> None:
    for model, status in (("chat", 200), ("replicate/acme/chat", 404), ("nothing/chat/completions", 404)):
        path = f"/openai/deployments/{model}/chat/completions"
        with running.http() as http:
            for body in (ASKED, {**ASKED, "model": "nothing"}, {"messages": ASKED["messages"]}):
                answer = http.post(path, json=body)
                assert answer.status_code == status, answer.text
                assert status == 200 or repr(model) in answer.text


def test_azures_client(running: Gateway) -> None:
    with openai.AzureOpenAI(azure_endpoint=running.url, api_key=MASTER, api_version="2024-10-21") as client:
        answer = client.chat.completions.create(model="chat", messages=HI)
        assert answer.choices[0].message.content == "Hello, dear world!"
        with client.chat.completions.create(model="chat", messages=HI, stream=True) as chunks:
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello, dear world!"
        assert client.completions.create(model="chat", prompt="Hi").choices[0].text == "Hello, dear world!"


def test_names_of_the_probes(running: Gateway) -> None:
    for path in ("/health/liveliness", "/health/liveness", "/health/liveness/"):
        assert running.get(path, None) == {"status": "alive"}


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("br", partial(brotli.compress, quality=1)),
        ("zstd", zstandard.compress),
        ("identity", bytes),
    ],
)
def test_encoded_bodies(running: Gateway, encoding: str, encode: Any) -> None:
    body = json.dumps(ASKED).encode()
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    with running.http() as http:
        assert http.post(PATH, content=encode(body), headers=headers).status_code == 200
        bomb = http.post(PATH, content=encode(b" " * 50_000_000), headers=headers)
        assert bomb.status_code in (400, 413)


@pytest.mark.parametrize("encoding", ["x-gzip", "compress", "gzip, gzip", "aes128gcm"])
def test_an_encoding_that_nobody_undoes_is_named(running: Gateway, encoding: str) -> None:
    with running.http() as http:
        body = gzip.compress(json.dumps(ASKED).encode())
        answer = http.post(PATH, content=body, headers={"Content-Encoding": encoding})
    assert answer.status_code == 415 and f"not '{encoding}'" in answer.json()["error"]["message"]


def test_null_is_the_same_as_nothing(local: LocalReplicate, tmp_path: Path) -> None:
    """What the configuration says of an entry holds where a client sends null."""
    config = config_for(local)
    config["model_list"][0]["litellm_params"] |= {"max_tokens": 2, "stream": True}
    with gateway(config, tmp_path) as limited:
        nothing: tuple[dict[str, Any], ...] = (
            {},
            {"max_tokens": None, "n": None, "stream": None, "user": None, "tools": None},
        )
        for said in nothing:
            local.requests.clear()
            assert limited.ask(**said).json()["object"] == "chat.completion", (
                "an entry's stream: true changes nothing"
            )
            inputs = [json.loads(seen.body)["input"] for seen in local.requests if seen.body]
            assert inputs == [{"prompt": "Hi", "max_tokens": 2}]


def test_a_byte_order_mark_is_no_part_of_the_body(running: Gateway) -> None:
    with running.http() as http:
        assert http.post(PATH, content=b"\xef\xbb\xbf" + json.dumps(ASKED).encode()).status_code == 200


def test_breaks_of_other_alphabets_do_not_break_an_event() -> None:
    text = "a\u2028b\u2029c\x85d\u00e9"
    event = data_event({"text": text}).decode()
    assert len(event.splitlines()) == 2, "the event and the empty line after it"
    assert json.loads(event.removeprefix("data: ")) == {"text": text}


def test_answers_are_for_their_caller_alone_and_tell_no_version(running: Gateway) -> None:
    with running.http() as http:
        answers = [
            http.get("/v1/models"),
            http.get("/nowhere"),
            http.post(PATH, json=ASKED),
            http.post(PATH, json={**ASKED, "stream": True}),
        ]
    with running.connect(5) as client:
        client.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
        broken = client.recv(65536).decode()
    assert "aiohttp" not in broken and "Python" not in broken and "no-store" in broken
    for answer in answers:
        assert "server" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"


def test_a_log_line_tells_the_clients_address(running: Gateway) -> None:
    running.ask()
    line = json.loads(running.log().splitlines()[-1])
    assert line["client"] == "127.0.0.1"


def test_connections_are_kept_longer_than_a_load_balancer_keeps_them(
    running: Gateway, local: LocalReplicate, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = config_for(local, keepalive_seconds=0.3)
    with gateway(config, tmp_path_factory.mktemp("short")) as short:
        closed = [kept_open(each, 2.0) for each in (short, running)]
    assert closed == [False, True]


def kept_open(running: Gateway, seconds: float) -> bool:
    """Whether a connection that has asked once is still open after so many silent seconds."""
    with running.connect(seconds) as client:
        client.sendall(b"GET /health/liveness HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        try:
            return client.recv(1) != b""
        except TimeoutError:
            return True


def test_pages_that_are_named_may_read_answers(running: Gateway) -> None:
    asks = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-stainless-os",
    }
    with running.http(None) as http:
        allowed = http.options(PATH, headers=asks)
        foreign = http.options(PATH, headers={**asks, "Origin": "https://evil.example"})
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == PAGE
    assert allowed.headers["access-control-allow-headers"] == "authorization,x-stainless-os"
    assert "access-control-allow-origin" not in foreign.headers
    with running.http() as http:
        for body in (ASKED, {**ASKED, "stream": True}, {}):
            answer = http.post(PATH, json=body, headers={"Origin": PAGE})
            assert answer.headers["access-control-allow-origin"] == PAGE
            # Such as x-should-retry and request-id, which SDKs read in browsers, too.
            assert answer.headers["access-control-expose-headers"] == "*"
        assert "access-control-allow-origin" not in http.post(PATH, json=ASKED).headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:4000"}, 200),
        ({"Host": "127.0.0.1"}, 200),
        ({"Host": "[::1]:4000"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "[bad"}, 403),
        ({"Origin": PAGE}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Type": ""}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
    ],
)
def test_no_page_commands_a_gateway_without_a_key(
    open_one: Gateway, local: LocalReplicate, headers: dict[str, str], status: int
) -> None:
    before = local.counts["create"]
    with open_one.http(None) as http:
        given = {"Content-Type": "application/json", **headers}
        answer = http.post(PATH, content=json.dumps(ASKED), headers=given)
    assert answer.status_code == status, answer.text
    assert local.counts["create"] - before == (status == 200)


def test_files_are_taken_without_a_key_but_from_no_page(open_one: Gateway) -> None:
    form: dict[str, Any] = {"files": {"file": ("in.jsonl", b"{}")}, "data": {"purpose": "batch"}}
    with open_one.http(None) as http:
        assert http.post("/v1/files", **form).status_code == 200
        assert http.post("/v1/files", **form, headers={"Origin": "https://evil.example"}).status_code == 403


def test_a_page_may_not_even_look_at_a_gateway_without_a_key(open_one: Gateway) -> None:
    with open_one.http(None) as http:
        assert http.get("/v1/models", headers={"Host": "evil.example"}).status_code == 403
        assert http.get("/v1/models").status_code == 200


def test_health_is_asked_of_replicate_once_for_many(running: Gateway, local: LocalReplicate) -> None:
    key = running.new_key()
    local.requests.clear()
    with running.http(key) as http:
        assert http.get("/health").status_code == 403, "it is for the master key, and for a key of that role"
    with running.http() as http:
        answers = [http.get("/health") for _ in range(50)]
    assert {answer.status_code for answer in answers} == {200}
    assert len(local.requests) <= len(MODELS)
    assert {request.headers.get("Authorization") for request in local.requests} <= {f"Bearer {UPSTREAM_KEY}"}

"""What a gateway on the internet meets: it answers with a clear 4xx, leaks nothing, and stays up."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from areplicate.gateway.api.routes import ROUTES
from areplicate.local import LocalModel, LocalReplicate
from areplicate.options.declared import BY_NAME
from tests.gateway import process
from tests.gateway.process import (
    HI,
    MASTER,
    UPSTREAM_KEY,
    Gateway,
    config_for,
    cpu_seconds,
    gateway,
    resident_mb,
)

pytestmark = [pytest.mark.first(60), pytest.mark.filterwarnings("ignore")]
LONG_TEXT = "word " * 200_000
MODELS = (*process.MODELS, LocalModel(owner="acme", name="long", reply=LONG_TEXT, run_seconds=0.5))


@pytest.fixture(scope="module")
def running(local: LocalReplicate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(config_for(local, MODELS), tmp_path_factory.mktemp("hostile")) as running:
        yield running
        assert running.process.poll() is None, running.log()
        assert "Traceback" not in running.log(), running.log()


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with an account of its own, for large prompts: all that look through the account's list read them."""
    with LocalReplicate(models=MODELS) as local:
        with gateway(config_for(local, MODELS), tmp_path_factory.mktemp("apart")) as apart:
            yield apart


def post(running: Gateway, content: bytes | str, path: str = "/v1/chat/completions", **headers: str) -> Any:
    with running.http() as http:
        return http.post(path, content=content, headers=headers)


def raw(running: Gateway, *pieces: bytes, patience: float = 2) -> bytes:
    """What the gateway says to these very bytes until it closes, or says nothing for two seconds."""
    said = b""
    with running.connect(patience) as client:
        try:
            for piece in pieces:
                client.sendall(piece)
            while piece := client.recv(65536):
                said += piece
        except OSError:
            pass
    return said


def assert_refused(answer: Any, status: int, says: str = "") -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    error = body["error"]
    anthropics = body.get("type") == "error"
    assert set(error) == {"message", "type"} | (set() if anthropics else {"param", "code"})
    assert says in error["message"]
    assert answer.headers["x-request-id"].startswith("req_")
    assert UPSTREAM_KEY not in answer.text and "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "is empty"),
        ("{", "at line 1, column 2"),
        ('{"model": "chat",\n"messages": [,]}', "at line 2, column 14"),
        ('{"model": "chät",}', "at line 1, column 18"),
        ("[]", "a JSON object"),
        ("null", "a JSON object"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"model": "\xc3\x28"}', "not UTF-8"),
        ("[" * 100_000, "deep"),
        ('{"a":' * 500 + "1" + "}" * 500, "deep"),
        ('{"model": "chat", "messages": ' + "[" * 70 + "]" * 70 + "}", "deep"),
        ("1e999", "not valid JSON"),
        ('{"model": "chat", "top_p": 1e999}', "The body is not valid JSON: Number out of range."),
    ],
)
def test_bodies_that_are_no_json(running: Gateway, body: str | bytes, says: str) -> None:
    assert_refused(post(running, body), 400, says)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": None},
        {"model": 3},
        {"model": ["chat"]},
        {"messages": None},
        {"messages": "Hi"},
        {"messages": [1]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": 3}]},
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        {"messages": HI * 10_000},
        {"stream": "yes"},
        {"stream_options": 3},
        {"n": 0},
        {"n": 1e9},
        {"n": True},
        {"temperature": "hot"},
        {"max_tokens": 0},
        {"max_tokens": 10**400},
        {"stop": 3},
        {"roles": 3},
        {"api_key": "r8_mine"},
        {"api_base": "http://127.0.0.1:1"},
        {"extra_headers": {"a": "b"}},
        {"timeout": 1e9},
        {"num_retries": 1e9},
        {"chat_template": "{{ 1 }}"},
        {"on_status": 1},
        {"self": 1},
    ],
)
def test_requests_that_are_wrong(running: Gateway, local: LocalReplicate, wrong: dict[str, Any]) -> None:
    before = local.counts["create"]
    assert_refused(post(running, json.dumps({"model": "chat", "messages": HI, **wrong})), 400)
    assert local.counts["create"] == before


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "/etc/passwd"}},
        {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}},
        {"type": "image_url", "image_url": "../../etc/passwd"},
        {"type": "file", "file": {"file_data": "/etc/passwd"}},
        {"type": "input_audio", "input_audio": {"url": "/etc/passwd"}},
    ],
)
def test_no_file_of_the_gateways_is_read(
    running: Gateway, local: LocalReplicate, part: dict[str, Any]
) -> None:
    asked = {
        "model": "chat",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, part]}],
    }
    answer = post(running, json.dumps(asked))
    assert "root:" not in "".join(str(seen.body) for seen in local.requests)
    if part["type"] != "file":  # whose data are taken for base64, never for a path
        assert_refused(answer, 400)


@pytest.fixture(scope="module")
def attacker() -> Iterator[tuple[str, list[str]]]:
    """A server of somebody else's, which is to see nothing: its URL, and what it saw."""
    seen: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    seen.append(connection.recv(65536).decode("latin-1"))
                    connection.close()

        threading.Thread(target=listen, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1", seen


ROUTES_TO_MODELS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": HI},
    "/v1/completions": {"prompt": "Hi"},
    "/v1/responses": {"input": "Hi"},
    "/v1/responses/input_tokens": {"input": "Hi"},
    "/v1/messages": {"messages": HI, "max_tokens": 10},
    "/v1/messages/count_tokens": {"messages": HI},
    "/v1/embeddings": {"input": "Hi"},
}
CONNECTION_NAMES = (
    *("api_base", "base_url", "api_key", "api_token", "extra_headers", "headers", "default_headers"),
    *("extra_body", "extra_query", "timeout", "request_timeout", "num_retries", "max_retries", "transport"),
    *(
        "proxy",
        "proxies",
        "ssl",
        "ssl_verify",
        "http_client",
        "client",
        "webhook",
        "webhook_url",
        "stream_url",
    ),
    *("user_config", "model_list", "fallbacks", "chat_template", "allow_files", "on_status", "self"),
    *("litellm_params", "api_version", "organization", "custom_llm_provider", "mock_response", "_call"),
)
"""What some client, router or library of this field takes for where and how it connects."""


def test_every_route_that_asks_a_model_is_attacked() -> None:
    routes = {
        route.path
        for route in ROUTES
        if route.method == "POST" and route.takes is not None and "model" in get_type_hints(route.takes)
    }
    assert routes == set(ROUTES_TO_MODELS)


def test_no_name_of_any_option_sends_the_key_elsewhere(
    running: Gateway, local: LocalReplicate, attacker: tuple[str, list[str]]
) -> None:
    """Whatever the name and the form of the value: what is sent goes to Replicate, or is refused."""
    url, seen = attacker
    local.requests.clear()
    forms = ({"Authorization": url, "api_base": url}, [url], 1, 0.001)
    bodies = [
        (path, name, {"model": "chat", **asked, name: value})
        for route, (path, asked) in enumerate(ROUTES_TO_MODELS.items())
        for number, name in enumerate(sorted({*BY_NAME, *CONNECTION_NAMES}))
        # Each name has each form on some route.
        for value in (url, forms[(route + number) % len(forms)])
        if name not in asked and not (name == "stream" and value)
    ]

    headers = {"Authorization": f"Bearer {MASTER}", "Content-Type": "application/json"}

    def ask(connection: HTTPConnection, path: str, name: str, body: dict[str, Any]) -> None:
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        embeds = "may not be a model for embeddings" not in text
        assert answer.status in (200, 400) or not embeds, (path, body, text)
        option = BY_NAME.get(name)
        # Counting tokens asks nobody.
        if option is not None and "client" not in option.by and not path.endswith("_tokens"):
            assert answer.status == 400, f"{path} takes {name}"

    def ask_all(bodies: list[tuple[str, str, dict[str, Any]]]) -> None:
        with contextlib.closing(HTTPConnection(*running.address)) as connection:
            for each in bodies:
                ask(connection, *each)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(ask_all, (bodies[start::16] for start in range(16))))
    assert not seen
    sent = {request.headers.get("Authorization") for request in local.requests}
    assert sent <= {f"Bearer {UPSTREAM_KEY}"}


def test_no_model_string_sends_the_key_elsewhere(running: Gateway, attacker: tuple[str, list[str]]) -> None:
    url, seen = attacker
    with running.http() as http:
        for path, asked in ROUTES_TO_MODELS.items():
            for model in (
                url,
                f"cog/{url}",
                f"replicate/cog/{url}",
                "replicate/acme/chat",
                "acme/chat@" + url,
            ):
                assert_refused(http.post(path, json={"model": model, **asked}), 404)
    assert not seen


GZIP = {"Content-Encoding": "gzip"}


def test_a_refused_body_is_read_also_where_an_earlier_one_was_compressed(running: Gateway) -> None:
    """Else its connection is reset, and a client that first sends all never sees the answer."""
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {MASTER}\r\n"
    small, large = gzip.compress(b"{}"), b"x" * 30_000_000
    compressed = f"{head}Content-Encoding: gzip\r\nContent-Length: {len(small)}\r\n\r\n".encode() + small
    refused = f"{head}Content-Length: {len(large)}\r\n\r\n".encode() + large
    assert b"HTTP/1.1 413 " in raw(running, compressed, refused, patience=30)


def test_large_bodies(apart: Gateway) -> None:
    large = b'{"model": "chat", "messages": [{"role": "user", "content": "' + b"x" * 12_000_000 + b'"}]}'
    with apart.http() as http:
        assert_refused(http.post("/v1/chat/completions", content=large), 413, "larger than 10 MB")
        pieces = (large[i : i + 65536] for i in range(0, len(large), 65536))
        assert_refused(http.post("/v1/chat/completions", content=pieces), 413)
    bomb = gzip.compress(b" " * 50_000_000, compresslevel=1)
    assert post(apart, bomb, **GZIP).status_code in (400, 413)
    damaged = post(apart, b"no gzip", **GZIP)
    assert (damaged.status_code, damaged.headers["Connection"]) == (400, "close")
    nine = b'{"model": "chat", "messages": [{"role": "user", "content": "' + b"x" * 9_000_000 + b'"}]}'
    assert post(apart, nine).status_code in (200, 400), "what is allowed is read"


def test_there_is_room_for_few_large_bodies_at_once(tmp_path: Path) -> None:
    """Also for those that a small body refers to. What has ended counts no more."""
    large = {"model": "chat", "input": "x" * 9_000_000}
    with contextlib.ExitStack() as stack:
        local = stack.enter_context(LocalReplicate(models=MODELS))
        config = config_for(local, max_bodies_mb=50, store_responses=True)
        running = stack.enter_context(gateway(config, tmp_path))
        threads = stack.enter_context(ThreadPoolExecutor(3))
        stored = post(running, json.dumps(large), "/v1/responses").json()["id"]
        for asked in (large, {"input": "Go on", "previous_response_id": stored}):
            body = json.dumps({**asked, "model": "patient"})
            asking = [threads.submit(post, running, body, "/v1/responses") for _ in range(3)]
            answers = [each.result() for each in asking]
            assert {answer.status_code for answer in answers} == {200, 503}
            refused = next(answer for answer in answers if answer.status_code == 503)
            assert_refused(refused, 503, "max_bodies_mb")
            assert refused.headers["Retry-After"] == "2"


def test_small_parts_of_a_body_count_for_the_memory_that_they_take(
    local: LocalReplicate, tmp_path: Path
) -> None:
    """Sixty bodies of 200 KB took 400 MB."""
    body = json.dumps({"model": "patient", "messages": HI, "metadata": [{}] * 49_000})
    with gateway(config_for(local, max_bodies_mb=50), tmp_path) as running, ThreadPoolExecutor(5) as threads:
        asking = [threads.submit(post, running, body) for _ in range(5)]
        statuses = Counter(each.result().status_code for each in asking)
    assert set(statuses) == {200, 503}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_each_of_several_predictions_holds_a_prompt_of_its_own(apart: Gateway, path: str) -> None:
    text = "x" * 9_000_000
    asked = {"model": "chat", "messages": [{"role": "user", "content": text}]}
    asked = asked if "chat" in path else {"model": "chat", "prompt": [text[:100_000]] * 60}
    assert post(apart, json.dumps({**asked, "n": 2}), path).status_code == 200
    memory = resident_mb(apart.process.pid)
    assert_refused(post(apart, json.dumps({**asked, "n": 64}), path), 413, "Ask for fewer at once")
    assert resident_mb(apart.process.pid) - memory < 60


ASKED_START = b'{"model": "chat", "messages": [{"role": "user", "content": "Hi"}], '


OF_MANY_PARTS: dict[str, Callable[[], bytes]] = {
    "fields": lambda: ASKED_START + b",".join(b'"x%d": 1' % i for i in range(150_000)) + b"}",
    "objects": lambda: ASKED_START + b'"x": [' + b"{}," * 1_000_000 + b"{}]}",
    "lists": lambda: ASKED_START + b'"x": [' + b"[]," * 1_000_000 + b"[]]}",
    "numbers": lambda: ASKED_START + b'"x": [' + b"1," * 1_500_000 + b"1]}",
    "keys": lambda: ASKED_START + b'"x": {' + b",".join(b'"%d":0' % i for i in range(250_000)) + b"}}",
    "opened": lambda: b"[" * 3_000_000,
    "nested": lambda: b'{"a":' * 500_000,
    "escapes": lambda: b'"' + b"\\u005b" * 500_000 + b'"',
    "quotes": lambda: b'{"x": "' + b"\\\\" * 1_500_000 + b'"' + b"{" * 100 + b"}",
    "unfinished": lambda: b'{"x": "' + b'[\\"' * 1_000_000,
    "few fields": lambda: ASKED_START + b",".join(b'"x%d": 1' % i for i in range(2_000)) + b"}",
}


@pytest.mark.parametrize("parts", OF_MANY_PARTS)
def test_a_body_of_many_parts_costs_little(running: Gateway, parts: str) -> None:
    """It is refused before anything is built from it: nobody waits, and nothing grows."""
    body = OF_MANY_PARTS[parts]()
    before, memory, log = (
        cpu_seconds(running.process.pid),
        resident_mb(running.process.pid),
        len(running.log()),
    )
    assert_refused(post(running, body), 400)
    assert cpu_seconds(running.process.pid) - before < 1
    assert resident_mb(running.process.pid) - memory < 40
    assert len(running.log()) - log < 5_000


@pytest.mark.parametrize("stream", [False, True])
def test_large_requests_that_fail_are_not_kept(running: Gateway, stream: bool) -> None:
    """Not even until Python next looks for what nobody refers to."""
    schema = {"enum": [str(m) for m in range(30_000)]}
    format = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    memory = []
    for _ in range(8):
        assert "does not fit" in running.ask(response_format=format, stream=stream).text
        memory.append(resident_mb(running.process.pid))
    assert memory[-1] - memory[1] < 8


@pytest.mark.parametrize("model", ["long", "chat"])
def test_long_prompts_and_answers_are_not_kept(apart: Gateway, model: str) -> None:
    """Neither by the clients' idle connections, nor by those to Replicate, nor by the allocator."""
    body = {"model": model, "messages": [{"role": "user", "content": LONG_TEXT if model == "chat" else "Hi"}]}
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(16) as threads:
        clients = [stack.enter_context(apart.http()) for _ in range(16)]
        memory = resident_mb(apart.process.pid)
        answers = list(threads.map(lambda client: client.post("/v1/chat/completions", json=body), clients))
        assert {answer.status_code for answer in answers} == {200}, answers[0].text
        assert resident_mb(apart.process.pid) - memory < 16


def test_texts_count_as_one(running: Gateway) -> None:
    """Commas and brackets within texts are no parts."""
    text = "[{,}]" * 50_000
    asked = {"model": "chat", "messages": [{"role": "user", "content": text}]}
    assert post(running, json.dumps(asked)).status_code == 200


@pytest.mark.parametrize(
    "template",
    [
        {"roles": {"user": {"pre_message": "x" * 100_000}}},
        {"bos_token": "x" * 100_000},
        {"eos_token": "x" * 100_000},
    ],
)
def test_a_template_makes_no_gigabytes_of_a_small_body(running: Gateway, template: dict[str, Any]) -> None:
    """What it writes around each message counts as the body does: in bytes, in the estimate, in what is held."""
    asked = {"model": "chat", "messages": [{"role": "user", "content": "x"}] * 2000, **template}
    refused = post(running, json.dumps(asked))
    assert refused.status_code == 413 and "makes its 2000 messages 190 MB longer" in refused.text
    assert post(running, json.dumps({**asked, "messages": asked["messages"][:50]})).status_code == 200
    key = running.new_key(tpm_limit=1_000_000)
    two = {**asked, "messages": asked["messages"][:50], "n": 2}
    assert post(running, json.dumps(two), Authorization=f"Bearer {key}").status_code == 429, (
        "two prompts of 1.25 million tokens"
    )


def test_a_request_writes_few_lines_of_log(running: Gateway) -> None:
    log = len(running.log().splitlines())
    ignored = [*("caching", "verbose", "tags", "cache", "ttl", "api_version", "organization", "max_budget")]
    ignored += [f"litellm_{i}" for i in range(300)]
    post(running, json.dumps({"model": "chat", "messages": HI, **dict.fromkeys(ignored, 1)}))
    assert len(running.log().splitlines()) - log <= 10


def test_figures_have_no_label_of_a_clients(running: Gateway) -> None:
    with running.http() as http:
        for i in range(20):
            http.post("/v1/chat/completions", json={"model": f"made-up-{i}", "messages": HI})
            http.get(f"/made-up-{i}")
            http.request(f"MADEUP{i}", "/v1/models")
        figures = http.get("/metrics").text
    assert "made-up" not in figures and "MADEUP" not in figures


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/models/../../etc/passwd",
        "/v1/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/v1/models/chat%00",
        "/%",
        "/static/config.yaml",
        "/" + "a" * 5000,
    ],
)
def test_paths_that_are_none(running: Gateway, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {MASTER}\r\nConnection: close\r\n\r\n"
    said = raw(running, request.encode())
    assert said.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 "))
    assert b"root:" not in said and b"Traceback" not in said


def test_methods_that_are_not_allowed(running: Gateway) -> None:
    with running.http() as http:
        answer = http.get("/v1/chat/completions")
        assert_refused(answer, 405)
        assert answer.headers["Allow"] == "POST"
        assert http.request("PURGE", "/v1/models").status_code == 405
        assert http.post("/v1/responses/resp_1").status_code == 405
        assert_refused(http.post("/v1/responses/resp_1/cancel"), 404)
        assert http.head("/v1/models").status_code == 200


def test_protocols_that_are_none(running: Gateway) -> None:
    flood = b"".join(b"X-%d: y\r\n" % i for i in range(10_000))
    long = b"X: " + b"y" * 1_000_000 + b"\r\n"
    for request in (
        b"GET / HTTP/1.1\r\n" + flood + b"\r\n",
        b"GET / HTTP/1.1\r\n" + long + b"\r\n",
        b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ):
        said = raw(running, request)
        if not said and len(request) > 50_000:
            continue  # the connection was closed before all was sent, and took the answer with it
        assert said.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ", b"HTTP/1.1 404 ")), said[:200]
        assert b'\r\n\r\n{"error":{"message":' in said and b"x-request-id: req_" in said
        assert b"Traceback" not in said and b"yyy" not in said
    assert running.ask().status_code == 200


@pytest.mark.parametrize("behind_a_request", [False, True])
def test_what_is_no_http_is_not_kept(running: Gateway, behind_a_request: bool) -> None:
    """Errors about it refer to what they were read from, and it to them."""
    slow = json.dumps({"model": "slow", "messages": HI}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {MASTER}\r\n"
    first = f"{head}Content-Length: {len(slow)}\r\n\r\n".encode() + slow if behind_a_request else b""
    before = resident_mb(running.process.pid)
    with contextlib.ExitStack() as connections:
        for _ in range(100):
            connection = connections.enter_context(running.connect())
            for piece in (first, *[b"\x16\x03\x01" + b"z" * 200_000] * 5):
                with contextlib.suppress(ConnectionError):
                    connection.sendall(piece)
        assert running.ask().status_code == 200
        assert resident_mb(running.process.pid) - before < 30
    assert running.ask().status_code == 200


def test_who_asks_before_sending_is_answered(running: Gateway) -> None:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {MASTER}\r\n".encode()
    asks = head + b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    assert raw(running, asks % 2, b"{}", patience=20).startswith(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 "
    )
    assert raw(running, asks % 20_000_000).startswith(b"HTTP/1.1 413 "), "it need not be sent"
    older = (asks % 2).replace(b"HTTP/1.1", b"HTTP/1.0")
    assert raw(running, older, b"{}", patience=20).startswith(b"HTTP/1.0 400 "), (
        "which takes the first answer for the last"
    )


def test_slow_clients_hold_nobody_up(running: Gateway) -> None:
    slow = [running.connect() for _ in range(200)]
    try:
        for i, client in enumerate(slow):
            client.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                + MASTER.encode()
                + (b"\r\nContent-Length: 100\r\n\r\n{" if i % 2 else b"")
            )
        assert running.ask().status_code == 200
    finally:
        for client in slow:
            client.close()
    assert running.ask().status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Basic c2s6c2s=",
        f"Token {MASTER}",
        f"Bearer {MASTER}x",
        f"Bearer {MASTER[:-1]}",
        "Bearer " + "sk-" * 2000,
        "Bearer sk-\xe9",
        "Bearer ' OR 1=1 --",
    ],
)
def test_wrong_keys(running: Gateway, authorization: str | None) -> None:
    headers = [] if authorization is None else [(b"Authorization", authorization.encode("latin-1"))]
    with running.http(None) as http:
        assert_refused(http.get("/v1/models", headers=headers), 401)


def test_many_wrong_keys_are_forgotten_again(running: Gateway) -> None:
    with running.http(None) as http:
        headers = [{"Authorization": f"Bearer sk-{i}"} for i in range(200)]
        assert {http.get("/v1/models", headers=each).status_code for each in headers} == {401}
    assert running.ask().status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/key/generate", {"rpm_limit": 0}),
        ("/key/generate", {"rpm_limit": "1"}),
        ("/key/generate", {"max_budget": -1}),
        ("/key/generate", {"duration": "forever"}),
        ("/key/generate", {"duration": "999999999d9"}),
        ("/key/generate", {"duration": "30d\n"}),
        ("/key/update", {"key": "k", "budget_duration": "1mo\n"}),
        (
            "/v1/batches",
            {"input_file_id": "f", "endpoint": "/v1/chat/completions", "completion_window": "24h\n"},
        ),
        ("/key/generate", {"unknown": 1}),
        ("/key/generate", {"models": "chat"}),
        ("/key/generate", {"metadata": []}),
        ("/key/delete", {"keys": []}),
        ("/key/block", {}),
        ("/v1/completions", {"model": "chat"}),
        ("/v1/completions", {"model": "chat", "prompt": [[1, 2]]}),
        ("/v1/completions", {"model": "chat", "prompt": ["x"] * 100}),
        ("/v1/completions", {"model": "chat", "prompt": "x", "logprobs": 2}),
        ("/v1/responses", {"model": "chat"}),
        ("/v1/responses", {"model": "chat", "input": []}),
        ("/v1/responses", {"model": "chat", "input": [1]}),
        ("/v1/responses", {"model": "chat", "input": [{"type": "function_call"}]}),
        ("/v1/responses", {"model": "chat", "input": "x", "previous_response_id": "resp_1"}),
        ("/v1/responses", {"model": "chat", "input": "x", "instructions": 1}),
        ("/v1/responses", {"model": "chat", "input": "x", "text": 1}),
        ("/v1/responses", {"model": "chat", "input": "x", "tools": [{"type": "function"}]}),
    ],
)
def test_wrong_bodies_elsewhere(running: Gateway, path: str, body: dict[str, Any]) -> None:
    assert_refused(post(running, json.dumps(body), path), 400)


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=99999", "before=x", "before=nan", "limit=-1"])
def test_wrong_queries(running: Gateway, query: str) -> None:
    with running.http() as http:
        assert_refused(http.get(f"/spend/logs?{query}"), 400)


@pytest.mark.parametrize(
    "query", ["/key/list?key_alias=team-a", "/key/audit?action=delete", "/spend/keys?team_id=a"]
)
def test_a_filter_that_is_not_known_is_not_left_out(running: Gateway, query: str) -> None:
    with running.http() as http:
        assert_refused(http.get(query), 400)

"""Clients that leave at any moment: nothing stays locked, nothing stays counted, and what ran is paid."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from areplicate.local import LocalModel, LocalReplicate
from tests.gateway.process import ASKED, HI, PATH, Gateway, gateway, priced
from tests.waiting import eventually

pytestmark = pytest.mark.filterwarnings("ignore")
MOMENTS = 20
TIMES = int(os.environ.get("AREPLICATE_LEAVING_TIMES", "3"))
"""How often a client leaves at each moment; more, where there is time for it."""
WORDS = [f"word{n} " for n in range(20)]
MODELS = (
    LocalModel(owner="acme", name="chat", reply=WORDS, run_seconds=0.2),
    LocalModel(owner="acme", name="long", reply=WORDS, run_seconds=2.0),
    LocalModel(owner="acme", name="slow", reply=WORDS, run_seconds=30.0),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def running(
    request: pytest.FixtureRequest, local: LocalReplicate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    # For as long as a busy machine may take, too, a request waits where a test locks the database.
    general: dict[str, Any] = {"database_lock_timeout": 60, "database_statement_timeout": 60}
    if request.param == "postgresql":
        general["database_url"] = request.getfixturevalue("database").url
    with gateway(priced(local, MODELS, **general), tmp_path_factory.mktemp("leaving")) as running:
        yield running


def leave(running: Gateway, key: str, request: bytes, moment: float) -> None:
    """Sends a request, and leaves so many seconds later."""
    with contextlib.suppress(OSError), running.connect() as client:
        client.sendall(request.replace(b"KEY", key.encode()))
        client.settimeout(moment)
        with contextlib.suppress(TimeoutError):
            while client.recv(65536):
                pass


def request(method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def chat(model: str, text: str = "Hi", **body: Any) -> bytes:
    messages = [{"role": "user", "content": text}]
    return request("POST", PATH, {"model": model, "messages": messages, **body})


def test_a_client_may_leave_at_any_moment(running: Gateway, local: LocalReplicate) -> None:
    """Reading its own key, asking for whole answers and for streams, under every limit at once."""
    limits = {"rpm_limit": 1_000_000, "tpm_limit": 10**9, "max_parallel_requests": 1000, "max_budget": 1e9}
    keys = [running.new_key(**limits) for _ in range(4)]
    ways = [request("GET", "/key/info"), chat("chat"), chat("chat", stream=True), chat("chat", n=2)]
    moments = [0.0005 * 1.42**n for n in range(MOMENTS)]  # from half a millisecond to half a second
    visits = [(way, moment, time) for way in ways for moment in moments for time in range(TIMES)]
    random.Random(1).shuffle(visits)
    before = local.counts["create"]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda n: leave(running, keys[n % 4], *visits[n][:2]), range(len(visits))))
    for key in keys:
        answer = running.ask(key, "chat")
        assert answer.status_code == 200, answer.text
    eventually(lambda: not local.running(), 20)
    ids = [running.get(f"/key/info?key={key}")["key_id"] for key in keys]

    def predictions() -> int:
        rows = [row for id in ids for row in running.get(f"/spend/logs?limit=1000&key_id={id}")["data"]]
        return sum(row["prediction_id"] is not None for row in rows)

    asked = local.counts["create"] - before

    def are_all_written_down() -> bool:
        whole = running.get("/spend/keys")["data"]
        return bool(sum(row["predictions"] for row in whole if row["key_id"] in ids) >= asked)

    eventually(are_all_written_down, 30)
    eventually(lambda: open_holds(running) == 0, 20)

    def is_settled() -> bool:
        """What a key has spent is what its rows say, once the last look at what was left is over."""
        sums = {row["key_id"]: row["cost"] for row in running.get("/spend/keys")["data"]}
        spends = [running.get(f"/key/info?key={key}")["spend"] for key in keys]
        return spends == pytest.approx([sums[id] for id in ids])

    eventually(is_settled, 30)
    with running.http() as http:
        assert http.post("/key/block", json={"key": keys[0]}).status_code == 200
    assert running.ask(keys[0], "chat").status_code == 403
    assert "Traceback" not in running.log()
    assert predictions() > 0


def test_what_is_stored_is_whole_whenever_its_client_leaves(running: Gateway) -> None:
    """A file is there with its content or not at all, and a batch that began ends."""
    key = running.new_key()
    line = json.dumps({"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": ASKED})
    form: dict[str, Any] = {"files": {"file": ("in.jsonl", line)}, "data": {"purpose": "batch"}}
    with running.http(key) as http:
        whole = http.post("/v1/files", **form).json()["id"]
        sent = http.build_request("POST", "/v1/files", **form)
    head = f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY\r\nContent-Type: {sent.headers['content-type']}\r\n"
    upload = f"{head}Content-Length: {sent.headers['content-length']}\r\n\r\n".encode() + sent.read()
    asked = {"input_file_id": whole, "endpoint": "/v1/chat/completions", "completion_window": "1h"}
    with locked(running), contextlib.ExitStack() as clients:
        for way in [upload, request("POST", "/v1/batches", asked)] * 2:
            client = clients.enter_context(running.connect())
            client.sendall(way.replace(b"KEY", key.encode()))
        eventually(lambda: in_flight(running) == 4)
        time.sleep(0.3)  # then they wait for the database, when they are left

    def get(path: str) -> list[dict[str, Any]]:
        data: list[dict[str, Any]] = running.get(path, key)["data"]
        return data

    def have_ended() -> bool:
        return all(batch["status"] == "completed" for batch in get("/v1/batches?limit=100"))

    eventually(lambda: len(get("/v1/batches")) == 2 and have_ended(), 20)
    files = get("/v1/files")
    assert sum(file["purpose"] == "batch" for file in files) == 3
    folder = running.config.parent / "areplicate-files"
    assert {file["id"] for file in files} == {path.stem for path in folder.glob("file-*.jsonl")}
    assert "Traceback" not in running.log()


@contextlib.contextmanager
def database_of(running: Gateway) -> Iterator[Any]:
    url = json.loads(running.config.read_text())["general_settings"].get("database_url")
    file = running.config.with_name("areplicate.db")
    connection: Any = psycopg.connect(url) if url else sqlite3.connect(file, isolation_level=None)
    with contextlib.closing(connection):
        yield connection


@contextlib.contextmanager
def locked(running: Gateway) -> Iterator[None]:
    """Nobody else writes to the database."""
    with database_of(running) as database:
        is_sqlite = isinstance(database, sqlite3.Connection)
        tables = "areplicate_files, areplicate_batches"
        database.execute("BEGIN IMMEDIATE" if is_sqlite else f"LOCK TABLE {tables} IN EXCLUSIVE MODE")
        yield
        database.rollback()


def in_flight(running: Gateway) -> int:
    """How many requests it has, besides the one that asks for it."""
    with running.http() as http:
        figures = dict(line.rsplit(" ", 1) for line in http.get("/metrics").text.splitlines())
    return int(float(figures["areplicate_requests_in_flight"])) - 1


def open_holds(running: Gateway) -> int:
    with database_of(running) as database:
        query = "SELECT count(*) FROM areplicate_holds WHERE ended_at IS NULL"
        return int(database.execute(query).fetchone()[0])


def test_leaving_just_before_the_end_costs_what_it_cost(running: Gateway, local: LocalReplicate) -> None:
    key = running.new_key(max_budget=1000)
    with running.http(key) as http:
        body = {"model": "long", "messages": HI, "stream": True}
        with http.stream("POST", PATH, json=body) as answer:
            pieces = 0
            for line in answer.iter_lines():
                pieces += '"content":"word' in line
                if pieces == len(WORDS) - 2:
                    break
    eventually(lambda: running.get(f"/key/info?key={key}")["spend"] >= pieces)
    assert running.get(f"/key/info?key={key}")["spend"] <= len(WORDS)


def test_a_whole_answer_that_nobody_waits_for_costs_what_ran(running: Gateway, local: LocalReplicate) -> None:
    key = running.new_key(max_budget=1000)
    # A text of its own: beside another process's question of the same text, it takes longer to know one's own
    # prediction for certain, and nothing else is cancelled.
    text = f"A question with {key}"
    leave(running, key, chat("slow", text), 0.5)
    eventually(lambda: running.get(f"/key/info?key={key}")["spend"] > 0, 20)
    [ran] = [each for each in local.predictions.values() if each.input and text in each.input["prompt"]]
    assert (ran.status, running.get(f"/key/info?key={key}")["spend"]) == (
        "canceled",
        ran.state_at(ran.ends).written,
    )


def test_what_was_begun_before_the_prediction_is_free(running: Gateway) -> None:
    key = running.new_key(max_budget=1000, rpm_limit=1)
    refused = running.ask(key, "chat", no_such_input=1)
    assert refused.status_code == 400
    assert running.ask(key, "chat").status_code == 200, "nothing was asked of Replicate before"

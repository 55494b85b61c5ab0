"""OpenAI's files and batches over a real gateway process, driven by OpenAI's own client."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from areplicate.gateway.accounts.folder import Folder
from areplicate.gateway.batches.checking import _too_much
from areplicate.gateway.errors import GatewayError
from areplicate.local import LocalModel, LocalReplicate
from areplicate.local.components import component_schemas
from tests.bulk.accidents import answer_in
from tests.gateway import process
from tests.gateway.postgres import Postgres
from tests.gateway.process import MASTER, Gateway, entry, gateway
from tests.gateway.process import PATH as CHAT
from tests.lazily import openai
from tests.waiting import eventually

pytestmark = pytest.mark.first(90)

EMBEDDINGS = "/v1/embeddings"
ENDED = ("completed", "failed", "expired", "cancelled")
DOLLAR_A_TOKEN = {"input_cost_per_token": 1.0, "output_cost_per_token": 1.0}


def echo(input: dict[str, Any]) -> list[str]:
    """Answers with the last word of the question, so that each row's answer is its own."""
    return ["answer to ", str(input["prompt"]).split()[-1]]


MODELS = (
    LocalModel(owner="acme", name="echo", reply=echo, run_seconds=0.05),
    LocalModel(owner="acme", name="steady", reply=echo, run_seconds=0.4),
    LocalModel(owner="acme", name="long", reply=["word "] * 100, run_seconds=0.05),
    LocalModel(owner="acme", name="never", run_seconds=1000),
    LocalModel(owner="acme", name="fails", failure="CUDA out of memory"),
    LocalModel(
        owner="acme",
        name="embeds",
        reply=lambda input: {"embedding": [float(len(input["text"])), 0.5]},
        output_kind="object",
        schema=component_schemas(
            {"properties": {"text": {"type": "string"}}, "required": []}, {"type": "array", "items": {}}
        ),
    ),
)


def config_for(local: LocalReplicate, **general: Any) -> dict[str, Any]:
    config = process.config_for(local, MODELS, DOLLAR_A_TOKEN, **general)
    config["model_list"].append(entry(local, "invented/*", "invented/*", info=DOLLAR_A_TOKEN))
    return config


@pytest.fixture(scope="module")
def running(local: LocalReplicate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(
        config_for(local, max_file_mb=1, max_files=40), tmp_path_factory.mktemp("batches")
    ) as running:
        yield running


def client(running: Gateway, key: str = MASTER) -> openai.OpenAI:
    http = running.clients.enter_context(running.http(None, timeout=30))
    return openai.OpenAI(
        api_key=key, base_url=f"{running.url}/v1", max_retries=0, timeout=30, http_client=http
    )


def line(name: str, text: Any, url: str = CHAT, model: str = "echo", **body: Any) -> dict[str, Any]:
    messages: Any = [{"role": "user", "content": text}]
    field = {CHAT: "messages", "/v1/completions": "prompt"}.get(url, "input")
    asks = {field: messages if url == CHAT else text}
    return {"custom_id": name, "method": "POST", "url": url, "body": {"model": model, **asks, **body}}


def questions(count: int, **more: Any) -> list[dict[str, Any]]:
    return [line(f"row {n}", f"number {n}", **more) for n in range(count)]


def begin(
    api: openai.OpenAI, lines: list[Any], endpoint: Any = CHAT, window: Any = "24h"
) -> openai.types.Batch:
    text = "".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines)
    file = api.files.create(file=("in.jsonl", text.encode()), purpose="batch")
    return api.batches.create(
        input_file_id=file.id, endpoint=endpoint, completion_window=window, metadata={"team": "a"}
    )


def ended(api: openai.OpenAI, id: str, seconds: float = 90) -> openai.types.Batch:
    deadline = time.monotonic() + seconds
    while (batch := api.batches.retrieve(id)).status not in ENDED:
        assert time.monotonic() < deadline, f"it is still {batch.status}: {batch.request_counts}"
        time.sleep(0.25)
    return batch


def lines_of(api: openai.OpenAI, id: str | None) -> list[dict[str, Any]]:
    return [] if id is None else [json.loads(each) for each in api.files.content(id).text.splitlines()]


def text_of(answer: dict[str, Any]) -> str:
    return answer_in(answer["response"]["body"])


def counts(batch: openai.types.Batch) -> tuple[int, int, int]:
    assert batch.request_counts is not None
    return batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed


@pytest.mark.parametrize("endpoint", [CHAT, "/v1/completions", "/v1/responses"])
def test_a_batch_from_its_file_to_its_answers(running: Gateway, endpoint: str) -> None:
    api = client(running, running.new_key())
    batch = begin(api, questions(20, url=endpoint), endpoint)
    assert batch.object == "batch" and batch.status == "validating" and batch.metadata == {"team": "a"}
    batch = ended(api, batch.id)
    assert batch.status == "completed" and counts(batch) == (20, 20, 0) and batch.error_file_id is None
    assert batch.in_progress_at and batch.finalizing_at and batch.completed_at
    found = lines_of(api, batch.output_file_id)
    assert [each["custom_id"] for each in found] == [f"row {n}" for n in range(20)]
    assert [text_of(each) for each in found] == [f"answer to {n}" for n in range(20)]
    assert all(each["response"]["body"]["model"] == "echo" and each["error"] is None for each in found)
    spent = running.get("/spend/logs?limit=1000")["data"]
    assert sum(row["endpoint"] == "/v1/batches" for row in spent) >= 20
    for file in (running.config.parent / "areplicate-files").rglob("*"):
        assert file.stat().st_mode & 0o077 == 0, f"{file} has prompts or answers, and others may read it"


def test_a_batch_of_embeddings(running: Gateway) -> None:
    api = client(running, running.new_key())
    lines = [line(str(n), ["x" * n, "y"], EMBEDDINGS, "embeds") for n in range(1, 6)]
    batch = ended(api, begin(api, lines, EMBEDDINGS).id)
    assert batch.status == "completed" and counts(batch) == (5, 5, 0)
    bodies = [each["response"]["body"] for each in lines_of(api, batch.output_file_id)]
    assert [body["data"][0]["embedding"][0] for body in bodies] == [1, 2, 3, 4, 5]
    assert {body["model"] for body in bodies} == {"embeds"}


def test_files_from_their_making_to_their_end(running: Gateway) -> None:
    api = client(running, running.new_key())
    made = [api.files.create(file=(f"{n}.jsonl", b"{}\n" * n), purpose="batch") for n in (1, 2, 3)]
    first = made[0]
    assert (first.object, first.bytes, first.filename, first.purpose) == ("file", 3, "1.jsonl", "batch")
    assert api.files.retrieve(first.id) == first
    assert api.files.content(made[2].id).read() == b"{}\n" * 3
    assert [each.id for each in api.files.list(limit=2)] == [each.id for each in reversed(made)]
    assert [each.id for each in api.files.list(order="asc", limit=1)] == [each.id for each in made]
    assert not api.files.list(purpose="batch_output").data
    assert api.files.delete(first.id).deleted
    with pytest.raises(openai.NotFoundError):
        api.files.retrieve(first.id)
    with pytest.raises(openai.NotFoundError):
        api.files.content(first.id)
    with pytest.raises(openai.NotFoundError):
        api.files.delete(first.id)


def test_files_have_bounds(running: Gateway) -> None:
    api = client(running, running.new_key())
    with pytest.raises(openai.APIStatusError, match="too large") as large:
        api.files.create(file=("a.jsonl", b"x" * 1_100_000), purpose="batch")
    assert large.value.status_code == 413
    with pytest.raises(openai.BadRequestError, match="purpose must be 'batch'"):
        api.files.create(file=("a.jsonl", b"x"), purpose="fine-tune")
    for _ in range(40):
        file = api.files.create(file=("a.jsonl", b"x"), purpose="batch")
    with pytest.raises(openai.BadRequestError, match="may have 40 files"):
        api.files.create(file=("a.jsonl", b"x"), purpose="batch")
    with pytest.raises(openai.BadRequestError, match="may have 40 files"):
        api.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    for content, type in ((b"{}", "application/json"), (b"--x", "multipart/form-data"), (b"", "text/plain")):
        with running.http() as http:
            wrong = http.post("/v1/files", content=content, headers={"Content-Type": type})
        assert wrong.status_code in (400, 415), wrong.text
    with running.http() as http:
        many: Any = {**{f"x{n}": (None, "x") for n in range(20)}, "file": ("a", b"{}")}
        assert "more than 15 fields" in http.post("/v1/files", files=many).text
        assert "file is missing" in http.post("/v1/files", files={"purpose": (None, "batch")}).text
        unnamed: Any = {"": (None, "x"), "purpose": (None, "batch"), "file": ("a", b"{}")}
        assert "plain fields" in http.post("/v1/files", files=unnamed).text
    assert not list(running.config.parent.glob("areplicate-files/receiving-*"))
    assert "Traceback" not in running.log()


def test_who_asks_for_the_head_of_a_file_gets_no_content(running: Gateway) -> None:
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    api = client(running, key := running.new_key())
    file = api.files.create(file=("a.jsonl", forged), purpose="batch")
    ask = f"/v1/files/{file.id}/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
    with running.connect() as connection:
        connection.sendall(f"HEAD {ask}\r\nGET {ask}Connection: close\r\n\r\n".encode())
        head, *got = b"".join(iter(lambda: connection.recv(65536), b"")).split(b"\r\n\r\n", 2)
    assert b"Content-Length: %d\r\n" % len(forged) in head
    assert got[0].startswith(b"HTTP/1.1 200 OK\r\nContent-Type: ") and got[1] == forged


@pytest.mark.parametrize(
    ("named", "kept"),
    [
        (b'filename="caf\xe9.jsonl"', "caf?.jsonl"),
        (b"filename*=unicode_escape''a%5cud800b", "a?b"),
        (b'filename="caf\xc3\xa9.jsonl"', "caf\u00e9.jsonl"),
    ],
)
def test_a_files_name_may_be_in_any_encoding(running: Gateway, named: bytes, kept: str) -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="%s\r\n\r\n%s\r\n'
    body = form % (b'purpose"', b"batch") + form % (b'file"; ' + named, b"{}") + b"--x--\r\n"
    with running.http() as http:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = http.post("/v1/files", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert client(running).files.retrieve(answer.json()["id"]).filename == kept


def has_open(running: Gateway, part: str) -> bool:
    """Whether the gateway has a file open with that in its path."""
    for opened in Path(f"/proc/{running.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it has been closed meanwhile
            if part in os.readlink(opened):
                return True
    return False


def test_uploads_under_way_count_as_files_and_keep_no_file_open(
    local: LocalReplicate, tmp_path: Path
) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"{}\n" * 9
    with gateway(config_for(local, max_files=4), tmp_path) as running, contextlib.ExitStack() as slow:
        keys = [running.new_key() for _ in range(20)]

        def begin_upload(key: str) -> socket.socket:
            connection = slow.enter_context(running.connect())
            head = f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            form = "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n"
            connection.sendall(f"{head}{form}".encode() + part)
            return connection

        def received() -> int:
            return len(list((tmp_path / "areplicate-files").glob("receiving-*")))

        for key in keys:
            for _ in range(4):
                begin_upload(key)
        eventually(lambda: received() == 80)
        eventually(lambda: not has_open(running, "receiving-"))  # the last piece may still be written
        assert b"may have 4 files" in begin_upload(keys[0]).recv(65536)
        with pytest.raises(openai.BadRequestError, match="may have 4 files"):
            client(running, keys[0]).files.create(file=("a.jsonl", b"{}"), purpose="batch")
        slow.close()
        eventually(lambda: received() == 0)
        client(running, keys[0]).files.create(file=("a.jsonl", b"{}"), purpose="batch")


def test_downloads_keep_no_file_open_and_are_cut_where_it_is_deleted(
    local: LocalReplicate, tmp_path: Path
) -> None:
    """An error after the content has begun would be taken for the rest of it."""
    content = b"x" * 20_000_000
    with gateway(config_for(local), tmp_path) as running:
        api = client(running)
        kept, deleted = (api.files.create(file=("a.jsonl", content), purpose="batch").id for _ in range(2))

        def download(id: str) -> socket.socket:
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(20)
            connection.connect(running.address)
            ask = f"GET /v1/files/{id}/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {MASTER}\r\n"
            connection.sendall(f"{ask}Connection: close\r\n\r\n".encode())
            return connection

        def rest(connection: socket.socket) -> bytes:
            return b"".join(iter(lambda: connection.recv(1 << 20), b""))

        with download(kept) as whole, download(deleted) as cut:
            begun = [each.recv(1000) for each in (whole, cut)]
            eventually(lambda: not has_open(running, "areplicate-files"))  # a piece may still be read
            api.files.delete(deleted)
            assert (begun[0] + rest(whole)).partition(b"\r\n\r\n")[2] == content
            got = (begun[1] + rest(cut)).partition(b"\r\n\r\n")[2]
            assert len(got) < len(content) and set(got) == {ord("x")}
        assert "Traceback" not in running.log()


@pytest.mark.parametrize("packed", [False, True])
def test_lines_before_a_forms_first_part_are_not_read_for_minutes(running: Gateway, packed: bool) -> None:
    with running.http() as http:
        form: Any = {"purpose": (None, "batch"), "file": ("a.jsonl", b"{}")}
        request = http.build_request("POST", "/v1/files", files=form)
        body, headers = b"\r\n" * 40_000 + request.read(), {"Content-Type": request.headers["Content-Type"]}
        if packed:
            body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
        refused = http.post("/v1/files", content=body, headers=headers)
        assert "The form is damaged" in refused.text
        assert http.post("/v1/files", files=form).status_code == 200


def test_a_forms_field_whose_name_is_no_text_is_told_all_the_same(running: Gateway) -> None:
    part = b'--B\r\nContent-Disposition: form-data; name="\xff\xfe"\r\n\r\n' + b"x" * 5_000 + b"\r\n--B--\r\n"
    with running.http() as http:
        headers = {"Content-Type": "multipart/form-data; boundary=B"}
        refused = http.post("/v1/files", content=part, headers=headers)
    assert (refused.status_code, refused.json()["error"]["message"]) == (400, "?? is too long.")


def test_an_upload_that_finds_no_room_says_so(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    for folder in (tmp_path / "taken", tmp_path / "gone"):
        with (
            pytest.raises(GatewayError, match="no room for the file") as caught,
            Folder(folder).receiving(None) as path,
        ):
            path.rename(tmp_path / "elsewhere")
            path.parent.rmdir()
            path.write_bytes(b"{}")
        assert caught.value.status == 503


def test_another_key_sees_neither_files_nor_batches(running: Gateway) -> None:
    mine, other = client(running, running.new_key()), client(running, running.new_key())
    batch = ended(mine, begin(mine, questions(1)).id)
    for id in (batch.input_file_id, batch.output_file_id):
        assert id is not None
        for ask in (other.files.retrieve, other.files.content, other.files.delete):
            with pytest.raises(openai.NotFoundError):
                ask(id)
    with pytest.raises(openai.NotFoundError):
        other.batches.retrieve(batch.id)
    with pytest.raises(openai.NotFoundError):
        other.batches.cancel(batch.id)
    with pytest.raises(openai.NotFoundError):
        other.batches.create(
            input_file_id=batch.input_file_id, endpoint="/v1/chat/completions", completion_window="24h"
        )
    assert not other.batches.list().data and not other.files.list().data
    assert client(running).batches.retrieve(batch.id) == batch  # the master key sees all


def test_batches_are_listed_page_by_page(running: Gateway) -> None:
    api = client(running, running.new_key())
    made = [begin(api, questions(1)).id for _ in range(5)]
    assert [batch.id for batch in api.batches.list(limit=2)] == made[::-1]
    page = api.batches.list(limit=2)
    assert page.has_more and len(page.data) == 2
    # a list that ends there would be taken for all:
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        for file in api.files.list(limit=2):
            api.files.delete(file.id)
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client(running, running.new_key()).batches.list(after=made[0])
    for id in made:
        ended(api, id)


def test_what_is_wrong_with_the_file_is_told_with_its_line_and_nothing_is_asked(
    running: Gateway, local: LocalReplicate
) -> None:
    api = client(running, running.new_key(models=["echo"]))
    good, asked = line("a", "x"), len(local.predictions)
    batch = begin(
        api,
        [
            good,
            "{broken",
            line("a", "again"),
            line("b", "x", model="steady"),
            line("c", "x", url="/v1/completions"),
            {**line("d", "x"), "method": "GET"},
            {"prompt": "no batch line"},
            line("e", "x", stream=True),
        ],
    )
    batch = ended(api, batch.id)
    assert batch.status == "failed" and batch.failed_at and batch.errors and batch.errors.data
    messages = {each.line: each.message or "" for each in batch.errors.data}
    assert list(messages) == [2, 3, 4, 5, 6, 7, 8]
    says = [
        "not JSON",
        "custom_id 'a' is used",
        "may not use it",
        "endpoint /v1/chat",
        "method",
        "",
        "stream",
    ]
    assert all(said in messages[number] for number, said in zip(messages, says, strict=True)), messages
    assert batch.output_file_id is None and len(local.predictions) == asked
    assert ended(api, begin(api, []).id).errors is not None


def test_lines_have_the_bounds_of_a_body(running: Gateway, tmp_path: Path) -> None:
    """They are seen before anything is built from a line."""
    api = client(running, running.new_key())
    asked = line("a", "x")["body"]
    wrong = {
        "more than 100,000 keys and list elements": {"metadata": [{}] * 100_001},
        "more than 64 deep": {"metadata": json.loads("[" * 64 + "]" * 64)},
        "502 fields; 500 are allowed": dict.fromkeys([f"x{n}" for n in range(500)], 1),
    }
    for says, more in wrong.items():
        batch = begin(api, [line("a", "x"), {**line("b", "x"), "body": {**asked, **more}}])
        errors = ended(api, batch.id).errors
        assert errors is not None and errors.data
        [wrong] = errors.data
        assert wrong.line == 2 and says in (wrong.message or "")
    file = tmp_path / "input.jsonl"
    file.write_bytes(b"{}\n" + b" " * 11_000_000)
    [told_of] = _too_much(file, 50_000)
    assert (told_of["line"], told_of["message"]) == (2, "The line is larger than 10 MB.")


def test_millions_of_lines_are_not_looked_at(running: Gateway) -> None:
    """Of which a small upload is enough, if it is compressed."""
    api = client(running, running.new_key())
    for blank, status in ((60_000, "completed"), (100_000, "failed")):
        batch = ended(api, begin(api, [*([""] * blank), json.dumps(line("a", "number 1"))]).id)
        assert batch.status == status
    assert batch.errors is not None and batch.errors.data is not None
    assert batch.errors.data[0].message == "The file has more than 100,000 lines: make several batches of it."


def test_rows_wait_for_room_and_leave_half_of_it_to_others(local: LocalReplicate, tmp_path: Path) -> None:
    with gateway(config_for(local, max_bodies_mb=50), tmp_path) as running:
        api = client(running, running.new_key())
        before = len(local.predictions)
        batch = begin(api, [line(str(number), "x" * 4_900_000, model="steady") for number in range(3)])
        at_once = [0]

        def all_are_answered() -> bool:
            at_once.append(len(local.running()))
            return len(local.predictions) - before == 3 and not at_once[-1]

        eventually(all_are_answered)
        assert counts(ended(api, batch.id)) == (3, 3, 0)
        assert max(at_once) <= 2, "a row has a quarter of what is left of 25 MB"


def test_a_file_does_not_expire_and_who_asks_for_that_hears_so(running: Gateway) -> None:
    api, soon = client(running, running.new_key()), {"anchor": "created_at", "seconds": 3600}
    with pytest.raises(openai.BadRequestError, match="expires_after cannot be used: files are kept"):
        api.files.create(file=("in.jsonl", b"{}"), purpose="batch", expires_after=soon)
    assert not api.files.list().data
    asked = {"endpoint": CHAT, "completion_window": "24h", "output_expires_after": soon}
    with pytest.raises(openai.BadRequestError, match="output_expires_after cannot be used"):
        api.batches.create(input_file_id="file-1", **asked)


def test_what_a_batch_may_not_be(running: Gateway) -> None:
    api = client(running, running.new_key())
    file = api.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    for wrong in (
        {"endpoint": "/v1/audio"},
        {"completion_window": "soon"},
        {"metadata": {"n" * 65: "x"}},
        {"metadata": {"n": "x" * 513}},
        {"metadata": {str(n): "x" for n in range(17)}},
    ):
        with pytest.raises(openai.BadRequestError):
            api.batches.create(
                **{"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h", **wrong}
            )


def test_requests_that_fail_are_in_the_error_file(running: Gateway) -> None:
    api = client(running, running.new_key())
    lines = [line("1", "x"), line("2", "x", model="fails"), line("3", "x", temperature="hot"), line("4", "y")]
    batch = ended(api, begin(api, lines).id)
    assert batch.status == "completed" and counts(batch) == (4, 2, 2)
    assert [each["custom_id"] for each in lines_of(api, batch.output_file_id)] == ["1", "4"]
    failed, wrong = lines_of(api, batch.error_file_id)
    assert failed["response"]["status_code"] == 500 and wrong["response"]["status_code"] == 400
    assert "out of memory" in failed["response"]["body"]["error"]["message"]
    assert wrong["response"]["body"]["error"]["param"] == "temperature"
    assert "acme" not in json.dumps([failed, wrong])


def test_a_row_that_its_key_may_never_ask_says_so(running: Gateway) -> None:
    """As a request that asks for more than a limit of its key does; the batch goes on."""
    api = client(running, running.new_key(rpm_limit=3))
    batch = ended(api, begin(api, [line("1", "x"), line("2", "x", n=4), line("3", "y")]).id)
    assert batch.status == "completed" and counts(batch) == (3, 2, 1)
    [refused] = lines_of(api, batch.error_file_id)
    assert refused["response"]["status_code"] == 429
    assert "rpm_limit" in refused["response"]["body"]["error"]["message"]


def test_a_batch_of_embeddings_may_cost_what_its_predictions_do(running: Gateway) -> None:
    """Vectors are no text, of which each might be long."""
    api = client(running, running.new_key(max_budget=100))
    lines = [line("1", ["x", "y"], EMBEDDINGS, "embeds")]
    assert ended(api, begin(api, lines, EMBEDDINGS).id).status == "completed"


def test_a_check_asks_replicate_about_no_invented_names(running: Gateway, local: LocalReplicate) -> None:
    api = client(running, running.new_key(rpm_limit=1, max_budget=100))
    lines = [line(str(number), "x", EMBEDDINGS, f"invented/{number}") for number in range(30)]
    asked = len(local.requests)
    batch = begin(api, lines, EMBEDDINGS)
    eventually(lambda: api.batches.retrieve(batch.id).status == "in_progress")
    assert len(local.requests) - asked < 10
    api.batches.cancel(batch.id)


def test_a_batch_is_cancelled(local: LocalReplicate, tmp_path: Path) -> None:
    with gateway(config_for(local, batch_requests_in_flight=4), tmp_path) as running:
        api = client(running, running.new_key())
        batch = begin(api, questions(60, model="steady"))
        eventually(lambda: counts(api.batches.retrieve(batch.id))[1] >= 4, 30)
        assert api.batches.cancel(batch.id).status in ("cancelling", "cancelled")
        batch = ended(api, batch.id)
        assert batch.status == "cancelled" and batch.cancelling_at and batch.cancelled_at
        answered, rest = lines_of(api, batch.output_file_id), lines_of(api, batch.error_file_id)
        assert 4 <= len(answered) < 60 and len(answered) + len(rest) == 60
        assert {each["error"]["code"] for each in rest} == {"batch_cancelled"}
        with pytest.raises(openai.ConflictError):
            api.batches.cancel(batch.id)
        assert not list(tmp_path.glob("areplicate-files/batch_*"))


@pytest.mark.slow
def test_a_cancelled_batch_waits_half_a_minute_for_what_is_in_flight(
    running: Gateway, local: LocalReplicate
) -> None:
    api = client(running, running.new_key())
    batch = begin(api, questions(1, model="never"))
    eventually(local.running)
    api.batches.cancel(batch.id)
    batch = ended(api, batch.id)
    assert batch.cancelled_at and batch.cancelling_at
    assert 29 <= batch.cancelled_at - batch.cancelling_at < 60
    eventually(lambda: not local.running())
    [row] = running.get(f"/spend/logs?api_key={api.api_key}")["data"]
    assert (row["status"], row["predictions"]) == (499, 1), "it has no answer, and is paid"


def test_a_window_that_is_over_ends_the_batch(local: LocalReplicate, tmp_path: Path) -> None:
    with gateway(config_for(local, batch_requests_in_flight=2), tmp_path) as running:
        api = client(running, running.new_key())
        batch = ended(api, begin(api, questions(200, model="steady"), window="3s").id)
        assert batch.status == "expired" and batch.expired_at
        rest = lines_of(api, batch.error_file_id)
        assert lines_of(api, batch.output_file_id) and rest[-1]["error"]["code"] == "batch_expired"


def test_a_budget_holds_before_and_while_a_batch_runs(running: Gateway, local: LocalReplicate) -> None:
    poor = client(running, running.new_key(max_budget=100))
    asked = len(local.predictions)
    batch = ended(poor, begin(poor, questions(3, model="steady")).id)
    assert batch.status == "failed" and batch.errors and batch.errors.data
    assert batch.errors.data[0].code == "insufficient_quota" and len(local.predictions) == asked
    # What is expected of each is little, since it is told how long an answer may be; what it costs is more.
    key = running.new_key(max_budget=400, max_parallel_requests=1)
    lines = questions(12, model="long", max_tokens=1)
    batch = ended(client(running, key), begin(client(running, key), lines).id)
    assert batch.status == "failed" and batch.errors and batch.errors.data
    assert batch.errors.data[0].code == "insufficient_quota"
    spent = running.get(f"/key/info?key={key}")["spend"]
    assert 0 < counts(batch)[1] < 12 and 400 <= spent < 600
    assert len(lines_of(client(running, key), batch.output_file_id)) == counts(batch)[1]
    usage = running.get(f"/spend/logs?api_key={key}")["data"]
    assert len(usage) <= 12, "a row that waits for its turn is no request yet"


def test_a_killed_gateway_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with LocalReplicate(models=MODELS) as local:
        config = config_for(local, batch_requests_in_flight=10)
        with gateway(config, tmp_path) as running:
            key = running.new_key()
            batch = begin(client(running, key), questions(60, model="steady"))
            eventually(lambda: len(local.predictions) >= 25, 60)
            running.process.send_signal(signal.SIGKILL)
            running.process.wait(10)
        with gateway(config, tmp_path) as running:
            api = client(running, key)
            batch = ended(api, batch.id)
            assert batch.status == "completed" and counts(batch) == (60, 60, 0)
            found = lines_of(api, batch.output_file_id)
            usage = running.get("/spend/logs?limit=200")["data"]
        assert [text_of(each) for each in found] == [f"answer to {n}" for n in range(60)]
        assert len(local.predictions) == 60
        assert {row["predictions"] for row in usage} == {1}, "what was under way counts, too"


def test_two_workers_run_each_batch_once_and_a_killed_one_is_replaced(tmp_path: Path) -> None:
    with LocalReplicate(models=MODELS) as local:
        with gateway(config_for(local, batch_requests_in_flight=5), tmp_path, "--workers", "2") as running:
            # A worker that dies takes its connections with it.
            api = client(running, running.new_key()).with_options(max_retries=5)
            batches = [begin(api, questions(15, model="steady")).id for _ in range(4)]
            eventually(lambda: len(local.predictions) >= 20, 60)
            pids = [
                int(json.loads(each)["pid"])
                for each in running.log().splitlines()
                if '"worker started"' in each
            ]
            os.kill(pids[0], signal.SIGKILL)
            for id in batches:
                batch = ended(api, id)
                assert batch.status == "completed" and counts(batch) == (15, 15, 0)
                found = [text_of(each) for each in lines_of(api, batch.output_file_id)]
                assert found == [f"answer to {n}" for n in range(15)]
        assert len(local.predictions) == 60


def test_two_gateways_on_one_postgresql_share_batches(database: Postgres, tmp_path: Path) -> None:
    with LocalReplicate(models=MODELS) as local:
        shared = {
            "database_url": database.new_database(),
            "files_dir": str(tmp_path / "files"),
            "batch_requests_in_flight": 5,
        }
        config = config_for(local, **shared)
        with gateway(config, tmp_path / "a") as one, gateway(config, tmp_path / "b") as other:
            key = one.new_key(max_parallel_requests=50, rpm_limit=10_000)
            ids = [begin(client(each, key), questions(15, model="steady")).id for each in (one, other, one)]
            eventually(lambda: len(local.predictions) >= 15, 60)
            one.process.send_signal(signal.SIGKILL)
            api = client(other, key)
            for id in ids:
                batch = ended(api, id)
                assert batch.status == "completed" and counts(batch) == (15, 15, 0)
                found = [text_of(each) for each in lines_of(api, batch.output_file_id)]
                assert found == [f"answer to {n}" for n in range(15)]
        assert len(local.predictions) == 45


def test_live_requests_go_first(tmp_path: Path) -> None:
    """A request that comes while a hundred of a batch wait for their turns is before them."""
    with LocalReplicate(models=MODELS, create_per_minute=120, create_burst=60) as local:
        config = config_for(local, creations_per_minute=120, batch_requests_in_flight=100)
        with gateway(config, tmp_path) as running:
            api = client(running, running.new_key())
            batch = begin(api, questions(300))
            eventually(lambda: len(local.predictions) >= 65, 90)
            created = len(local.predictions)
            assert running.ask(model="echo").status_code == 200
            assert len(local.predictions) - created < 80
            api.batches.cancel(batch.id)

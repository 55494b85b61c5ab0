"""The gateway's life: readiness, draining, reloading, workers, figures, and clients that leave."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from areplicate.local import LocalModel, LocalReplicate
from tests import forked
from tests.gateway.process import (
    ENVIRONMENT,
    MASTER,
    MODELS,
    PATH,
    UPSTREAM_KEY,
    WORDS,
    Gateway,
    config_for,
    gateway,
    recorded,
)
from tests.hostile import HostileReplicate, hangs
from tests.waiting import eventually

pytestmark = [pytest.mark.first(40), pytest.mark.filterwarnings("ignore")]
TEXT = "".join(WORDS)
QUOTING = (
    LocalModel(owner="acme", name="quotes", failure="my secret prompt is too long", failure_after=0),
    LocalModel(owner="acme", name="answers", reply='{"a": "my secret answer"}'),
)


@pytest.fixture(scope="module")
def local() -> Iterator[LocalReplicate]:
    with LocalReplicate(models=(*MODELS, *QUOTING)) as local:
        yield local


@pytest.fixture(scope="module")
def running(local: LocalReplicate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for all tests that leave it running as it is."""
    config = config_for(local, (*MODELS, *QUOTING))
    config["router_settings"] = {"fallbacks": [{model.name: ["chat"]} for model in QUOTING]}
    with gateway(config, tmp_path_factory.mktemp("operations")) as running:
        yield running


def body(model: str, stream: bool = False) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}


def test_a_stream_is_kept_alive_while_its_model_boots(running: Gateway, local: LocalReplicate) -> None:
    with (
        running.http() as http,
        http.stream("POST", "/v1/chat/completions", json=body("boots", True)) as answer,
    ):
        assert [each.status for each in local.running()] == ["starting"], (
            "the head does not wait for the boot"
        )
        assert answer.headers["X-Accel-Buffering"] == "no", "nginx would collect the events"
        lines = list(answer.iter_lines())
    [comment] = [line for line in lines if line.startswith(":")]
    assert re.fullmatch(": booting 1[0-9]s", comment), "after ten seconds, and some on a busy machine"
    data = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in data) == TEXT


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_cancels_its_prediction(
    running: Gateway, local: LocalReplicate, stream: bool
) -> None:
    payload = json.dumps(body("slow", stream)).encode()
    with running.connect() as client:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {MASTER}\r\n"
        client.sendall(head.encode() + f"Content-Length: {len(payload)}\r\n\r\n".encode() + payload)
        eventually(lambda: len(local.running()) == 1)
    eventually(lambda: not local.running(), 20)
    eventually(lambda: running.get("/spend/logs?limit=1")["data"][0]["status"] == 499)
    assert '"client_gone"' in running.log()


def test_sigterm_cancels_what_does_not_finish(local: LocalReplicate, tmp_path: Path) -> None:
    config = config_for(local, drain_seconds=0.5)
    with gateway(config, tmp_path) as running, ThreadPoolExecutor(2) as threads:
        answers = [threads.submit(running.ask, model="slow", stream=stream) for stream in (False, True)]
        eventually(lambda: len(local.running()) == 2)
        assert running.stop() == 0
        assert not local.running()
        whole, streamed = [answer.result() for answer in answers]
        assert whole.status_code == 503 and whole.headers["Retry-After"] == "1"
        assert whole.json()["error"]["code"] == "gateway_stopping"
        assert streamed.status_code == 200 and '"code":"gateway_stopping"' in streamed.text
    assert recorded(tmp_path) == [503, 503]


def test_no_row_is_lost_by_stopping_right_after_the_start(local: LocalReplicate, tmp_path: Path) -> None:
    with gateway(config_for(local), tmp_path, ready=False) as running:
        assert running.ask().status_code == 200
        assert running.stop() == 0
    assert recorded(tmp_path) == [200]


def test_sighup_reloads_what_is_right_and_refuses_what_is_wrong(
    local: LocalReplicate, tmp_path: Path
) -> None:
    with gateway(config_for(local), tmp_path) as running:
        with ThreadPoolExecutor(1) as threads:
            under_the_old = threads.submit(running.ask, model="patient")
            eventually(lambda: len(local.running()) == 1)
            config = config_for(local)
            config["model_list"] = [{**config["model_list"][0], "model_name": "renamed"}]
            running.config.write_text(json.dumps(config))
            running.process.send_signal(signal.SIGHUP)
            eventually(lambda: "configuration reloaded" in running.log())
            assert running.ask(model="renamed").status_code == 200
            assert running.ask(model="chat").status_code == 404
            assert under_the_old.result().status_code == 200
        rested = json.loads(json.dumps(config))
        rested["model_list"][0]["litellm_params"]["weight"] = 0
        for wrong, why in (("model_list: 3", "must be a list"), (json.dumps(rested), "must be more than 0")):
            running.config.write_text(wrong)
            running.process.send_signal(signal.SIGHUP)
            eventually(lambda why=why: why in running.log())
            assert running.ask(model="renamed").status_code == 200
        running.config.write_text(json.dumps(config_for(local)))
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: running.ask(model="chat").status_code == 200)


def test_no_answer_waits_until_an_old_configuration_is_closed(tmp_path: Path) -> None:
    models = [
        LocalModel(owner="acme", name="chat", run_seconds=0.5),
        LocalModel(owner="acme", name="slow", run_seconds=30),
    ]
    with HostileReplicate(models) as hostile, gateway(config_for(hostile, models), tmp_path) as running:
        hostile.on("cancel", hangs(1.5), times=1)
        with running.connect() as leaves, ThreadPoolExecutor(1) as threads:
            asked = json.dumps(body("slow")).encode()
            head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {MASTER}\r\n".encode()
            leaves.sendall(head + b"Content-Length: %d\r\n\r\n" % len(asked) + asked)
            eventually(lambda: len(hostile.running()) == 1)
            under_the_old = threads.submit(running.ask)
            eventually(lambda: len(hostile.running()) == 2)
            running.process.send_signal(signal.SIGHUP)
            eventually(lambda: "configuration reloaded" in running.log())
            leaves.close()
            assert under_the_old.result().status_code == 200
            assert hostile.running(), "what was left is still being cancelled"
        assert running.stop() == 0
        assert not hostile.running(), "the end waits for it"


def test_several_workers_share_a_port_and_the_limits(local: LocalReplicate, tmp_path: Path) -> None:
    with gateway(config_for(local), tmp_path, "--workers", "2") as running:
        eventually(lambda: running.log().count('"listening"') == 2)
        key = running.new_key(rpm_limit=4)
        with ThreadPoolExecutor(8) as threads:
            statuses = list(threads.map(lambda _: running.ask(key).status_code, range(8)))
        assert statuses.count(200) == 4
        eventually(lambda: len(recorded(tmp_path)) == 8)
        worker = running.workers()[0]
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: '"worker died"' in running.log())
        eventually(lambda: len(running.workers()) == 2 and worker not in running.workers())
        eventually(lambda: running.log().count('"listening"') == 3)
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(lambda _: running.ask().status_code, range(8))) == [200] * 8
        with running.http() as http:
            text = http.get("/metrics").text
        assert (
            counted(
                text, 'areplicate_requests_total{endpoint="/v1/chat/completions",model="chat",status="200"}'
            )
            == 12
        )
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: running.log().count("configuration reloaded") == 2)
        assert running.stop() == 0
    assert recorded(tmp_path).count(200) == 12


@pytest.mark.parametrize("serving", [True, False])
def test_workers_end_with_their_parent(local: LocalReplicate, tmp_path: Path, serving: bool) -> None:
    """While they serve, and while they still begin."""
    with gateway(config_for(local), tmp_path, "--workers", "2", started=serving) as running:
        eventually(lambda: len(running.workers()) == 2)
        left = running.workers()
        for pid in [] if serving else left:
            os.kill(pid, signal.SIGSTOP)
        kept = running.kept_for_workers()
        assert kept and list(kept.iterdir())
        running.process.kill()
        running.process.wait()
        for pid in left:
            os.kill(pid, signal.SIGCONT)
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left))
        assert not kept.exists()


def counted(text: str, series: str) -> float:
    return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(series)), 0.0)


def test_figures(running: Gateway) -> None:
    with running.http() as http:
        before = http.get("/metrics").text
        running.ask()
        http.post("/v1/chat/completions", json=body("chat", True))
        key = running.new_key(rpm_limit=1)
        running.ask(key), running.ask(key)
        after = http.get("/metrics").text

    def more(series: str) -> float:
        return counted(after, series) - counted(before, series)

    answered = 'areplicate_requests_total{endpoint="/v1/chat/completions",model="chat",status="200"}'
    assert more(answered) == 3
    assert more('areplicate_tokens_total{kind="completion",model="chat"}') == 3 * len(WORDS)
    assert more('areplicate_time_to_first_token_seconds_count{model="chat"}') == 1
    assert more('areplicate_boot_seconds_count{model="chat"}') == 3
    assert more('areplicate_rate_limited_total{by="key"}') == 1
    assert more('areplicate_upstream_requests_total{kind="create",status="201"}') == 3
    assert more('areplicate_spend_dollars_total{model="chat"}') > 0
    assert counted(after, "areplicate_requests_in_flight") == 1


def test_health(running: Gateway, local: LocalReplicate) -> None:
    before = local.counts["create"]
    report = running.get("/health")
    assert (report["healthy_count"], report["unhealthy_count"]) == (len(MODELS) + len(QUOTING), 0)
    assert local.counts["create"] == before
    assert running.get("/health/readiness", None) == {"status": "ready"}


@pytest.mark.parametrize("stream", [False, True])
def test_the_log_has_no_secrets_no_prompts_and_no_answers(running: Gateway, stream: bool) -> None:
    key = running.new_key()
    fits = {"type": "object", "properties": {"a": {"enum": ["my secret choice"]}}, "required": ["a"]}
    answer_format = {"type": "json_schema", "json_schema": {"name": "a", "schema": fits}}
    with running.http(key) as http:
        for model in ("chat", "fails", "quotes", "answers", "nothing"):
            asked = {**body(model, stream), "messages": [{"role": "user", "content": "my secret prompt"}]}
            if model == "answers":
                asked["response_format"] = answer_format
            request_id = http.post("/v1/chat/completions", json=asked).headers["x-request-id"]
    eventually(lambda: request_id in running.log())
    log = running.log()
    for secret in (key, MASTER, UPSTREAM_KEY, "my secret", "dear "):
        assert secret not in log


def test_each_line_of_a_request_tells_which_one(running: Gateway) -> None:
    request_id = running.ask(model="quotes").headers["x-request-id"]
    eventually(lambda: running.log().count(request_id) >= 2)
    lines = [json.loads(line) for line in running.log().splitlines()]
    failure, access = (line for line in lines if line.get("request_id") == request_id)
    assert "quotes" in failure["message"] and access["message"].endswith(" 200")


def test_who_starts_it_may_have_closed_stderr() -> None:
    write = "from areplicate.gateway import logs; logs.set_up(False); logs.logger.error('said to nobody')"
    subprocess.run([sys.executable, "-c", write], preexec_fn=lambda: os.close(2), env=ENVIRONMENT, check=True)


def test_without_a_master_key_it_is_open_and_on_loopback_only(local: LocalReplicate, tmp_path: Path) -> None:
    config = config_for(local) | {"general_settings": {}}
    with gateway(config, tmp_path) as running:
        assert running.ask(None).status_code == 200
        assert running.ask("sk-whatever").status_code == 200
        with running.http(None) as http:
            refused = http.post("/key/generate", json={})
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "no_master_key")
    started = run("--config", str(tmp_path / "config.yaml"), "--host", "0.0.0.0")
    assert started.returncode == 1 and "master_key" in started.stderr


def test_a_wrong_configuration_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "model_list:\n  - model_name: a\n    litellm_params: {model: x/y/z}\n"
    )
    started = run("--config", str(tmp_path / "config.yaml"))
    assert started.returncode == 1
    assert f"{tmp_path}/config.yaml:3: model_list[0].litellm_params.model:" in started.stderr
    assert "Traceback" not in started.stderr


def test_a_taken_port_is_told(running: Gateway) -> None:
    started = run(
        "--config", str(running.config), "--host", "127.0.0.1", "--port", running.url.split(":")[-1]
    )
    assert started.returncode == 1 and "Address already in use" in started.stderr


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return forked.run("areplicate.gateway", *arguments, env=ENVIRONMENT, timeout=20)


def test_without_its_database_it_serves_the_master_key_and_says_it_is_not_ready(
    local: LocalReplicate, tmp_path: Path
) -> None:
    config = config_for(local, database_url="postgresql://nobody@127.0.0.1:1/none")
    with gateway(config, tmp_path, ready=False) as running:
        assert running.ask().status_code == 200
        eventually(lambda: "cannot be opened" in running.log())
        assert running.status("/health/readiness") == 503
        refused = running.ask("sk-virtual")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "database_unavailable")
        assert running.stop() == 0
        assert "usage row could not be stored" in running.log(), "the account of it is not lost"


def test_the_figures_of_another_program_are_left_alone(
    local: LocalReplicate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LiteLLM's proxy is told by this variable where its workers keep theirs."""
    monkeypatch.setitem(ENVIRONMENT, "PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "figures"))
    with gateway(config_for(local), tmp_path, ready=False) as running:
        assert running.ask().status_code == 200
    assert not (tmp_path / "figures").exists()


def test_many_at_once(running: Gateway, local: LocalReplicate) -> None:
    failures: list[str] = []
    key = running.new_key()
    key_id = running.get(f"/key/info?key={key}")["key_id"]

    def work() -> None:
        with running.http(key) as http:
            for stream in (False, True) * 5:
                answer = http.post("/v1/chat/completions", json=body("chat", stream))
                if answer.status_code != 200 or ("[DONE]" in answer.text) != stream:
                    failures.append(answer.text)

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(running.get(f"/spend/logs?limit=1000&key_id={key_id}")["data"]) == 100
    assert not local.running()

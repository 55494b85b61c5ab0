"""`areplicate keys` and `areplicate prices`, against a gateway that runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner, Result

from areplicate.cli import main
from areplicate.local import LocalReplicate
from tests.gateway.process import MASTER, MODELS, Gateway, config_for, gateway

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with LocalReplicate(models=MODELS) as local:
        with gateway(config_for(local), tmp_path_factory.mktemp("cli")) as running:
            yield running


def run(running: Gateway, *arguments: str, key: str = MASTER) -> Result:
    environment = {"AREPLICATE_GATEWAY_URL": running.url, "AREPLICATE_MASTER_KEY": key, "COLUMNS": "200"}
    return CliRunner().invoke(main, ["keys", *arguments], env=environment)


def test_a_key_from_its_making_to_its_end(running: Gateway) -> None:
    alias = "the [/INST] :cat: team"  # no markup, and no emoji
    limits = ["--rpm-limit", "60", "--max-budget", "1.5", "--model", "chat"]
    made = run(running, "create", "--key-alias", alias, *limits)
    assert made.exit_code == 0, made.output
    key = made.stdout.strip()
    key_id = made.stderr.partition(":")[0]
    assert running.ask(key).status_code == 200 and running.ask(key, "slow").status_code == 404
    listed = run(running, "list").stdout
    assert (
        key_id in listed and alias in listed and "rpm_limit=60 max_budget=1.5" in listed and key not in listed
    )
    changed = run(
        running, "update", key_id, "--rpm-limit", "none", "--max-budget", "3", "--tpm-limit", "1000"
    )
    assert "tpm_limit=1000 max_budget=3" in changed.stdout and "rpm_limit" not in changed.stdout
    assert "blocked" in run(running, "block", key_id).stdout
    assert running.ask(key).status_code == 403
    assert run(running, "unblock", key_id).exit_code == 0
    fresh = run(running, "regenerate", key_id).stdout.strip()
    assert (running.ask(key).status_code, running.ask(fresh).status_code) == (401, 200)
    assert json.loads(run(running, "list", "--json").stdout)[0]["key_alias"] == alias
    assert run(running, "delete", key_id).stdout.strip() == key_id
    assert running.ask(fresh).status_code == 401
    actions = [json.loads(line)["action"] for line in run(running, "audit", key_id).stdout.splitlines()]
    assert actions == ["generate", "update", "block", "unblock", "regenerate", "delete"]


def test_what_is_wrong_is_told(running: Gateway) -> None:
    assert "not a model of this gateway" in run(running, "create", "--model", "nothing").output
    assert "This key does not exist. (404)" in run(running, "block", "key-none").output
    assert "not a number" in run(running, "create", "--rpm-limit", "many").output
    assert "(401)" in run(running, "list", key="sk-not-the-master").output
    assert "AREPLICATE_MASTER_KEY" in run(running, "list", key="").output
    assert run(running, "audit", "no such key").output == "" and not run(running, "audit", "a&b").exception
    for url in ("http://127.0.0.1:1", "http://no such host"):
        away = CliRunner().invoke(main, ["keys", "--url", url, "--master-key", MASTER, "list"])
        assert away.output.startswith(f"Error: The gateway at {url} cannot be reached: ")


@pytest.mark.parametrize(
    "answer", [b"{}", b"[]", b'{"keys": [{"token": "hash"}], "total": 1}', b"<html>", b""]
)
@pytest.mark.parametrize("command", [["list"], ["create"], ["block", "k"], ["delete", "k"], ["audit"]])
def test_another_server_is_told_from_a_gateway(command: list[str], answer: bytes) -> None:
    """LiteLLM's proxy listens at the same port, unless told otherwise."""

    class Foreign(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Foreign) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        asked = CliRunner().invoke(main, ["keys", "--url", url, "--master-key", MASTER, *command])
        server.shutdown()
    assert asked.exit_code == 1 and asked.output.startswith(
        f"Error: What listens at {url} is not a gateway of"
    )


def test_prices_are_renewed(tmp_path: Path) -> None:
    source, target = tmp_path / "litellm.json", tmp_path / "areplicate-prices.json"
    entry = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "litellm_provider": "replicate"}
    source.write_text(
        json.dumps(
            {
                "replicate/acme/new": entry,
                "replicate/meta/llama-3-8b": entry,
                "gpt-4o": entry,
                "sample_spec": {},
            }
        )
    )

    def update(source: str) -> Result:
        return CliRunner().invoke(main, ["prices", "update", "--from", source, "--to", str(target)])

    done = update(str(source))
    assert done.exit_code == 0 and "2 models" in done.output, done.output
    written = json.loads(target.read_text())
    assert written["models"]["meta/meta-llama-3-8b"] == {"input": 1.0, "output": 2.0}, (
        "by Replicate's name for it"
    )
    assert "gpt-4o" not in written["models"] and written["hardware"]["gpu-t4"] > 0
    assert update(str(target)).exit_code == 0, "its own lists are taken, too"
    source.write_text("{}")
    assert "has no price for the tokens of any of Replicate's models" in update(str(source)).output
    assert "litellm.txt" in update(str(tmp_path / "litellm.txt")).output
    assert update("http://no such host/list").output.startswith("Error: ")
    shown = CliRunner().invoke(main, ["prices", "list", "--config", str(tmp_path / "config.yaml")])
    assert "acme/new" in shown.output

    kept = target.read_text()
    target.write_text("{")
    damaged = CliRunner().invoke(main, ["prices", "list", "--config", str(tmp_path / "config.yaml")])
    assert "Error: " in damaged.output and "write it anew with areplicate prices update" in damaged.output
    source.write_text(kept)
    assert update(str(source)).exit_code == 0 and json.loads(target.read_text()) == json.loads(kept)

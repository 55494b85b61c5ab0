"""The `areplicate` command, as a person at a terminal or a script meets it."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import areplicate
from areplicate.cli import SERVING
from areplicate.gateway.command import serve
from areplicate.local import LocalReplicate
from tests import forked
from tests.cli.command import environment, run
from tests.fork_server import ForkRequest, number
from tests.stage import KEY, LLAMA, llama, wait_until_nothing_runs
from tests.waiting import eventually

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, connection: socket.socket, screen: int) -> None:
        self.pid = number(connection)
        self.returncode: int | None = None
        self._connection = connection
        self._screen = screen
        self.seen = ""

    def wait_for(self, text: str) -> None:
        for _ in range(400):
            if text in self.seen:
                return
            os.set_blocking(self._screen, False)
            try:
                self.seen += ESCAPES.sub("", os.read(self._screen, 65536).decode("utf-8", "replace"))
            except BlockingIOError:
                time.sleep(0.05)
            except OSError:  # the program has ended
                break
        assert text in self.seen, f"{text!r} did not appear in:\n{self.seen}"

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def wait(self, timeout: float = 10) -> int:
        self._connection.settimeout(timeout)
        self.returncode = number(self._connection)
        return self.returncode


@contextmanager
def terminal(*arguments: str, local: LocalReplicate) -> Iterator[Terminal]:
    screen, program_side = pty.openpty()
    program = ["tests.cli.in_terminal", *arguments]
    request = ForkRequest(program, environment(local, TERM="xterm", COLUMNS="200"), str(forked.ROOT))
    with request.send(forked.fork_server(), [program_side] * 3) as connection:
        os.close(program_side)
        running = Terminal(connection, screen)
        try:
            yield running
        finally:
            if running.returncode is None:
                with suppress(ProcessLookupError):  # it has ended by itself
                    os.kill(running.pid, signal.SIGKILL)
                running.wait()
            os.close(screen)


@pytest.fixture
def local() -> Iterator[LocalReplicate]:
    with LocalReplicate([llama(reply=["I", " am", " [bold]fine[/bold]."])]) as local:
        yield local


def test_the_answer_is_all_that_goes_to_stdout(local: LocalReplicate) -> None:
    asked = run("chat", LLAMA, "How are you?", "--max-tokens", "20", "--input", "top_k=5", local=local)
    assert (asked.stdout, asked.returncode) == ("I am [bold]fine[/bold].\n", 0)
    assert "in all" in asked.stderr
    sent = local.requests[0].json()["input"]
    assert (sent["max_tokens"], sent["top_k"]) == (20, 5)


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["chat", LLAMA, "x"], {}, "set REPLICATE_API_KEY"),
        (["chat", "nonsense", "x"], {"REPLICATE_API_KEY": "k"}, "is not a model string"),
        (["chat", LLAMA, "x", "--input", "broken"], {"REPLICATE_API_KEY": "k"}, "NAME=VALUE"),
        (["chat", LLAMA, "x", "--max-tokens", "0"], {"REPLICATE_API_KEY": "k"}, "--max-tokens"),
        (["chat"], {}, "MODEL"),
        (["local", "--port", "99999"], {}, "--port"),
        (["nothing-of-the-kind"], {}, "No such command"),
    ],
)
def test_mistakes_are_explained_without_a_traceback(
    arguments: list[str], environment: dict[str, Any], message: str
) -> None:
    failed = run(*arguments, **environment)
    assert failed.returncode in (1, 2)
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_model_that_does_not_exist_is_an_error_in_a_line(local: LocalReplicate) -> None:
    failed = run("chat", "nobody/nothing", "x", local=local)
    assert failed.returncode == 1
    assert "Error: Replicate answered 404" in failed.stderr and "Traceback" not in failed.stderr


def test_version_and_help() -> None:
    assert areplicate.__version__ in run("--version").stdout
    shown = run("--help").stdout
    assert all(command in shown for command in ("chat", "local", "models", "demo", "serve"))


@pytest.mark.parametrize(
    ("missing", "command", "extra"),
    [("yaml", "serve", "gateway"), ("rich", "chat", "cli"), ("click", "chat", "cli")],
)
def test_what_is_not_installed_is_named(missing: str, command: str, extra: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from areplicate.cli import main; main()"
    asked = subprocess.run(
        [sys.executable, "-c", code, command, "x", "--any"], capture_output=True, text=True, timeout=60
    )
    assert asked.returncode == 1 and not asked.stdout
    assert f"needs {missing}: pip install 'areplicate[{extra}]'" in asked.stderr
    assert "Traceback" not in asked.stderr


def test_verbose_shows_requests_as_curl_without_the_key(local: LocalReplicate) -> None:
    asked = run("--verbose", "chat", LLAMA, "x", local=local)
    assert "curl -X POST" in asked.stderr and "$REPLICATE_API_KEY" in asked.stderr
    assert KEY not in asked.stderr + asked.stdout


def test_the_status_line_tells_of_the_boot() -> None:
    with LocalReplicate([llama(boot_seconds=4, reply=["here", " now"])]) as local:
        with terminal("chat", LLAMA, "Hello", local=local) as screen:
            screen.wait_for("booting 3 s ...")
            screen.wait_for("here now")
            screen.wait_for("in all")


def test_a_conversation_remembers_and_ctrl_c_stops_only_the_answer() -> None:
    def reply(input: dict[str, Any]) -> list[str]:
        return (
            ["slow"] * 100 if "slowly" in input["prompt"] else ["turn", f" {input['prompt'].count('eot_id')}"]
        )

    with LocalReplicate([llama(reply=reply, tokens_per_second=10)]) as local:
        with terminal("chat", LLAMA, local=local) as screen:
            screen.wait_for("> ")
            screen.type("first\n")
            screen.wait_for("turn 1")
            screen.type("speak slowly\n")
            screen.wait_for("slowslow")
            screen.type("\x03")
            screen.wait_for("stopped")
            wait_until_nothing_runs(local)
            screen.type("again\n")
            screen.wait_for("turn 3")
            screen.type("\x04")
            assert screen.wait() == 0


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_nothing_running(ending: signal.Signals) -> None:
    with LocalReplicate([llama(boot_seconds=60)]) as local:
        process = forked.Process("areplicate", "chat", LLAMA, "x", env=environment(local))
        eventually(lambda: local.predictions)
        process.send_signal(ending)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 128 + ending
        assert "Traceback" not in said
        wait_until_nothing_runs(local)


def test_local_serves_until_it_is_stopped(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with said.open("wb") as stderr:
        process = forked.Process("areplicate", "local", "--port", "0", "--boot", "0.1", stderr=stderr)
    eventually(lambda: "Try:" in said.read_text() or process.poll() is not None)
    heard = said.read_text()
    base = re.search(r"http://127\.0\.0\.1:\d+/v1", heard)
    assert base is not None and ":0/" not in base[0]
    assert LLAMA in heard and "deployments/local/chat" in heard
    for model in (LLAMA, "deployments/local/chat"):
        asked = run("chat", model, "Hello", REPLICATE_API_KEY="any", REPLICATE_API_BASE=base[0])
        assert "Hello" in asked.stdout
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0


def test_the_demo_shows_a_boot_and_an_answer() -> None:
    shown = run("demo")
    assert shown.returncode == 0
    assert "weights" in shown.stdout
    phases = re.findall(r"^(\w+), \d+ s$", shown.stderr, re.MULTILINE)
    assert phases == ["queued", "booting", "processing"]
    assert "s until the model ran" in shown.stderr


def test_models_show_and_list() -> None:
    shown = run("models", "show", LLAMA, COLUMNS="120").stdout
    assert "max_tokens" in shown and "prompt_template" in shown
    assert LLAMA in run("models", "list", "--search", "llama-3-8b").stdout


def test_a_base_where_nobody_listens_is_told_at_once_and_given_up_soon() -> None:
    with LocalReplicate([llama()]) as local:
        base = local.api_base
    ran = run("chat", LLAMA, "Hi", "--api-base", base, REPLICATE_API_KEY=KEY)
    assert ran.returncode != 0 and not ran.stdout
    warned, given_up = ran.stderr.index("Trying again"), ran.stderr.index("Check api_base")
    assert ran.stderr.index(f"Cannot connect to {base}.") < warned < given_up


def test_whatever_option_a_gateway_is_started_with_may_come_first() -> None:
    options = {name for param in serve.params if not getattr(param, "hidden", False) for name in param.opts}
    assert set(SERVING) == options

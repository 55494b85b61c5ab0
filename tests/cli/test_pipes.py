"""`areplicate chat` in pipes and scripts: what is asked, what comes out, and where."""

from __future__ import annotations

import base64
import errno
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from areplicate.cli import main
from areplicate.local import LocalModel, LocalReplicate
from tests import forked
from tests.cli.command import environment, run
from tests.stage import LLAMA, in_the_environment, llama, sent

VISION = "acme/vision"
STOPS = "meta/llama-2-7b-chat"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def local() -> Iterator[LocalReplicate]:
    stops = LocalModel(owner="meta", name="llama-2-7b-chat", description="[/INST] ends a [b]turn[/b] :cat:")
    fields = {"prompt": {"type": "string"}, "image": {"type": "string", "format": "uri"}}
    vision = LocalModel(owner="acme", name="vision", schema={"Input": {"properties": fields}, "Output": {}})
    with LocalReplicate([llama(reply=["I", " am", " fine."], boot_seconds=0), stops, vision]) as local:
        yield local


def prompts(local: LocalReplicate) -> list[str]:
    return [each["input"]["prompt"] for each in sent(local)]


def user_text(local: LocalReplicate) -> str:
    """What the user's one turn said."""
    (prompt,) = prompts(local)
    return prompt.rpartition("user<|end_header_id|>\n\n")[2].partition("<|eot_id|>")[0]


def test_what_is_piped_in_is_one_question(local: LocalReplicate) -> None:
    asked = run("chat", LLAMA, local=local, piped="first line\nsecond line\n")
    assert (asked.stdout, asked.returncode) == ("I am fine.\n", 0)
    assert user_text(local) == "first line\nsecond line"


def test_what_powershell_writes_is_read(local: LocalReplicate) -> None:
    run("chat", LLAMA, local=local, piped="Who left\r\nTroy \u2693?\r\n".encode("utf-16"))
    assert user_text(local) == "Who left\nTroy \u2693?"


def test_pipe_files_and_prompt_are_joined_in_that_order(local: LocalReplicate, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufefffrom a file\n".encode())
    run("chat", LLAMA, "the prompt", "-f", str(tmp_path / "a.txt"), local=local, piped="piped\n")
    assert user_text(local) == "piped\n\nfrom a file\n\nthe prompt"


def test_a_dash_stands_for_the_pipe(local: LocalReplicate) -> None:
    run("chat", LLAMA, "-", local=local, piped="piped")
    assert user_text(local) == "piped"


def test_a_file_of_that_name_stands_for_the_pipe(local: LocalReplicate) -> None:
    run("chat", LLAMA, "-f", "-", "the prompt", local=local, piped="piped")
    assert user_text(local) == "piped\n\nthe prompt"


@pytest.mark.parametrize("arguments", [[], ["-"], ["  "]])
def test_nothing_to_ask_costs_nothing(local: LocalReplicate, arguments: list[str]) -> None:
    failed = run("chat", LLAMA, *arguments, local=local)
    assert failed.returncode == 2 and "nothing to ask" in failed.stderr
    assert not local.predictions


def test_a_binary_pipe_is_an_error_in_a_line(local: LocalReplicate) -> None:
    failed = run("chat", LLAMA, local=local, piped=b"\xff\xfe\x00")
    assert (
        failed.returncode == 2 and "is not UTF-8 text" in failed.stderr and "Traceback" not in failed.stderr
    )


def test_json_is_the_whole_response(local: LocalReplicate) -> None:
    asked = run("chat", LLAMA, "x", "--json", local=local)
    response = json.loads(asked.stdout)
    assert response["choices"][0]["message"]["content"] == "I am fine."
    assert response["usage"]["completion_tokens"] > 0


def test_without_streaming_the_answer_is_the_same(local: LocalReplicate) -> None:
    assert run("chat", LLAMA, "x", "--no-stream", local=local).stdout == "I am fine.\n"


def test_options_reach_the_model(local: LocalReplicate) -> None:
    given = ["--top-p", "0.5", "--temperature", "0.1", "-o", "top_k=7", "-o", "min_tokens=2"]
    assert run("chat", LLAMA, "x", *given, local=local).returncode == 0
    (body,) = sent(local)
    wanted = {"top_p": 0.5, "temperature": 0.1, "top_k": 7, "min_tokens": 2}
    assert wanted.items() <= body["input"].items()
    mistyped = run("chat", LLAMA, "x", "-o", "topk=7", local=local)
    assert mistyped.returncode and "Did you mean top_k" in mistyped.stderr and len(sent(local)) == 1


@pytest.mark.parametrize("name", ["model", "messages", "stream"])
def test_an_input_may_have_the_name_of_an_argument(local: LocalReplicate, name: str) -> None:
    asked = run("chat", LLAMA, "x", "-o", f"{name}=y", local=local)
    assert "Traceback" not in asked.stderr
    (body,) = sent(local)
    assert body["input"][name] == "y"


def test_an_output_that_cannot_be_written_is_an_error_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("areplicate.cli._end_in_order", lambda: None)
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(click.ClickException, match=r"The output cannot be .*: No space left on device\.$"):
        main(["models", "list"], standalone_mode=False)


@pytest.mark.parametrize("more", [(), ("--no-stream",), ("--json",)])
def test_what_is_written_to_pipes_and_files_is_utf_8(
    monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    """On many a system the standard output is in an encoding that has no place for most characters."""
    monkeypatch.setattr("areplicate.cli._end_in_order", lambda: None)
    written = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", written)
    monkeypatch.setattr(sys, "stdin", None)
    with LocalReplicate([llama(reply=["Zo\u00eb ", "\u2693"], boot_seconds=0)]) as local:
        in_the_environment(local, monkeypatch)
        main(["chat", LLAMA, "x", *more], standalone_mode=False)
    assert "Zo\u00eb \u2693" in written.buffer.getvalue().decode()


def test_a_program_without_standard_streams_asks(local: LocalReplicate, tmp_path: Path) -> None:
    """As below a daemon: its sockets then have the numbers 0 to 2, which uvloop must not close."""
    program = tmp_path / "program.py"
    program.write_text(f"""
import os, sys
for number in range(3):
    os.close(number)
import areplicate
said = areplicate.completion({LLAMA!r}, [{{"role": "user", "content": "Hi"}}]).choices[0].message.content
sys.exit(0 if said == "I am fine." else 1)
""")
    assert forked.run(str(program), env=environment(local)).returncode == 0


def test_stops_and_a_seed_reach_a_model_that_takes_them(local: LocalReplicate) -> None:
    asked = run("chat", STOPS, "x", "--stop", "END", "--stop", "##", "--seed", "7", local=local)
    assert asked.returncode == 0, asked.stderr
    (body,) = sent(local)
    assert body["input"]["stop_sequences"] == "END,##" and body["input"]["seed"] == 7


@pytest.mark.parametrize("name", ["dot.png", "dot"])
def test_an_image_goes_along(local: LocalReplicate, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(PNG)
    asked = run("chat", VISION, "What is it?", "--image", str(tmp_path / name), local=local)
    assert asked.returncode == 0, asked.stderr
    (body,) = sent(local)
    assert body["input"]["image"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("image", "says"), [("missing.png", "does not exist"), (__file__, "not look like an image")]
)
def test_an_image_that_is_none(local: LocalReplicate, image: str, says: str) -> None:
    failed = run("chat", VISION, "x", "--image", image, local=local)
    assert failed.returncode == 2 and says in failed.stderr and not local.predictions


def test_the_phases_are_told_without_a_terminal() -> None:
    with LocalReplicate([llama(boot_seconds=1, reply=["yes"])]) as local:
        asked = run("chat", LLAMA, "x", local=local)
    assert asked.stdout == "yes\n"
    assert "queued, " in asked.stderr and "processing" in asked.stderr


@pytest.mark.parametrize(("typed", "meant"), [("caht", "chat"), ("model", "models"), ("serv", "serve")])
def test_a_mistyped_command_is_recognised(typed: str, meant: str) -> None:
    failed = run(typed)
    assert failed.returncode == 2 and f"Did you mean {meant!r}?" in failed.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_learn_to_complete(shell: str) -> None:
    script = run("completion", shell)
    assert "_AREPLICATE_COMPLETE" in script.stdout and script.returncode == 0
    words: dict[str, Any] = {"_AREPLICATE_COMPLETE": "bash_complete", "COMP_CWORD": "2"}
    found = run(COMP_WORDS="areplicate chat meta/meta-llama-3-8", **words)
    assert f"plain,{LLAMA}" in found.stdout


def test_models_are_searched_for_at_replicate(local: LocalReplicate) -> None:
    found = run("models", "search", "llama", "2", local=local, COLUMNS="120")
    assert found.returncode == 0, found.stderr
    assert STOPS in found.stdout and VISION not in found.stdout
    assert "[/INST] ends a [b]turn[/b] :cat:" in found.stdout, "what others have written is no markup"
    none = run("models", "search", "nothing of the kind", local=local)
    assert none.returncode == 1 and "finds no model" in none.stderr

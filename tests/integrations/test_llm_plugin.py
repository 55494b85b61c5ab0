"""The real `llm` command with areplicate as its plugin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from areplicate.local import LocalModel, LocalReplicate, language_model_schema
from tests import forked
from tests.lazily import Lazily
from tests.scripted import calls_tools

llm: Any = Lazily("llm")
llm_cli: Any = Lazily("llm.cli")
plugin: Any = Lazily("areplicate.integrations.llm_plugin")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.real_time,
]

KEY = "r8_llm"
MODEL = "meta/meta-llama-3-8b-instruct"
TEXT = {"type": "string"}
INPUTS = {
    "prompt": TEXT,
    "system_prompt": TEXT,
    "max_tokens": {"type": "integer"},
    "top_k": {"type": "integer"},
}
SCHEMA = language_model_schema(INPUTS)


@pytest.fixture(scope="module")
def local() -> Iterator[LocalReplicate]:
    models = [
        LocalModel(
            owner="meta", name="meta-llama-3-8b-instruct", reply=["Hello", ", ", "world"], schema=SCHEMA
        ),
        LocalModel(owner="acme", name="json", reply='{"name": "Ada"}', schema=SCHEMA),
        LocalModel(
            owner="acme",
            name="tools",
            reply=calls_tools(("upper", {"text": "hi"}), then="HI it is."),
            schema=SCHEMA,
        ),
    ]
    with LocalReplicate(models, tokens=[KEY]) as local:
        yield local


class Command:
    """`llm`, with a home of its own."""

    def __init__(self, home: Path, api_base: str) -> None:
        self._environment = {
            "LLM_USER_PATH": str(home),
            "REPLICATE_API_KEY": KEY,
            "REPLICATE_API_BASE": api_base,
        }

    def __call__(self, *arguments: str) -> str:
        """Runs it in this process: it takes seconds to import."""
        ran = CliRunner(env=self._environment).invoke(llm_cli.cli, arguments)
        assert ran.exit_code == 0, ran.output
        return ran.stdout.strip()

    def in_a_shell(self, *arguments: str) -> str:
        ran = forked.run(
            "llm", *arguments, env={**os.environ, **self._environment}, timeout=120, imports="integrations"
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()


@pytest.fixture
def command(tmp_path: Path, local: LocalReplicate) -> Command:
    return Command(tmp_path, local.api_base)


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch, local: LocalReplicate) -> None:
    monkeypatch.setenv("REPLICATE_API_BASE", local.api_base)


def test_the_command_asks_a_model_and_goes_on(command: Command, local: LocalReplicate) -> None:
    answer = command.in_a_shell(
        "-m", f"areplicate/{MODEL}", "Hi", "-s", "Be brief.", "-o", "top_k", "20", "-o", "max_tokens", "9"
    )
    assert answer == "Hello, world"
    asked = list(local.predictions.values())[-1].input or {}
    assert (asked["top_k"], asked["max_tokens"]) == (20, 9)
    assert command("-c", "And now?", "--no-stream") == "Hello, world"
    asked = list(local.predictions.values())[-1].input or {}
    assert "Hello, world" in asked["prompt"] and "And now?" in asked["prompt"]
    assert f"areplicate/{MODEL}" in command("logs", "list")


def test_a_text_among_the_options_may_look_like_a_number(command: Command, local: LocalReplicate) -> None:
    assert command("-m", f"areplicate/{MODEL}", "Hi", "-o", "stop", "4", "--no-stream") == "Hello, world"


def test_a_model_is_added_by_its_name(command: Command) -> None:
    assert "acme/json" not in command("models")
    command("areplicate", "add", "acme/json")
    assert "Replicate: areplicate/acme/json" in command("models")
    assert command("-m", "areplicate/acme/json", "Who?", "--schema", "name str") == '{"name":"Ada"}'


def test_a_tool_is_called(command: Command) -> None:
    command("areplicate", "add", "acme/tools")
    function = "def upper(text: str) -> str:\n    return text.upper()"
    said = command("-m", "areplicate/acme/tools", "Upper", "--functions", function)
    assert said == "HI it is."


async def test_async_whole_and_streamed(local: LocalReplicate) -> None:
    model = plugin.AsyncAreplicate(MODEL)
    streamed = model.prompt("Hi", key=KEY)
    assert [chunk async for chunk in streamed] == ["Hello", ", ", "world"]
    usage = await streamed.usage()
    assert usage.output == 3
    assert await model.prompt("Hi", key=KEY, stream=False).text() == "Hello, world"


def test_an_image_that_the_model_does_not_take_is_an_error() -> None:
    image = llm.Attachment(content=b"\x89PNG\r\n\x1a\n0000", type="image/png")
    with pytest.raises(Exception, match="image"):
        plugin.Areplicate(MODEL).prompt("What?", attachments=[image], key=KEY).text()

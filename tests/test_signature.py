"""What editors, type checkers and `help()` know of a call, and that it follows from the declarations."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from areplicate import AsyncRouter, Router, acompletion, completion
from areplicate.options.declared import OPTIONS
from areplicate.options.signature import signed

ROOT = Path(__file__).parents[1]

WRONG = "  # type: ignore"


@pytest.mark.integration
@pytest.mark.first(20)
def test_pyright_finds_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    """`make lint` shows the same of mypy."""
    lines = (ROOT / "tests" / "typed_calls.py").read_text().splitlines()
    file = tmp_path / "calls.py"
    file.write_text("\n".join(line.removesuffix(WRONG) for line in lines))
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, str(file)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    found = {
        int(line.split("calls.py:")[1].split(":")[0]) for line in run.stdout.splitlines() if "- error" in line
    }
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith(WRONG)}
    assert found == wrong and len(wrong) == 10, run.stdout[:3000] + run.stderr[:3000]


@pytest.mark.parametrize(
    "function", [acompletion, completion, AsyncRouter(api_key="k").acompletion, Router().completion]
)
def test_every_option_is_in_the_signature_and_the_documentation(function: Callable[..., Any]) -> None:
    parameters = inspect.signature(function).parameters
    assert list(parameters) == ["model", "messages", *(option.name for option in OPTIONS), "inputs"]
    assert parameters["inputs"].kind is inspect.Parameter.VAR_KEYWORD
    assert len(parameters) > 41, "as many as OpenAI's own"
    for option in OPTIONS:
        assert f"{option.name}: {option.meaning}" in (inspect.getdoc(function) or "")


def test_a_function_is_given_the_options_and_keeps_what_it_says_of_itself() -> None:
    async def ask(model: str, messages: list[Any], **inputs: Any) -> str:
        """Asks.

        And waits.
        """
        return f"{model} {messages} {inputs}"

    parameters = inspect.signature(signed(ask)).parameters
    assert list(parameters) == ["model", "messages", *(option.name for option in OPTIONS), "inputs"]
    assert str(parameters["timeout"]) == "timeout: 'Seconds | None' = None"
    assert {parameters[option.name].kind for option in OPTIONS} == {inspect.Parameter.KEYWORD_ONLY}
    assert str(parameters["inputs"]) == "**inputs: 'Any'"
    lines = (inspect.getdoc(ask) or "").splitlines()
    assert lines[:5] == ["Asks.", "", "And waits.", "", "Args:"]
    assert lines[5].startswith("    model: Such as") and lines[6] == "    messages: As OpenAI takes them."
    for option, line in zip(OPTIONS, lines[7:], strict=False):
        default = f" By default {option.default}." if option.default else ""
        assert line == f"    {option.name}: {option.meaning}{default}"
    inputs, nothing, raises, last = lines[7 + len(OPTIONS) :]
    assert inputs.startswith("    inputs: The model's own inputs")
    assert (nothing, raises) == ("", "Raises:") and last.startswith("    APIError: one of its subclasses")
    assert not signed(lambda model: None).__doc__.strip().startswith("None")
    assert signed(lambda model: None).__doc__.startswith("\n\nArgs:")


def test_what_openai_takes_is_declared_here() -> None:
    """OpenAI's own client, as installed, asks for no parameter that a call here would not know."""
    from openai.resources.chat.completions import AsyncCompletions

    theirs = set(inspect.signature(AsyncCompletions.create).parameters) - {"self", "model", "messages"}
    known = {name for option in OPTIONS for name in (option.name, *option.other_names)}
    assert theirs - known == {"extra_query"}, "which is left out with a warning"

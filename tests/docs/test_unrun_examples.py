"""The examples that no reader pastes into a shell or into Python: the gateway's configurations in the documentation,
and what docstrings show."""

from __future__ import annotations

import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest

from areplicate.gateway.config.config import read_config
from tests.docs.pages import fenced

ROOT = Path(__file__).parents[2]
ENTRY = (
    "model_list:\n"
    "  - model_name: llama-3\n"
    "    litellm_params: {model: replicate/meta/meta-llama-3-8b-instruct, api_key: r8_any}\n"
)
LITELLMS = "integrations.md"
"""Its configuration is one of LiteLLM's proxy."""


def configurations() -> Iterator[tuple[str, str]]:
    """Each with its place; what is only a part of a configuration is set into one."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for block in fenced(page.read_text()):
            if block.language != "yaml" or page.name == LITELLMS:
                continue
            place = f"{page.relative_to(ROOT)}:{block.line}"
            if block.code.startswith("model_list:"):
                yield place, block.code
            elif block.code.startswith("model_info:"):  # one in each line
                yield from (
                    (f"{place}: {line.partition('#')[0].strip()}", f"{ENTRY}    {line}\n")
                    for line in block.code.splitlines()
                )
            else:
                yield place, ENTRY + block.code


CONFIGURATIONS = list(configurations())
SHOWN = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "areplicate").rglob("*.py"))
    if ">>> " in path.read_text()
]
"""The modules whose docstrings show what a function gives."""


@pytest.mark.parametrize("text", [text for _, text in CONFIGURATIONS], ids=[at for at, _ in CONFIGURATIONS])
def test_a_gateway_takes_the_configuration(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in re.findall(r"os\.environ/(\w+)", text):
        monkeypatch.setenv(name, "r8_any")
    file = tmp_path / "config.yaml"
    file.write_text(text.replace("/etc/ssl/corp.pem", certifi.where()))
    assert read_config(file).models
    assert "no effect" not in caplog.text


@pytest.mark.parametrize("module", SHOWN)
def test_a_docstring_shows_what_is_given(module: str) -> None:
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted and not found.failed

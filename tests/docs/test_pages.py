"""Every Python and shell block of README and docs runs, one after the other, against the stand-in.

Those that take other people's programs run with the integrations, and that of Ray, which takes a cluster and half a
minute, with the slow tests.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from areplicate.local import (
    DEFAULT_DEPLOYMENTS,
    DEFAULT_MODELS,
    LocalModel,
    LocalReplicate,
    component_schemas,
)
from tests import forked
from tests.docs.pages import blocks
from tests.stage import free_port

pytestmark = pytest.mark.first(45)

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARKS = {"integrations.md": pytest.mark.integration, "ray.md": pytest.mark.slow}
PORTS = re.compile(r"(?<=127\.0\.0\.1:|localhost:)(4\d{3})\b|(?<=--port )(4\d{3})\b")

OTHERS = ("mistralai/mistral-7b-instruct-v0.2", "yorickvp/llava-13b", "meta/meta-llama-3-70b-instruct")
"""Models that the pages ask, beside the stand-in's own."""

EMBEDS = LocalModel(
    owner="beautyyuyanli",
    name="multilingual-e5-large",
    official=False,
    output_kind="object",
    schema=component_schemas({"properties": {"texts": {"type": "string"}}}, {"type": "array", "items": {}}),
    reply=lambda input: {"vectors": [[0.25, -0.5, 1.0] for _ in json.loads(input["texts"])]},
)


@pytest.fixture(scope="module")
def replicate() -> Iterator[LocalReplicate]:
    others = [LocalModel(owner=owner, name=name) for owner, name in (each.split("/") for each in OTHERS)]
    known = {model.full_name for model in DEFAULT_MODELS}
    models = [EMBEDS, *DEFAULT_MODELS, *(model for model in others if model.full_name not in known)]
    with LocalReplicate(models, DEFAULT_DEPLOYMENTS, create_per_minute=60_000) as local:
        yield local


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=MARKS.get(page.name, ())) for page in PAGES],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_each_block_runs_as_it_stands(page: Path, tmp_path: Path, replicate: LocalReplicate) -> None:
    expected = blocks(page)
    if not expected:
        return
    copy = tmp_path / page.name
    copy.write_text(_on_free_ports(page.read_text()))
    folder = tmp_path / "reader"
    folder.mkdir()
    imports = "integrations" if page.name == "integrations.md" else "package"
    env = _environment(tmp_path, replicate, forked.fork_server(imports))
    ran = forked.run("tests.docs.pages", str(copy), cwd=folder, env=env, timeout=300, imports=imports)
    assert ran.returncode == 0, f"{ran.stdout[-1000:]}\n{ran.stderr[-4000:]}"
    assert ran.stdout.count("block at line") == len(expected)


def test_how_many_blocks_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    count = {page: len(blocks(page)) for page in PAGES}
    with capsys.disabled():
        print(f"\n{sum(count.values())} blocks on {len(count)} pages of the documentation, all of them run")
    assert count[ROOT / "README.md"] > 8


def _on_free_ports(text: str) -> str:
    ports = {port: str(free_port()) for found in PORTS.findall(text) for port in found if port}
    return PORTS.sub(lambda match: ports[match[0]], text)


def _environment(folder: Path, replicate: LocalReplicate, fork_server: str) -> dict[str, str]:
    """A reader's machine: a home, a key, and the stand-in instead of Replicate."""
    commands = folder / "bin"
    commands.mkdir()
    _command(commands / "pip", '[ "$1" = install ]')  # what, test_lists.py checks
    for name in ("areplicate", "llm"):
        command = f"{fork_server} {Path(sys.executable).parent / name}"
        _command(commands / name, f'exec {sys.executable} -S -m tests.docs.command {command} "$@"')
    _command(commands / "make", f'exec /usr/bin/make --directory {ROOT} --dry-run "$@"')
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("REPLICATE_", "AREPLICATE_"))
    }
    return {
        **kept,
        "PATH": f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "REPLICATE_API_KEY": "r8_reader",
        "REPLICATE_API_BASE": replicate.api_base,
        "AREPLICATE_CACHE_DIR": "off",
        "NO_PROXY": "*",
        "HF_HUB_OFFLINE": "1",
    }


def _command(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)

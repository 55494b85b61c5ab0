"""The gateway does what its own OpenAPI document says, whatever it is sent."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from areplicate.local import LocalReplicate
from tests.gateway.process import MASTER, MODELS, config_for, gateway

pytestmark = pytest.mark.filterwarnings("ignore")


def test_it_keeps_to_its_document(tmp_path: Path) -> None:
    """tests/slow/test_fuzz.py asks for more."""
    keeps_to_its_document(tmp_path, "--phases", "fuzzing", "--max-examples", "2")


def keeps_to_its_document(tmp_path: Path, *arguments: str) -> None:
    """The paths without /v1 are left out: their handlers are those of the paths with it. So are embeddings,
    for the one model here does not embed."""
    with LocalReplicate(models=MODELS[:1]) as local:
        config = config_for(local, MODELS[:1], store_responses=True) | {
            "litellm_settings": {"drop_params": True}
        }
        with gateway(config, tmp_path) as running:
            document = tmp_path / "openapi.json"
            document.write_text(json.dumps(_naming_models(running.get("/openapi.json"))))
            command = [
                *(sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", running.url),
                *("--header", f"Authorization: Bearer {MASTER}", "--no-color", "--seed", "1", *arguments),
                *(
                    "--exclude-path-regex",
                    "^/(chat|completions|responses|messages|embeddings|models|files|batches)|^/v1/embeddings",
                ),
                *("--generation-database", "none"),
            ]
            done = subprocess.run(
                command, capture_output=True, text=True, cwd=tmp_path, timeout=600, check=False
            )
            assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
            assert running.ask().status_code == 200
            assert "Traceback" not in running.log()


def _naming_models(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the one model's name in each request: any other is refused."""
    schemas = document["components"]["schemas"]
    for name in ("ChatRequest", "CompletionRequest", "ResponseRequest", "MessageRequest", "Counted"):
        schemas[name]["properties"]["model"]["enum"] = [MODELS[0].name]
    for name in ("NewKey", "KeyChanges"):
        schemas[name]["properties"]["models"]["items"]["enum"] = [MODELS[0].name]
    return document

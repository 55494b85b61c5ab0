"""The gateway does what its own OpenAPI document says, whatever it is sent."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from areplicate.gateway.http.uploads import MAX_FIELDS
from areplicate.local import LocalReplicate
from tests.gateway.process import MASTER, MODELS, config_for, gateway

pytestmark = [pytest.mark.integration, pytest.mark.first(35), pytest.mark.filterwarnings("ignore")]


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
            document, settings = tmp_path / "openapi.json", tmp_path / "schemathesis.toml"
            document.write_text(json.dumps(_narrowed(running.get("/openapi.json"))))
            settings.write_text(_SETTINGS)
            command = [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings)),
                *("run", str(document), "--url", running.url),
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


_SETTINGS = """
[[operations]]
include-path-regex = "^/v1/(chat|messages|responses)"
checks.negative_data_rejection.enabled = false
"""
"""Conversations may be more than `_narrowed` leaves of them."""


def _narrowed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what no struct says: the name of the one model, and conversations that it answers."""
    schemas = document["components"]["schemas"]
    for name in ("ChatRequest", "CompletionRequest", "ResponseRequest", "MessageRequest", "Counted"):
        schemas[name]["properties"]["model"]["enum"] = [MODELS[0].name]
    for name in ("NewKey", "KeyChanges"):
        schemas[name]["properties"]["models"]["items"]["enum"] = [MODELS[0].name]
    text, function = {"type": "string"}, {"type": "string", "pattern": "^[a-z]+$"}
    tool = {"type": "object", "properties": {"type": {"const": "function"}, "name": function}}
    schemas["ChatMessage"]["properties"] = {
        "role": {"enum": ["system", "user", "assistant"]},
        "content": text,
    }
    schemas["ChatMessage"]["required"] = ["role", "content"]
    schemas["MessageParam"]["properties"]["content"] = text
    for name in ("MessageRequest", "Counted"):
        schemas[name]["properties"] |= {"system": text, "tools": {"type": "null"}}
    schemas["ResponseRequest"]["properties"] |= {
        "input": text,
        "tools": {"type": "array", "items": tool | {"required": ["type", "name"]}, "maxItems": 1},
    }
    # Further fields of a form are ignored; how they may be called is for those who write forms to know.
    schemas["FileUpload"] |= {"propertyNames": {"pattern": r"^[ !#-\[\]-~]+$"}, "maxProperties": MAX_FIELDS}
    return document

"""The catalogue in the package: facts, found fast, rebuilt by a script."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from areplicate.chat.schemas import catalogue

CATALOGUE = Path(catalogue.__file__).with_name("catalogue.json")
SCRIPT = Path(__file__).parents[2] / "scripts" / "build_catalogue.py"


def test_a_model_is_found_by_its_name_or_its_version() -> None:
    by_name = catalogue.find("meta/llama-2-70b-chat")
    assert by_name is not None and by_name.version is not None
    by_version = catalogue.find(None, by_name.version)
    assert by_version is not None and by_version.model == "meta/llama-2-70b-chat"
    assert catalogue.find("someone/new-model") is None
    assert catalogue.find(None) is None
    assert catalogue.find("meta/llama-2-70b-chat", "ab" * 32) is None


def test_it_holds_the_recent_official_models() -> None:
    sonnet = catalogue.find("anthropic/claude-4-sonnet")
    assert sonnet is not None
    limit = sonnet.fields["max_tokens"]
    assert (limit.type, limit.minimum, limit.maximum) == ("integer", 1024, 64000)
    for name in (
        "openai/gpt-5.1",
        "openai/o4-mini",
        "anthropic/claude-4.5-haiku",
        "google/gemini-2.5-flash",
        "moonshotai/kimi-k2.6",
        "ibm-granite/granite-4.0-h-small",
    ):
        assert catalogue.find(name) is not None
    assert len(catalogue.names()) == 229


def test_it_holds_no_prose() -> None:
    for line in CATALOGUE.read_text().splitlines()[1:-1]:
        entry = json.loads("{" + line.rstrip(",") + "}")
        (schema,) = entry.values()
        assert schema.keys() <= {
            "fields",
            "required",
            "model",
            "version",
            "output",
            "format",
            "prompt_is_messages",
        }
        for field in schema["fields"].values():
            assert "description" not in field
            assert len(str(field.get("default", "")).split()) <= 1


def test_it_is_small_and_a_model_is_decoded_once() -> None:
    assert CATALOGUE.stat().st_size < 200_000, "each process that asks for a model reads it"
    found = catalogue.find("meta/meta-llama-3-8b-instruct")
    assert found is not None and catalogue.find("meta/meta-llama-3-8b-instruct") is found


def test_the_script_rebuilds_it(tmp_path: Path) -> None:
    rebuilt = tmp_path / "catalogue.json"
    subprocess.run(
        [sys.executable, SCRIPT, "--to", rebuilt],
        check=True,
        capture_output=True,
        cwd=SCRIPT.parents[1],
        env={"PYTHONPATH": str(SCRIPT.parents[1])},
    )
    assert rebuilt.read_bytes() == CATALOGUE.read_bytes()


def test_common_inputs_are_those_that_several_models_have() -> None:
    common = catalogue.common_inputs()
    assert {"prompt", "top_k", "seed", "min_tokens", "repetition_penalty"} <= common
    assert not {"agree_to_research_only", "temprature"} & common

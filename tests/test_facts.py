"""What lies in tests/data: facts, no prose, and the same that the recorded material gives."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.recorded import DATA, contract, models, recordings, traces

FORMATS = ("conversations.json", "formats.jsonl")
"""What chat templates make of conversations: scripts/render_formats.py writes it."""

SCRIPT = Path(__file__).parents[1] / "scripts" / "build_facts.py"


def facts() -> list[Path]:
    return [path for path in DATA.rglob("*.json*") if path.name not in FORMATS]


def test_it_has_every_model_run_recording_and_path() -> None:
    assert (len(models()), len(traces()), len(recordings())) == (222, 222, 12)
    assert len(contract()["paths"]) == 26


def test_it_holds_no_prose() -> None:
    """No text of more than three words, but what an error says, names of hardware and multipart bodies."""
    for path in facts():
        for text in re.findall(r'"((?:[^"\\]|\\.)*)"', path.read_text(encoding="utf-8")):
            known = "authentication token" in text or "training destination" in text or text.startswith("--")
            assert known or len(text.split()) <= 4, (path.name, text)


def test_the_script_makes_it_from_the_recorded_material(shared_data: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(shared_data), "--to", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, cwd=SCRIPT.parents[1])
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.json*")}
    assert made == {path.relative_to(DATA): path.read_bytes() for path in facts()}
    assert json.loads((tmp_path / "contract.json").read_bytes())["openapi"] == "3.1.0"

"""What lies in tests/data: facts, and no prose."""

from __future__ import annotations

import re
from pathlib import Path

from tests.recorded import DATA, contract, models, recordings, traces

FORMATS = ("conversations.json", "formats.jsonl")
"""What chat templates make of conversations: scripts/render_formats.py writes it."""


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

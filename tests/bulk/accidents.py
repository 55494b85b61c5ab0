"""A job that is killed again and again, and what it cost in the end."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from areplicate.local import LocalReplicate
from tests.cli.test_cli import _environment
from tests.stage import LLAMA


def echo(input: dict[str, Any]) -> list[str]:
    """Answers with the last word of the question, so that each row's answer is its own."""
    question = input["prompt"].rpartition("user<|end_header_id|>\n\n")[2].partition("<|eot_id|>")[0]
    return ["answer to ", question.split()[-1]]


def write_questions(path: Path, rows: int) -> None:
    path.write_text("".join(json.dumps({"prompt": f"number {n}"}) + "\n" for n in range(rows)))


def answers(path: Path) -> list[str]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line["response"]["body"]["choices"][0]["message"]["content"] for line in lines]


def run_through_kills(local: LocalReplicate, folder: Path, rows: int, kills: int, seed: int) -> list[str]:
    """The answers of a job that was killed at random moments and begun again; each run asks some more."""
    write_questions(folder / "in.jsonl", rows)
    chance = random.Random(seed)
    for kill in range(kills):
        created = len(local.predictions)
        job = _start(local, folder)
        # Anywhere from the first look at the journal to well into the next rows.
        until = min(rows, created + chance.randrange(0, max(2, rows // kills)))
        while len(local.predictions) < until and job.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.random() * 0.2)
        assert job.poll() in (None, 0), f"run {kill} ended: {job.communicate()[1]}"
        job.kill()
        job.communicate()
    job = _start(local, folder)
    _, said = job.communicate(timeout=300)
    assert job.returncode == 0, said
    return answers(folder / "out.jsonl")


def _start(local: LocalReplicate, folder: Path) -> subprocess.Popen[str]:
    command = ["batch", str(folder / "in.jsonl"), "-o", str(folder / "out.jsonl"), "--model", LLAMA]
    return subprocess.Popen(
        [sys.executable, "-m", "areplicate", *command, "--creations-per-minute", "60000"],
        env=_environment(local, {}),
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )

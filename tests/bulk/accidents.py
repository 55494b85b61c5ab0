"""A job that is killed again and again, and what it cost in the end."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from areplicate.local import Faults, LocalModel, LocalReplicate
from tests.cli.command import environment
from tests.forked import Process
from tests.hostile import HostileReplicate, rows_late
from tests.stage import LLAMA


def a_bad_day(*models: LocalModel) -> HostileReplicate:
    """Replicate on a bad day."""
    faults = Faults(seed=7, create_lost=0.02, create_reset=0.02, create_error=0.02, get_error=0.05)
    hostile = HostileReplicate(models, faults=faults, create_per_minute=6000)
    hostile.on("list", rows_late(1.0))
    return hostile


def echo(input: dict[str, Any]) -> list[str]:
    """Answers with the last word of the question, so that each row's answer is its own."""
    question = input["prompt"].rpartition("user<|end_header_id|>\n\n")[2].partition("<|eot_id|>")[0]
    return ["answer to ", question.split()[-1]]


def write_questions(path: Path, rows: int) -> None:
    path.write_text("".join(json.dumps({"prompt": f"number {n}"}) + "\n" for n in range(rows)))


def answers(path: Path) -> list[str]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [answer_in(line["response"]["body"]) for line in lines]


def answer_in(body: dict[str, Any]) -> str:
    """The answer, where each of the APIs has it."""
    if body["object"] == "response":
        return "".join(part["text"] for item in body["output"] for part in item["content"])
    choice = body["choices"][0]
    return str(choice["text"] if body["object"] == "text_completion" else choice["message"]["content"])


class Moments:
    """The random moments at which a job is killed.

    Args:
        kills: how often; that many parts of its `rows` are asked in between.
    """

    def __init__(self, local: LocalReplicate, rows: int, kills: int, seed: int) -> None:
        self.chance = random.Random(seed)
        self._local = local
        self._rows = rows
        self._kills = kills

    def wait(self, running: Callable[[], bool] = lambda: True) -> None:
        """Until the next one: anywhere from the first look at the journal to well into the next rows."""
        created = len(self._local.predictions)
        until = min(self._rows, created + self.chance.randrange(0, max(2, self._rows // self._kills)))
        while len(self._local.predictions) < until and running():
            time.sleep(0.01)
        time.sleep(self.chance.random() * 0.2)


def assert_paid_once(local: LocalReplicate, rows: int) -> str:
    """Each row has one prediction that was paid for; gives the figures.

    A prediction more than there are rows was cancelled: it was asked for again while nobody could know of it.
    """
    ended = Counter(prediction.status for prediction in local.predictions.values())
    summary = f"{rows} rows: {len(local.predictions)} created, {dict(ended)}"
    assert ended["succeeded"] == rows, summary
    assert not local.running(), summary
    return summary


def run_through_kills(local: LocalReplicate, folder: Path, rows: int, kills: int, seed: int) -> list[str]:
    """The answers of a job that was killed at random moments and begun again; each run asks some more."""
    write_questions(folder / "in.jsonl", rows)
    moments = Moments(local, rows, kills, seed)
    for kill in range(kills):
        job = _start(local, folder)
        moments.wait(lambda job=job: job.poll() is None)  # type: ignore[misc]
        assert job.poll() in (None, 0), f"run {kill} ended: {job.communicate()[1]}"
        job.kill()
        job.communicate()
    job = _start(local, folder)
    _, said = job.communicate(timeout=300)
    assert job.returncode == 0, said
    return answers(folder / "out.jsonl")


def _start(local: LocalReplicate, folder: Path) -> Process:
    command = ("batch", str(folder / "in.jsonl"), "-o", str(folder / "out.jsonl"), "--model", LLAMA)
    fast = ("--creations-per-minute", "60000")
    return Process("areplicate", *command, *fast, env=environment(local))

"""`kill -9` in the middle of a job: nothing is lost, and nothing is paid twice."""

from __future__ import annotations

from pathlib import Path

from areplicate.local import LocalReplicate
from tests.bulk.accidents import echo, run_through_kills
from tests.stage import llama


def test_a_killed_job_goes_on_and_pays_for_each_row_once(tmp_path: Path) -> None:
    with LocalReplicate([llama(reply=echo, run_seconds=0.3)]) as local:
        answers = run_through_kills(local, tmp_path, rows=120, kills=3, seed=1)
        assert answers == [f"answer to {n}" for n in range(120)]
        assert len(local.predictions) == 120
        assert not local.running()

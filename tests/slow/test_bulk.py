"""A long job over a bad service, killed twenty times."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from areplicate.local import Faults, LocalReplicate
from tests.bulk.accidents import echo, run_through_kills
from tests.stage import llama

ROWS, KILLS = 2000, 20

pytestmark = pytest.mark.slow


def test_two_thousand_rows_killed_twenty_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faults = Faults(
        seed=7, create_lost=0.02, create_reset=0.02, create_error=0.02, get_error=0.05, list_delay=1.0
    )
    model = llama(reply=echo, boot_seconds=5, run_seconds=0.5)
    with LocalReplicate([model], faults=faults, create_per_minute=6000) as local:
        answers = run_through_kills(local, tmp_path, ROWS, KILLS, seed=7)
        ended = Counter(prediction.status for prediction in local.predictions.values())
        with capsys.disabled():
            print(f"\n{ROWS} rows, {KILLS} kills: {len(local.predictions)} created, {dict(ended)}")
        assert answers == [f"answer to {n}" for n in range(ROWS)]
        # A prediction more than there are rows was cancelled: it was asked for again while nobody could know of it.
        assert ended["succeeded"] == ROWS
        assert not local.running()

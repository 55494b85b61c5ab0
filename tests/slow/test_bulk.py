"""A long job over a bad service, killed twenty times: the command's, and the gateway's batches."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from areplicate.local import LocalReplicate
from tests.bulk.accidents import Moments, a_bad_day, assert_paid_once, echo, run_through_kills
from tests.gateway.postgres import postgres
from tests.gateway.process import Gateway, gateway
from tests.gateway.test_batches import (
    MODELS,
    begin,
    client,
    config_for,
    counts,
    ended,
    line,
    lines_of,
    text_of,
)
from tests.stage import llama
from tests.waiting import eventually

ROWS, KILLS = 2000, 20
MINUTES = 60.0

pytestmark = pytest.mark.slow
Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text} after {KILLS} kills")

    return say


def test_two_thousand_rows_killed_twenty_times(tmp_path: Path, say: Say) -> None:
    model = llama(reply=echo, boot_seconds=5, run_seconds=0.5)
    with a_bad_day(model) as local:
        answers = run_through_kills(local, tmp_path, ROWS, KILLS, seed=7)
        say(assert_paid_once(local, ROWS))
        assert answers == [f"answer to {n}" for n in range(ROWS)]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """What a gateway's `general_settings` say of its database."""
    if request.param == "sqlite":
        yield {}
    else:
        with postgres() as url:
            yield {"database_url": url}


def test_a_gateway_killed_and_restarted_twenty_times(
    tmp_path: Path, say: Say, database: dict[str, str]
) -> None:
    with bad_service() as local:
        config = config_for(local, **database)
        with gateway(config, tmp_path) as running:
            key = running.new_key()
            batches = begin_all(running, key, count=2)
        moments = Moments(local, ROWS, KILLS, seed=8)
        for _ in range(KILLS):
            with gateway(config, tmp_path, ready=False) as running:
                moments.wait()
                running.process.kill()
                running.process.wait()
        with gateway(config, tmp_path) as running:
            assert_answered(running, key, batches)
        say(assert_paid_once(local, ROWS))


def test_two_workers_one_of_which_is_killed_twenty_times(
    tmp_path: Path, say: Say, database: dict[str, str]
) -> None:
    with (
        bad_service() as local,
        gateway(config_for(local, **database), tmp_path, "--workers", "2") as running,
    ):
        key = running.new_key()
        batches = begin_all(running, key, count=20)
        moments = Moments(local, ROWS, KILLS, seed=9)
        for kill in range(KILLS):
            moments.wait()
            eventually(lambda kill=kill: len(workers(running)) == kill + 2, 30)
            killed = moments.chance.choice(alive(running))
            os.kill(killed, signal.SIGKILL)
            eventually(lambda killed=killed: killed not in alive(running), 10)
        assert_answered(running, key, batches)
        say(assert_paid_once(local, ROWS))


@contextmanager
def bad_service() -> Iterator[LocalReplicate]:
    with a_bad_day(*MODELS) as local:
        yield local


def begin_all(running: Gateway, key: str, count: int) -> list[str]:
    """The questions as so many batches of one key."""
    api, rows = client(running, key), ROWS // count
    return [
        begin(api, [line(f"row {n}", f"number {n}", model="steady") for n in range(first, first + rows)]).id
        for first in range(0, ROWS, rows)
    ]


def assert_answered(running: Gateway, key: str, batches: list[str]) -> None:
    """Every row has its answer, in the input's order."""
    api = client(running, key).with_options(max_retries=5)  # a worker that dies takes its connections along
    rows = ROWS // len(batches)
    found = []
    for id in batches:
        batch = ended(api, id, seconds=10 * MINUTES)
        assert (batch.status, *counts(batch)) == ("completed", rows, rows, 0), batch
        found += [(each["custom_id"], text_of(each)) for each in lines_of(api, batch.output_file_id)]
    assert found == [(f"row {n}", f"answer to {n}") for n in range(ROWS)]


def workers(running: Gateway) -> list[int]:
    """The process ids of all workers that there have been."""
    lines = [each for each in running.log().splitlines() if '"worker started"' in each]
    return [int(json.loads(each)["pid"]) for each in lines]


def alive(running: Gateway) -> list[int]:
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
    return [pid for pid in workers(running) if str(pid) in children and _runs(pid)]


def _runs(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False

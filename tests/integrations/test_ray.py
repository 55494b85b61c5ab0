"""Ray on a stand-in in the driver's process: two actors, and one of them killed while they run.

Ray Data starts four processes more for them than Ray does: `make test-slow` has it, `make test` Ray alone.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from areplicate import APIError, AuthenticationError, BadRequestError
from areplicate.local import LocalModel, LocalReplicate
from tests.lazily import Lazily

pyarrow: Any = Lazily("pyarrow")
ray: Any = Lazily("ray")
ray_cluster: Any = Lazily("ray.cluster_utils")
ray_jobs: Any = Lazily("areplicate.integrations.ray")
ray_ledger: Any = Lazily("areplicate.integrations.ray_ledger")
ray_worker: Any = Lazily("areplicate.integrations.ray_worker")

pytestmark = [pytest.mark.integration, pytest.mark.first(55), pytest.mark.filterwarnings("ignore")]

KEY = "r8_ray"
ROWS = 60
IN_FLIGHT = 5


def echo(input: dict[str, Any]) -> str:
    return f"It is {input['prompt'].rpartition('number ')[2].split('.')[0]}."


MODELS = [
    LocalModel(owner="acme", name="echo", reply=echo, run_seconds=0.5),
    LocalModel(owner="acme", name="fails", failure="CUDA out of memory"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Without the processes that `ray.init` starts for logs and for more machines."""
    head = {"num_cpus": 2, "object_store_memory": 10**8, "include_dashboard": False}
    one = ray_cluster.Cluster(True, head_node_args={**head, "include_log_monitor": False, "no_monitor": True})
    ray.init(address=one.address, log_to_driver=False)
    yield
    ray.shutdown()
    one.shutdown()


@pytest.fixture
def local() -> Iterator[LocalReplicate]:
    with LocalReplicate(MODELS, tokens=[KEY]) as local:
        yield local


def questions(rows: int) -> list[dict[str, Any]]:
    return [{"id": n, "question": f"number {n}."} for n in range(rows)]


def of_ray_data(rows: list[dict[str, Any]]) -> Any:
    return ray.data.from_items(rows, override_num_blocks=6)


class OfRayAlone:
    """What Ray Data does with a data set: batches go to actors, and what a lost actor had goes to a new one."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def map_batches(
        self,
        worker: Any,
        *,
        fn_constructor_args: tuple[Any],
        concurrency: int,
        batch_size: int,
        batch_format: str,
        num_cpus: float,
    ) -> OfRayAlone:
        assert batch_format == "pyarrow"
        starts = range(0, len(self._rows), batch_size)
        self._batches = [self._rows[start : start + batch_size] for start in starts]
        self._threads = ThreadPoolExecutor(concurrency)
        actor = ray.remote(worker).options(num_cpus=num_cpus)
        self._actor: Callable[[], Any] = lambda: actor.remote(*fn_constructor_args)
        self._idle: list[Any] = []
        return self

    def take_all(self) -> list[dict[str, Any]]:
        with self._threads as threads:
            return [row for rows in threads.map(self._answered, self._batches) for row in rows]

    def _answered(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        actor = self._idle.pop() if self._idle else self._actor()
        while True:
            try:
                answered = ray.get(actor.__call__.remote(pyarrow.Table.from_pylist(batch)))
            except ray.exceptions.RayActorError:
                actor = self._actor()
            else:
                self._idle.append(actor)
                return answered.to_pylist()


def says_who_asks(pids: Path, killed: Path) -> Callable[[Any], list[dict[str, str]]]:
    """Makes a row's messages, and a file named after the process that does it.

    The second half of the rows waits for the kill, however late that comes on a slow machine.
    """

    def messages(row: Any) -> list[dict[str, str]]:
        (pids / str(os.getpid())).touch()
        while row["id"] >= ROWS // 2 and not killed.exists():
            time.sleep(0.01)
        return [{"role": "user", "content": row["question"]}]

    return messages


@pytest.mark.parametrize("dataset", [OfRayAlone, pytest.param(of_ray_data, marks=pytest.mark.slow)])
def test_an_actor_is_killed_and_every_answer_is_right(
    cluster: None, local: LocalReplicate, tmp_path: Path, dataset: Callable[[Any], Any]
) -> None:
    pids, killed = tmp_path / "pids", tmp_path / "killed"
    pids.mkdir()
    ended = threading.Event()

    def kill_the_first() -> None:
        while len(local.predictions) < ROWS // 4 and not ended.is_set():
            time.sleep(0.01)
        os.kill(int(next(pids.iterdir()).name), signal.SIGKILL)
        killed.touch()

    options: dict[str, Any] = {
        "model": "acme/echo",
        "messages": says_who_asks(pids, killed),
        "journal": tmp_path / "journal",
        "in_flight": IN_FLIGHT,
        "api_key": KEY,
        "api_base": local.api_base,
    }
    killer = threading.Thread(target=kill_the_first)
    killer.start()
    job = ray_jobs.complete(dataset(questions(ROWS)), **options)
    try:
        answered = job.take_all()
    finally:
        ended.set()
        killer.join()
    assert killed.exists() and len(list(pids.iterdir())) > 1
    assert sorted((row["id"], row["answer"], row["error"]) for row in answered) == [
        (n, f"It is {n}.", None) for n in range(ROWS)
    ]
    made = len(local.predictions)
    assert made == ROWS  # what it had in flight is taken over

    # Its ledger lives as long as the data set, which has it.
    kept = ray.get_actor(f"areplicate {tmp_path / 'journal'}")
    answered = Job(local, kept)(rows=ROWS + 2)
    assert len(local.predictions) == made + 2  # the same job, with two more rows, goes on
    assert [row["answer"] for row in answered] == [f"It is {n}." for n in range(ROWS + 2)]


class Job:
    """Blocks of rows answered in this process, with the ledger in an actor of its own."""

    def __init__(self, local: LocalReplicate, ledger: Any) -> None:
        self._local = local
        self._ledger = ledger

    def __call__(
        self, model: str = "echo", key: str = KEY, rows: int = 3, **given: Any
    ) -> list[dict[str, Any]]:
        router = {"api_key": key, "api_base": self._local.api_base}
        asked = {"prompt": "question", **given}
        worker = ray_worker.Worker(
            ray_worker.RayJob(self._ledger, router, {"model": f"acme/{model}"}, **asked)
        )
        table = pyarrow.table({"question": [f"number {n}." for n in range(rows)]})
        return worker(table).to_pylist()


@pytest.fixture(scope="module")
def ledger(cluster: None) -> Any:
    return ray.remote(ray_ledger.JobLedger).options(num_cpus=0, max_concurrency=100).remote(None, 600.0)


@pytest.fixture
def job(local: LocalReplicate, ledger: Any) -> Job:
    return Job(local, ledger)


def test_what_was_answered_is_not_asked_again(job: Job, local: LocalReplicate) -> None:
    assert [row["answer"] for row in job()] == ["It is 0.", "It is 1.", "It is 2."]
    assert [row["answer"] for row in job(rows=4)][-1] == "It is 3."
    assert len(local.predictions) == 4


def test_a_failed_row_is_an_error_in_its_column(job: Job, local: LocalReplicate) -> None:
    for _ in range(2):  # the second time it is the ledger's
        rows = job("fails", error="wrong")
        assert [row["answer"] for row in rows] == [None] * 3
        assert all("PredictionFailedError" in row["wrong"] and "CUDA" in row["wrong"] for row in rows)
    assert len(local.predictions) == 3
    for _ in range(2):  # a job that retries asks once more
        job("fails", retrying="job 2")
    assert len(local.predictions) == 6


def test_a_failed_row_ends_the_job_where_that_is_asked_for(job: Job) -> None:
    with pytest.raises(APIError, match="CUDA out of memory"):
        job("fails", raises=True)


def test_a_wrong_key_ends_the_job(job: Job) -> None:
    with pytest.raises(AuthenticationError):
        job(key="r8_wrong", rows=9)


def test_a_missing_column_ends_the_job(job: Job) -> None:
    with pytest.raises(BadRequestError, match="'prompt': their columns are question"):
        job(prompt="prompt")


def test_arguments_are_checked() -> None:
    with pytest.raises(BadRequestError, match="prompt= or messages="):
        ray_jobs.complete(None, model="acme/echo")
    with pytest.raises(BadRequestError, match="on_error"):
        ray_jobs.complete(None, model="acme/echo", prompt="question", on_error="column_")

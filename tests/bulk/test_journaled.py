"""`map(journal=...)`: what is asked again and what is not, and what ends a job."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import anyio
import pytest

import areplicate
from areplicate import AsyncRouter, MapResult
from areplicate.bulk import journal as journal_module
from areplicate.bulk import journal_file
from areplicate.bulk.journal import Journal
from areplicate.bulk.journal_file import MaybeCreated, Part, read_journal
from areplicate.bulk.journaled import JournaledAsk
from areplicate.bulk.requests import JobEnded
from areplicate.errors import (
    AnswerMisfitError,
    APIConnectionError,
    APIError,
    AuthenticationError,
    BadRequestError,
    InsufficientCreditError,
    RateLimitError,
)
from areplicate.local import LocalModel, LocalReplicate
from tests.fast_forward import FastForwardLoop
from tests.stage import KEY, Clock, llama, router_of, stage

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]


FAILS = LocalModel(owner="meta", name="fails", failure="out of memory")


def questions(count: int, model: str = "meta/meta-llama-3-8b-instruct") -> list[dict[str, Any]]:
    return [{"model": model, "messages": [{"role": "user", "content": f"number {n}"}]} for n in range(count)]


async def run(router: AsyncRouter, requests: Sequence[Any], journal: Path, **more: Any) -> list[MapResult]:
    results = [result async for result in router.map(requests, journal=journal, **more)]
    return sorted(results, key=lambda result: result.index)


async def test_a_second_run_asks_nothing_and_gives_the_same(tmp_path: Path) -> None:
    async with stage(llama(), FAILS) as (local, router):
        as_json = {"response_format": {"type": "json_object"}}
        requests = [*questions(20), *questions(1, "meta/fails"), {**questions(1)[0], **as_json}]
        first = await run(router, requests, tmp_path / "j")
        created = len(local.predictions)
        second = await run(router, requests, tmp_path / "j")
        assert len(local.predictions) == created
    assert [result.response for result in first] == [result.response for result in second]
    assert type(second[20].error) is type(first[20].error) and "out of memory" in str(second[20].error)
    (asked, told) = (run[21].error for run in (first, second))
    assert isinstance(asked, AnswerMisfitError) and isinstance(told, AnswerMisfitError)
    assert asked.text == told.text != "", "an answer that does not fit is paid, and not lost"


async def test_what_failed_is_asked_again_where_that_is_wanted(tmp_path: Path) -> None:
    async with stage(llama(), FAILS) as (local, router):
        requests = [*questions(2), *questions(1, "meta/fails")]
        await run(router, requests, tmp_path / "j")
        created = len(local.predictions)
        (_, _, failed) = await run(router, requests, tmp_path / "j", retry_failed=True)
        assert len(local.predictions) == created + 1 and failed.error is not None


async def test_a_longer_job_goes_on_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    async with stage() as (local, router):
        await run(router, questions(3), tmp_path / "j")
        await run(router, questions(5), tmp_path / "j")
        assert len(local.predictions) == 5
        changed = questions(5)
        changed[1]["temperature"] = 0.5
        results = await run(router, changed, tmp_path / "j")
        assert isinstance(results[1].error, BadRequestError) and "differs" in str(results[1].error)
        assert results[0].response and len(local.predictions) == 5


@pytest.mark.parametrize("journal", [5, True, b"j", "", "\0", object()])
async def test_a_journal_that_is_no_path_is_refused_at_once(journal: Any) -> None:
    with pytest.raises(BadRequestError, match="journal must be the path of a file"):
        areplicate.map(questions(1), journal=journal)
    async with stage() as (_, router):
        with pytest.raises(BadRequestError, match="journal must be the path of a file"):
            router.map(questions(1), journal=journal)


async def test_leaving_early_keeps_what_was_answered(tmp_path: Path) -> None:
    async with stage() as (local, router):
        seen = set()
        async with aclosing(router.map(questions(50), max_in_flight=5, journal=tmp_path / "j")) as results:
            async for result in results:
                seen.add(result.index)
                if len(seen) == 10:
                    break
        assert seen <= {entry.number for entry in read_journal(tmp_path / "j") if entry.response}
        assert len(local.predictions) <= 10 + 5


async def test_a_job_that_is_left_as_its_journal_opens_may_begin_again_at_once(tmp_path: Path) -> None:
    async with stage() as (_, router):
        with anyio.move_on_after(0):
            await run(router, questions(2), tmp_path / "j")
        assert len(await run(router, questions(2), tmp_path / "j")) == 2


def entry(name: str, model: str, **params: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model, **params}}


def local_model(name: str, **options: Any) -> LocalModel:
    return LocalModel(owner="some", name=name, boot_seconds=0.8, **options)


A, B, C = (local_model(name) for name in "abc")
FAILING = LocalModel(owner="some", name="failing", failure="out of memory")


@pytest.mark.parametrize(
    ("models", "router", "asked"),
    [
        # Its first creation is refused, as it is called by its version: what that led to is what counts.
        ([local_model("body", official=False)], {}, {"model": "some/body"}),
        ([A, B, C], {"model_list": [entry("x", f"some/{name}") for name in "abc"]}, {"model": "x"}),
        ([A], {"model_list": [entry("x", "some/a", api_key=f"r8_{n}") for n in range(3)]}, {"model": "x"}),
        (
            [FAILING, A, B],
            {
                "model_list": [entry("x", "some/failing"), *(entry("y", f"some/{name}") for name in "ab")],
                "fallbacks": [{"x": ["y"]}],
                "allowed_fails": 0,
            },
            {"model": "x"},
        ),
        ([FAILING, A], {}, {"model": "some/failing", "fallbacks": ["some/gone", "some/a"]}),
        ([A], {}, {"model": "some/a", "n": 3}),
    ],
    ids=["community", "shared", "accounts", "fallbacks", "own-fallbacks", "n"],
)
async def test_the_next_run_pays_for_nothing_again_whatever_it_asks_first(
    models: list[LocalModel], router: dict[str, Any], asked: dict[str, Any], tmp_path: Path
) -> None:
    requests = [{**each, **asked} for each in questions(6)]
    left_by_a_kill = tmp_path / "left"
    async with stage(*models, router=router) as (local, first):
        made = len(requests) * asked.get("n", 1)

        def answering() -> int:
            return sum(each.model.name != "failing" for each in local.predictions.values())

        async with anyio.create_task_group() as group:
            group.start_soon(run, first, requests, tmp_path / "j")
            while answering() < made:
                await anyio.sleep(0.01)
            with (
                closing(sqlite3.connect(tmp_path / "j")) as now,
                closing(sqlite3.connect(left_by_a_kill)) as left,
            ):
                now.backup(left)
            created = len(local.predictions)
            async with router_of(local, **router) as next_process:
                again = await run(next_process, requests, left_by_a_kill, max_in_flight=2)
        assert all(result.response for result in again)
        assert answering() == made and len(local.predictions) == created


async def test_a_wrong_key_ends_the_job_and_no_row_has_failed(tmp_path: Path) -> None:
    async with LocalReplicate([llama()], tokens=[KEY]) as local:
        async with AsyncRouter(api_key="r8_wrong", api_base=local.api_base) as router:
            with pytest.raises(AuthenticationError):
                await run(router, questions(30), tmp_path / "j", max_in_flight=4)
        entries = list(read_journal(tmp_path / "j"))
        assert entries and all(entry.error is None for entry in entries)
        async with Journal(tmp_path / "j") as journal:
            assert not any(journal.asked(entry.number) for entry in entries), (
                "the next run would look for them"
            )


async def test_no_credit_ends_the_job(tmp_path: Path) -> None:
    async with LocalReplicate([llama()], tokens={KEY: 402}) as local:
        async with AsyncRouter(api_key=KEY, api_base=local.api_base) as router:
            with pytest.raises(InsufficientCreditError):
                await run(router, questions(3), tmp_path / "j")


class NoDisk(Journal):
    """A journal of no earlier run, which takes no time: only then may a loop skip waiting."""

    def __init__(self) -> None:
        pass

    def question(self, number: int, request: Any) -> bytes:
        return b"?"

    def entry(self, number: int) -> None:
        return None

    def asked(self, number: int) -> dict[Part, MaybeCreated]:
        return {}

    async def end(self, *given: Any, **more: Any) -> None:
        raise AssertionError("a row has no error of its own while the network is away")


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"loop_factory": FastForwardLoop})], ids=["skipping"])
@pytest.mark.parametrize(
    "error", [APIConnectionError("The network is away."), RateLimitError("In 30 years.", retry_after=1e9)]
)
async def test_a_job_waits_for_an_hour_without_an_answer(error: APIError) -> None:
    async def ask(number: int, request: Any) -> Any:
        raise error

    clock = Clock()
    with pytest.raises(JobEnded):
        await JournaledAsk(ask, NoDisk(), False)(0, {})
    assert 3600 < clock() <= 3630


async def test_a_full_disk_ends_the_job_and_no_row_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all = journal_file.write_all

    def write_little(database: Any, batch: Any) -> None:
        database.execute("PRAGMA max_page_count = 12")
        write_all(database, batch)

    asked = questions(200)
    async with stage() as (_, router):
        with monkeypatch.context() as patched:
            patched.setattr(journal_module, "write_all", write_little)
            with pytest.raises(
                APIError, match=r"cannot be written: database or disk is full\. Nothing more is asked"
            ):
                await run(router, asked, tmp_path / "j", max_in_flight=10)
        entries = list(read_journal(tmp_path / "j"))
        assert 0 < sum(entry.response is not None for entry in entries) < 200
        assert all(entry.error is None for entry in entries)
        results = await run(router, asked, tmp_path / "j")
        assert all(result.response is not None for result in results)


async def test_a_row_that_no_file_can_hold_fails_alone(tmp_path: Path) -> None:
    broken = {"model": "meta/meta-llama-3-8b-instruct", "messages": [{"role": "user", "content": "a\ud83d"}]}
    async with stage() as (_, router):
        for _ in range(2):
            first, wrong = await run(router, [*questions(1), broken], tmp_path / "j")
            assert first.response and "not valid Unicode" in str(wrong.error)


async def test_a_damaged_answer_ends_the_job_and_nothing_is_asked(tmp_path: Path) -> None:
    async with stage() as (local, router):
        await run(router, questions(3), tmp_path / "j")
        database = sqlite3.connect(tmp_path / "j")
        with database:
            database.execute("UPDATE rows SET response = '{\"id' WHERE number = 1")
        database.close()
        with pytest.raises(BadRequestError, match=r"is damaged: .*\.recover"):
            await run(router, questions(5), tmp_path / "j")
        assert len(local.predictions) <= 5


async def test_a_journal_that_cannot_be_used_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b"something else entirely" * 100)
    async with stage() as (local, router):
        with pytest.raises(BadRequestError, match="not a journal"):
            await run(router, questions(3), tmp_path / "j")
        assert not local.predictions

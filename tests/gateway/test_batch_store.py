"""Batches in the database: what several processes do at the same moment."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from areplicate.bulk.journal import Journal, question_hash
from areplicate.gateway.accounts.auth import ANYBODY
from areplicate.gateway.accounts.batch_store import OF_A_KEY, LeaseLost
from areplicate.gateway.accounts.folder import Folder
from areplicate.gateway.accounts.keys import Key
from areplicate.gateway.accounts.store import Store
from areplicate.gateway.accounts.tables import BatchRow, FileRow
from areplicate.gateway.batches.work import Work
from tests.gateway.postgres import Postgres
from tests.gateway.stores import MADE, execute, opened

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/db"
    database: Postgres = request.getfixturevalue("database")
    return database.new_database()


@pytest.fixture
async def stores(url: str) -> AsyncIterator[list[Store]]:
    """Two processes on one database."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(opened(url)) for _ in range(2)]


def a_batch(number: int, key_id: str | None = None) -> BatchRow:
    return BatchRow(
        id=f"batch_{number}",
        key_id=key_id,
        endpoint="/v1/chat/completions",
        input_file_id="file-1",
        completion_window="24h",
        created_at=float(number),
        expires_at=1e12,
    )


def a_file(number: int, key_id: str) -> FileRow:
    return FileRow(
        id=f"file-{number}", key_id=key_id, created_at=float(number), bytes=1, filename="a", purpose="batch"
    )


async def a_key(store: Store, **limits: Any) -> Key:
    key = Key(id="key-1", hash="h", hint="sk-...1", created_at=0.0, **limits)
    await store.keys.add(key, MADE)
    return key


async def test_of_files_and_batches_that_are_made_at_once_no_more_fit_than_a_key_may_have(
    stores: list[Store],
) -> None:
    key = await a_key(stores[0])
    both = [store.batches for store in stores]
    added = await asyncio.gather(
        *(both[n % 2].add(a_file(n, key.id), most=9) for n in range(4)),
        *(both[n % 2].add(a_batch(n, key.id), most=9) for n in range(8)),
    )
    files, batches = sum(added[:4]), sum(added[4:])
    assert 8 <= files + 2 * batches <= 9, "a batch makes two files"
    assert not await both[0].add(a_batch(99, key.id), most=9)
    assert await both[0].add(a_batch(99), most=9), "another's are another's"
    cancel = "UPDATE areplicate_batches SET status = 'cancelled' WHERE key_id = 'key-1'"
    await execute(stores[0], cancel)
    assert await both[0].add(a_batch(100, key.id), most=files + 2), "what they have made is counted as it is"


async def test_a_batch_of_a_process_that_has_died_is_anothers_after_fifteen_seconds(
    stores: list[Store],
) -> None:
    mine, others = (store.batches for store in stores)
    await mine.add(a_batch(1), most=2)
    assert await mine.claim() is not None
    for seconds, is_free in ((10, False), (5, True)):
        later = "UPDATE areplicate_batches SET leased_until = leased_until - :by"
        await execute(stores[0], later, by=seconds)
        assert (await others.claim() is not None) == is_free
    with pytest.raises(LeaseLost):
        await mine.save("batch_1")


async def test_who_has_lost_a_batch_at_its_end_leaves_it_to_the_other(
    stores: list[Store], tmp_path: Path
) -> None:
    """Its folder, too, in which the other works."""
    mine, others = (store.batches for store in stores)
    await mine.add(a_batch(1), most=2)
    batch = await mine.claim()
    assert batch is not None
    gateway: Any = SimpleNamespace(files=Folder(tmp_path), accounts=None)
    work = Work(gateway, mine, batch, asyncio.Semaphore(1))
    (tmp_path / "batch_1").mkdir()
    await execute(stores[0], "UPDATE areplicate_batches SET leased_until = 0.0")
    assert await others.claim() is not None
    with pytest.raises(LeaseLost):
        await work._end("completed", [], completed_at=1.0)
    assert (tmp_path / "batch_1").is_dir()
    await others.finish("batch_1", [], status="completed")


async def test_a_batch_without_its_files_ends_once_it_is_cancelled(
    stores: list[Store], tmp_path: Path
) -> None:
    """Until then it is left to a gateway that may have them."""
    store = stores[0]
    await store.batches.add(a_batch(1), most=2)
    accounts = SimpleNamespace(now=store.database.now, auth=SimpleNamespace(open=True))
    gateway: Any = SimpleNamespace(files=Folder(tmp_path), accounts=accounts)
    for status in ("validating", "failed"):
        await execute(store, "UPDATE areplicate_batches SET leased_until = 0.0")
        batch = await store.batches.claim()
        assert batch is not None
        await Work(gateway, store.batches, batch, asyncio.Semaphore(1)).run()
        found = await store.batches.find(BatchRow, "batch_1", ANYBODY)
        assert found is not None and found.status == status
        await store.batches.cancel("batch_1")
    assert found is not None and found.errors and found.errors[0]["code"] == "files_missing"


@pytest.mark.parametrize("damaged", ["input.jsonl", "journal"])
async def test_a_batch_whose_files_are_damaged_ends(
    stores: list[Store], tmp_path: Path, damaged: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It was tried again every half minute for ever, also once it was cancelled."""
    store = stores[0]
    await store.batches.add(a_batch(1), most=2)
    await execute(store, "UPDATE areplicate_batches SET status = 'cancelling'")
    accounts = SimpleNamespace(now=store.database.now, auth=SimpleNamespace(open=True))
    gateway: Any = SimpleNamespace(files=Folder(tmp_path), accounts=accounts)
    job = gateway.files.job("batch_1")
    job.input.parent.mkdir()
    body = {"model": "a/b", "messages": [{"role": "user", "content": "Hi"}]}
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    job.input.write_text(json.dumps(line))
    async with Journal(job.journal) as journal:
        await journal.end(0, question_hash(body), response=b"{}")
    if damaged == "journal":
        job.journal.write_bytes(b"not a database any longer" * 1000)
    else:
        job.input.write_text(json.dumps(line).replace("Hi", "Ho"))
    batch = await store.batches.claim()
    assert batch is not None
    await Work(gateway, store.batches, batch, asyncio.Semaphore(1)).run()
    found = await store.batches.find(BatchRow, "batch_1", ANYBODY)
    assert found is not None and (found.status, found.completed) == ("failed", 0)
    assert found.errors and found.errors[0]["code"] == "files_damaged"
    assert str(tmp_path) not in found.errors[0]["message"] and str(tmp_path) in caplog.text


async def test_a_key_with_many_batches_leaves_room_for_those_of_others(stores: list[Store]) -> None:
    mine, others = (store.batches for store in stores)
    for n in range(OF_A_KEY + 2):
        await mine.add(a_batch(n, "key-1"), most=100)
    await mine.add(a_batch(98, "key-2"), most=100)
    await mine.add(a_batch(99), most=100)
    taken = [await mine.claim() for _ in range(OF_A_KEY + 3)]
    first = [f"batch_{n}" for n in range(OF_A_KEY)]
    assert [batch and batch.id for batch in taken] == [*first, "batch_98", "batch_99", None]
    assert (batch := await others.claim()) and batch.id == f"batch_{OF_A_KEY}", (
        "another process has a share, too"
    )
    await mine.finish("batch_0", [], status="completed")
    assert (batch := await mine.claim()) and batch.id == f"batch_{OF_A_KEY + 1}"


async def test_batches_that_begin_at_once_share_what_their_key_has_left(stores: list[Store]) -> None:
    key = await a_key(stores[0], max_budget=12.0, spend=2.0)
    for n in range(8):
        await stores[0].batches.add(a_batch(n, key.id if n < 7 else None), most=14)
    held = [(store.batches, await store.batches.claim()) for store in (*stores, *stores, *stores, *stores)]
    await stores[0].batches.cancel("batch_0")
    begun = await asyncio.gather(
        *(store.begin(batch.id, batch.key_id, 10, 4.0) for store, batch in held if batch)
    )
    rows = {row.id: row for row, _ in begun}
    assert Counter(row.status for row in rows.values()) == {
        "cancelling": 1,
        "in_progress": 3,
        "validating": 4,
    }
    assert rows["batch_0"].status == "cancelling" and rows["batch_7"].status == "in_progress"
    assert {left for row, left in begun if row.status == "validating"} == {2.0}
    with pytest.raises(LeaseLost):
        await stores[1].batches.begin("batch_0", key.id, 10, 4.0)

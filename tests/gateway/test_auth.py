"""Which keys are remembered, for the time in which the database does not answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from areplicate.gateway.accounts import auth
from areplicate.gateway.accounts.auth import Auth, hash_master
from areplicate.gateway.accounts.keys import Key, hash_token
from areplicate.gateway.errors import DatabaseUnavailable, GatewayError
from tests.gateway.stores import MADE, opened

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0
MASTER = hash_master("sk-master")


@pytest.mark.real_time
async def test_random_tokens_push_out_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever tries a lot of them takes no real key its grace during an outage."""
    monkeypatch.setattr(auth, "_MOST_REMEMBERED", 3)
    monkeypatch.setattr(auth, "_FRESH", 0.0)
    gone = False

    async def look_up(hash: str) -> Key | None:
        if gone:
            raise DatabaseUnavailable("it is gone")
        return await database.keys.by_hash(hash)

    callers = Auth(MASTER, look_up, lambda: NOW, grace=300)
    async with opened(f"{tmp_path}/keys.db") as database:
        key = Key(id="k", hash=hash_token("sk-real"), hint="real", created_at=NOW, spend=0.0)
        await database.keys.add(key, MADE)
        assert (await callers.caller("sk-real")).key_id == "k"
        for number in range(10):
            with pytest.raises(GatewayError) as refused:
                await callers.caller(f"sk-random-{number}")
            assert (refused.value.status, refused.value.headers["WWW-Authenticate"]) == (401, "Bearer")
        gone = True
        assert (await callers.caller("sk-real")).key_id == "k"
        with pytest.raises(DatabaseUnavailable):
            await callers.caller("sk-random-9")


async def test_random_tokens_leave_the_database_to_those_who_have_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auth, "_FRESH", 0.0)
    row = Key(id="k", hash=hash_token("sk-real"), hint="real", created_at=NOW)
    looked_up: list[str] = []
    answer = asyncio.Event()

    async def look_up(hash: str) -> Key | None:
        looked_up.append(hash)
        if hash == row.hash:
            return row
        await answer.wait()
        return None

    callers = Auth(MASTER, look_up, lambda: NOW, grace=300)
    assert (await callers.caller("sk-real")).key_id == "k"
    crowd = [asyncio.ensure_future(callers.caller(f"sk-random-{number}")) for number in range(50)]
    refused, _ = await asyncio.wait(crowd, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert isinstance(refused.pop().exception(), DatabaseUnavailable)
    assert (await callers.caller("sk-real")).key_id == "k"
    assert len(looked_up) == 2 + 4
    answer.set()
    statuses = [error.status for error in await asyncio.gather(*crowd, return_exceptions=True)]  # type: ignore[union-attr]
    assert set(statuses) == {401, 503}
    with pytest.raises(GatewayError, match="not known"):
        await callers.caller("sk-random-100")


async def test_a_new_key_that_many_use_at_once_is_looked_up_a_few_times() -> None:
    row = Key(id="k", hash=hash_token("sk-real"), hint="real", created_at=NOW)
    looked_up: list[str] = []

    async def look_up(hash: str) -> Key | None:
        looked_up.append(hash)
        await asyncio.sleep(0)
        return row if hash == row.hash else None

    callers = Auth(MASTER, look_up, lambda: NOW, grace=300)
    found = await asyncio.gather(*(callers.caller("sk-real") for _ in range(200)))
    assert {each.key_id for each in found} == {"k"} and len(looked_up) <= 4


async def test_what_was_read_before_a_change_is_not_remembered_after_it() -> None:
    """A request that looks its key up while that is blocked brings none of it back."""
    row = Key(id="k", hash=hash_token("sk-real"), hint="real", created_at=NOW)
    read, answer = asyncio.Event(), asyncio.Event()

    async def look_up(hash: str) -> Key | None:
        found = row
        read.set()
        await answer.wait()
        return found

    callers = Auth(MASTER, look_up, lambda: NOW, grace=300)
    asking = asyncio.ensure_future(callers.caller("sk-real"))
    await read.wait()
    row = msgspec.structs.replace(row, blocked=True)
    callers.forget(row.hash)
    answer.set()
    callers.check(await asking, "key")  # it came before
    with pytest.raises(GatewayError, match="blocked"):
        callers.check(await callers.caller("sk-real"), "key")

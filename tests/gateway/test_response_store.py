"""For how long the database keeps the responses that conversations go on from."""

from __future__ import annotations

from pathlib import Path

import pytest

from areplicate.gateway.accounts.response_store import StoredResponse
from tests.gateway.stores import execute, opened

DAY = 86_400.0


@pytest.mark.anyio
@pytest.mark.real_time
async def test_a_response_and_its_items_are_found_until_they_expire_and_then_deleted(tmp_path: Path) -> None:
    async with opened(f"{tmp_path}/db") as store:
        kept = store.responses

        async def keep(id: str) -> None:
            response = {"id": id, "output": [{"id": f"item of {id}"}]}
            await kept.keep("k", StoredResponse(response=response, input=[]), 30 * DAY, 10**6)

        held: list[int] = []
        await keep("r1")
        for days, is_found in ((29, True), (1, False)):
            later = "UPDATE areplicate_responses SET expires_at = expires_at - :seconds"
            await execute(store, later, seconds=days * DAY)
            assert (await kept.find("k", "r1", held.append) is not None) == is_found
            assert ("item of r1" in await kept.find_items("k", ["item of r1"], held.append)) == is_found
        assert [size > 0 for size in held] == [True, True, False, False]
        await keep("r2")
        assert not await kept.forget("k", "r1") and await kept.forget("k", "r2")

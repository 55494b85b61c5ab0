"""Thousands of calls at once through a cold boot, within the account's limits."""

from __future__ import annotations

from bisect import bisect
from collections import Counter

import anyio
import pytest

from areplicate import AsyncRouter
from areplicate.local import LocalReplicate
from tests.stage import KEY, LLAMA, llama

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

CALLS, BOOT = 5000, 180.0
MINUTE, ALLOWED = 60.0, 3000


async def test_five_thousand_calls_through_a_boot_of_three_minutes() -> None:
    """Each created once, none throttled, none told more than a few seconds late."""
    late: list[float] = []
    async with (
        LocalReplicate(
            [llama(boot_seconds=BOOT, run_seconds=3)], create_per_minute=600, other_per_minute=ALLOWED
        ) as local,
        AsyncRouter(api_key=KEY, api_base=local.api_base) as router,
    ):

        async def one(number: int) -> None:
            response = await router.acompletion(LLAMA, [{"role": "user", "content": f"question {number}"}])
            late.append(anyio.current_time() - local.predictions[response.id].ends)

        async with anyio.create_task_group() as group:
            for number in range(CALLS):
                group.start_soon(one, number)
        kinds = Counter(seen.kind for seen in local.requests)
        others = sorted(seen.time for seen in local.requests if seen.kind != "create")
        most = max((bisect(others, time + MINUTE) - i for i, time in enumerate(others)), default=0)
    late.sort()
    assert len(local.predictions) == kinds["create"] == CALLS
    assert most <= ALLOWED
    assert late[CALLS // 2] < 2 and late[-1] < 10

"""Jobs that go on after something has left predictions of which nothing is known: they are looked for first."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from areplicate import AsyncRouter
from areplicate.errors import AuthenticationError
from areplicate.local import LocalReplicate
from tests.bulk.test_journaled import questions, run
from tests.stage import KEY, llama, stage

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.real_time]


async def test_a_job_that_was_left_goes_on(tmp_path: Path) -> None:
    async with stage() as (local, router):
        seen = 0
        async with aclosing(router.map(questions(50), max_in_flight=5, journal=tmp_path / "j")) as results:
            async for _ in results:
                seen += 1
                if seen == 10:
                    break
        again = await run(router, questions(50), tmp_path / "j")
        assert all(result.response for result in again)
        assert len(local.predictions) <= 50 + 5


async def test_a_job_that_ended_with_a_wrong_key_goes_on_with_a_right_one(tmp_path: Path) -> None:
    async with LocalReplicate([llama()], tokens=[KEY]) as local:
        async with AsyncRouter(api_key="r8_wrong", api_base=local.api_base) as router:
            with pytest.raises(AuthenticationError):
                await run(router, questions(30), tmp_path / "j", max_in_flight=4)
        async with AsyncRouter(api_key=KEY, api_base=local.api_base) as router:
            assert all(result.response for result in await run(router, questions(30), tmp_path / "j"))


async def test_an_outage_fails_no_row(tmp_path: Path) -> None:
    """The server goes away in the middle of the job, and comes back at the same address."""
    async with LocalReplicate([llama(run_seconds=0.05)]) as local:
        port = int(local.api_base.rsplit(":", 1)[1].partition("/")[0])
        router = AsyncRouter(api_key=KEY, api_base=local.api_base, max_retries=0)
        results = router.map(questions(30), max_in_flight=2, journal=tmp_path / "j")
        got = [await anext(results) for _ in range(5)]
    async with router, aclosing(results):
        with anyio.move_on_after(0.5):
            await anyio.sleep_forever()
        async with LocalReplicate([llama()], port=port):
            got += [result async for result in results]
    assert len(got) == 30 and all(result.response for result in got)

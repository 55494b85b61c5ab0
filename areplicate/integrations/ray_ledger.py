"""What the actors of one Ray job share: the journal of what was answered, and the account's rate of creations.

It is an actor itself, one for each job, on the driver's machine, and lives as long as the job. Each row asks it
before its prediction and after it. Turns go to workers in the order of their asking, so that the account's rate is
always shared by those actors that are there, however many come and go.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import msgspec

from ..bulk.journal import Journal
from ..bulk.journal_file import MaybeCreated, Part
from ..replicate.limits import Limiter


class JobLedger:
    """The journal and the rate of one job. Its methods are called by remote actors, many at a time.

    Args:
        journal: the journal's file; None for one that goes with the job.
        creations_per_minute: of the whole account.
    """

    def __init__(self, journal: str | None, creations_per_minute: float) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="areplicate-ray-")
        self._path = Path(journal or Path(self._folder.name, "journal"))
        self._turns = Limiter(creations_per_minute)
        self._failed: set[tuple[str, int]] = set()
        """Jobs that ask again for what failed, and their rows that have failed once more."""
        self._opened: asyncio.Future[Journal] | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def begin(
        self, number: int, question: bytes, retrying: str | None
    ) -> tuple[str | None, str | None, dict[Part, MaybeCreated]]:
        """The text or the error of a row that has ended; else two times None, once its turn has come.

        The predictions that an actor asked for and did not see the end of come along: their marks. `retrying`
            names a job that asks again, once, for rows that have failed.
        """
        journal = await self._journal()
        entry = journal.entry(number)
        if entry is not None and entry.response is not None:
            return msgspec.json.decode(entry.response, type=str), None, {}
        if (
            entry is not None
            and entry.error is not None
            and (retrying is None or (retrying, number) in self._failed)
        ):
            return None, msgspec.json.decode(entry.error, type=str), {}
        await self._turns.acquire()
        return None, None, journal.asked(number)

    async def ask(self, number: int, question: bytes, part: Part, mark: int) -> None:
        """Keeps that a part of a row is about to be asked for; returns once that is on disk."""
        journal = await self._journal()
        await journal.ask(number, question, part, mark)

    async def forget(self, number: int, part: Part, mark: int) -> None:
        """Forgets a mark with which nothing was made."""
        (await self._journal()).forget(number, part, mark)

    async def end(
        self, number: int, question: bytes, text: str | None, error: str | None, retrying: str | None
    ) -> None:
        """Keeps a row's text or error; returns once that is on disk."""
        journal = await self._journal()
        await journal.end(
            number,
            question,
            response=None if text is None else msgspec.json.encode(text),
            error=None if error is None else msgspec.json.encode(error),
        )
        if error is not None and retrying is not None:
            self._failed.add((retrying, number))

    async def _journal(self) -> Journal:
        if self._opened is None:
            self._opened = asyncio.get_running_loop().create_future()
            self._keeping = asyncio.create_task(self._keep(self._opened))
        return await asyncio.shield(self._opened)

    async def _keep(self, opened: asyncio.Future[Journal]) -> None:
        """Has the journal open for as long as the actor lives."""
        try:
            async with Journal(self._path) as journal:
                opened.set_result(journal)
                await asyncio.get_running_loop().create_future()
        except Exception as error:
            if not opened.done():
                opened.set_exception(error)

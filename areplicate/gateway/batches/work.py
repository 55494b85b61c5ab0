"""Working on one batch, from the check of its file to its results.

A batch is a job of `bulk`'s: its journal says what has been asked and answered, so that the process that takes the
batch next, after a restart or on another process, goes on where this one stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec

from ...bulk.inputs import LineError
from ...bulk.job import asks
from ...bulk.journal import ChangedRequest
from ...bulk.journal_file import DamagedJournal
from ...bulk.map import JournalSettings, map_calls
from ...errors import APIError, AuthenticationError, InsufficientCreditError
from ..accounts.batch_store import BatchStore, LeaseLost
from ..accounts.tables import BatchRow, FileRow
from ..app import Gateway
from ..errors import DatabaseUnavailable
from ..http.bodies import held_size
from ..logs import fields, logger
from .asking import ask
from .checking import CheckedFile, LineChecker, error
from .lease import LeasedBatch
from .results import write_results

_AFTER_FAILURE = 30.0
"""Seconds after which a batch goes on that was stopped by something that passes."""
_LOOK_FOR_ROOM = 0.2
"""Seconds between two looks whether there is room for a request's body."""
_LAST_ANSWERS = 30.0
"""Seconds for which a batch that is cancelled, or whose window is over, waits for what is in flight."""
_LAST_ANSWERS_AT_THE_END = 5.0
"""Seconds for which a process that stops waits for what is in flight in its batches."""
_UNASKED = {
    "completed": "This request could not be asked.",
    "expired": "This request could not be executed before the completion window expired.",
    "cancelled": "The batch was cancelled before this request was answered.",
    "failed": "The batch ended before this request was answered.",
}


class Work:
    """One batch, as long as this process has its lease."""

    def __init__(self, gateway: Gateway, store: BatchStore, batch: BatchRow, room: asyncio.Semaphore) -> None:
        self._gateway = gateway
        self._store = store
        self._batch = LeasedBatch(gateway.accounts, store, batch)
        self._job = gateway.files.job(batch.id)
        self._ask = partial(ask, gateway, self._batch.caller, room)
        self._leaving = False
        """Whether the process stops."""

    def leave(self) -> None:
        """The process stops: what is in flight gets a moment, and another process does the rest."""
        self._leaving = True
        self._batch.stopped.set()

    async def run(self) -> None:
        """Works on the batch until it has ended, or the process must leave it to another.

        A batch that has not ended is taken up by the next process: at once, or a while after a failure.
        """
        pause = 0.0
        about = fields(batch_id=self._batch.row.id)
        try:
            await self._run()
        except LeaseLost:
            logger.warning("another process has taken a batch over", extra=about)
            return
        except (APIError, DatabaseUnavailable) as failure:
            pause = _AFTER_FAILURE
            logger.warning("a batch goes on later: %s", failure, extra=about)
        except Exception:
            pause = _AFTER_FAILURE
            logger.exception("a batch has failed and is tried again", extra=about)
        finally:
            with contextlib.suppress(DatabaseUnavailable, LeaseLost):
                await self._store.release(self._batch.row.id, pause)

    async def _run(self) -> None:
        """Works while the lease is kept; raises what ends either of the two."""
        work = asyncio.ensure_future(self._work())
        keeping = asyncio.ensure_future(self._batch.keep())
        try:
            await asyncio.wait({work, keeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()
            keeping.cancel()
            found = await asyncio.gather(work, keeping, return_exceptions=True)
        for each in found:
            if isinstance(each, Exception):
                raise each

    async def _work(self) -> None:
        try:
            await self._go_on()
        except (ChangedRequest, DamagedJournal) as failure:  # whose next try would end alike
            logger.error(
                "the files of a batch cannot be used: %s", failure, extra=fields(batch_id=self._batch.row.id)
            )
            message = "Its files in files_dir have been changed or damaged since it began."
            await self._end(
                "failed", [], errors=[error("files_damaged", message)], failed_at=self._batch.now()
            )

    async def _go_on(self) -> None:
        batch = self._batch
        await batch.read_caller()
        if not self._job.input.exists():
            return await self._miss_files()
        if batch.row.status == "validating":
            await self._validate()
        if batch.row.status == "in_progress":
            await self._ask_all()
        if batch.row.status == "cancelling":
            await self._finish("cancelled", cancelled_at=batch.now())
        elif batch.row.status == "finalizing":
            await self._finish("completed", completed_at=batch.now())

    async def _miss_files(self) -> None:
        """Ends a batch whose files have gone, such as with a container's disk, once it is cancelled or its window is over:
        until then another gateway may have them."""
        batch = self._batch
        message = "Its files are not in files_dir, which all gateways that use a database must share."
        if batch.row.status != "cancelling" and batch.now() < batch.row.expires_at:
            raise APIError(message)
        await self._end("failed", [], errors=[error("files_missing", message)], failed_at=batch.now())

    async def _validate(self) -> None:
        gateway, endpoint = self._gateway, self._batch.row.endpoint
        try:
            checker = LineChecker(endpoint, self._batch.caller(), gateway.backend, gateway.accounts.costs)
            checked = await asyncio.to_thread(checker.check, self._job)
            errors = checked.errors or await self._begin(checked)
        except AuthenticationError as refused:
            checked, errors = CheckedFile(0, [], 0.0), [error("invalid_api_key", refused.message)]
        if errors:
            await self._end("failed", [], errors=errors, failed_at=self._batch.now(), total=checked.rows)

    async def _begin(self, checked: CheckedFile) -> list[dict[str, Any]]:
        """Begins the batch; gives what is wrong if the key's budget is not enough for it beside its others."""
        left = await self._batch.begin(checked.rows, checked.expected)
        if self._batch.row.status != "validating":
            return []
        message = (
            f"This batch is expected to cost ${checked.expected:.4f}, and its key has ${max(0.0, left):.4f} "
            "left beside its other batches."
        )
        return [error("insufficient_quota", message)]

    async def _ask_all(self) -> None:
        """Asks all requests without an answer, until all have one or none may be asked any more."""
        batch, stopped = self._batch, self._batch.stopped
        failure = await self._read_until_stopped()
        if isinstance(failure, (AuthenticationError, InsufficientCreditError)):
            code = "insufficient_quota" if isinstance(failure, InsufficientCreditError) else "invalid_api_key"
            reason = error(code, failure.message)
            await self._finish("failed", failed_at=batch.now(), errors=[reason])
        elif failure is not None:
            raise failure
        elif self._leaving or batch.row.status != "in_progress":
            return
        elif stopped.is_set():
            await self._finish("expired", expired_at=batch.now())
        else:
            await batch.save(status="finalizing", finalizing_at=batch.now(), **batch.counts)

    async def _read_until_stopped(self) -> BaseException | None:
        """Reads the answers to all requests, or to those in flight when the batch is stopped or its window is over.

        Gives the error that has ended the reading, if one has.
        """
        batch, stopped = self._batch, self._batch.stopped
        reading = asyncio.ensure_future(self._read_all())
        stopping = asyncio.ensure_future(stopped.wait())
        try:
            left = max(0.0, batch.row.expires_at - batch.now())
            await asyncio.wait({reading, stopping}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                stopped.set()
                patience = _LAST_ANSWERS_AT_THE_END if self._leaving else _LAST_ANSWERS
                await asyncio.wait({reading}, timeout=patience)
        finally:
            reading.cancel()
            stopping.cancel()
            await asyncio.wait({reading, stopping})
        return None if reading.cancelled() else reading.exception()

    async def _read_all(self) -> None:
        most = self._gateway.config.general.batch_requests_in_flight
        bodies = self._gateway.accounts.bodies
        held: dict[int, int] = {}
        calls = map_calls(self._ask, self._requests(held), most, journal=JournalSettings(self._job.journal))
        try:
            async with aclosing(calls):
                async for result in calls:
                    bodies.give_back(held.pop(result.index))
                    self._batch.counts["completed" if result.error is None else "failed"] += 1
        finally:
            bodies.give_back(sum(held.values()))

    async def _requests(self, held: dict[int, int]) -> AsyncIterator[dict[str, Any]]:
        """The requests, each once there is room for its body, whose bytes are then in `held` by its number."""
        bodies, stopped = self._gateway.accounts.bodies, self._batch.stopped
        for number, row in enumerate(self._job.rows()):
            if isinstance(row, LineError):
                raise ChangedRequest(
                    f"Line {row.line} of the input has changed since it was checked: {row.message}."
                )
            size = held_size(msgspec.json.encode(row.body))
            most = self._gateway.config.general.max_bodies_mb * 1e6
            while not stopped.is_set() and not bodies.has_room_beside(size, most):
                await asyncio.sleep(_LOOK_FOR_ROOM)
            if stopped.is_set():
                return
            bodies.take(size)
            held[number] = size
            yield asks(row)

    async def _finish(self, status: str, **changes: Any) -> None:
        """Writes the results of a batch that had begun."""
        unasked = {"code": f"batch_{status}", "message": _UNASKED[status]}
        batch, folder = self._batch, self._gateway.files
        results = await asyncio.to_thread(write_results, self._job, folder, batch.row, batch.now(), unasked)
        await self._end(status, results.files, **results.columns, **changes)

    async def _end(self, status: str, made: list[FileRow], **changes: Any) -> None:
        await self._store.finish(self._batch.row.id, made, status=status, **changes)
        await asyncio.to_thread(self._gateway.files.end, self._batch.row.id)
        logger.info("batch ended", extra=fields(batch_id=self._batch.row.id, status=status))

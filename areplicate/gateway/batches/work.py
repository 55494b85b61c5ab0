"""Working on one batch, from its file's check to its results.

A batch is a job of `bulk`'s: its journal says what has been asked and answered, so that the process that takes the
batch next, after a restart or on another process, goes on where this one stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ...bulk.inputs import LineError
from ...bulk.job import asks
from ...bulk.map import Kept, map_calls
from ...errors import APIError, AuthenticationError, InsufficientCreditError
from ..accounts.auth import ANYBODY, MASTER, Caller
from ..accounts.rows import LEASE, BatchRow, FileRow
from ..app import Gateway
from ..errors import DatabaseUnavailable
from ..logs import logger
from .asking import Asker
from .checking import CheckedFile, LineChecker, error
from .results import write_results

if TYPE_CHECKING:
    from ..accounts.batch_store import BatchStore

_RENEWAL = 1.0
"""Seconds between renewals of the lease, which are also the looks at whether the batch was cancelled."""
_LAST_ANSWERS = 30.0
"""Seconds for which a batch that is cancelled, or whose window is over, waits for what is in flight."""
_LAST_ANSWERS_AT_THE_END = 5.0
"""The same for a process that stops."""
_UNASKED = {
    "completed": "This request could not be asked.",
    "expired": "This request could not be executed before the completion window expired.",
    "cancelled": "The batch was cancelled before this request was answered.",
    "failed": "The batch ended before this request was answered.",
}


class LeaseLost(Exception):
    """Another process works on the batch now."""


class Work:
    """One batch, as long as this process has its lease."""

    def __init__(self, gateway: Gateway, store: BatchStore, batch: BatchRow, room: asyncio.Semaphore) -> None:
        self._gateway = gateway
        self._store = store
        self._batch = batch
        self._job = gateway.files.job(batch.id)
        self._caller: Caller | None = None
        self._counts = {"completed": 0, "failed": 0}
        self._stopped = asyncio.Event()
        """Set once no further request may be asked."""
        self._asker = Asker(gateway, self._known_caller, room)
        self.leaving = False
        """Whether the process stops."""

    def leave(self) -> None:
        """The process stops: what is in flight gets a moment, the rest is another's."""
        self.leaving = True
        self._stopped.set()

    async def run(self, again: float) -> None:
        """Works on the batch until it has ended, or the process must leave it to another.

        A batch that has not ended is taken up by the next process: at once, or `again` seconds after a failure.
        """
        pause = 0.0
        try:
            await self._run()
        except LeaseLost:
            logger.warning("another process has taken a batch over", extra={"batch_id": self._batch.id})
            return
        except (APIError, DatabaseUnavailable) as failure:
            pause = again
            logger.warning("a batch goes on later: %s", failure, extra={"batch_id": self._batch.id})
        except Exception:
            pause = again
            logger.exception("a batch has failed and is tried again", extra={"batch_id": self._batch.id})
        finally:
            with contextlib.suppress(DatabaseUnavailable):
                await self._store.release(self._batch.id, pause)

    async def _run(self) -> None:
        """Works while the lease is kept; raises what ends either of the two."""
        work = asyncio.ensure_future(self._work())
        keeping = asyncio.ensure_future(self._keep_lease())
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
        await self._look_at_caller()
        if self._batch.status == "validating":
            await self._validate()
        if self._batch.status == "in_progress":
            await self._ask_all()
        if self._batch.status == "cancelling":
            await self._finish("cancelled", cancelled_at=self._now())
        elif self._batch.status == "finalizing":
            await self._finish("completed", completed_at=self._now())

    # The check

    async def _validate(self) -> None:
        try:
            checked = await asyncio.to_thread(self._checker().check, self._job)
            errors = checked.errors or await self._begin(checked)
        except AuthenticationError as refused:
            checked, errors = CheckedFile(0, [], 0.0), [error("invalid_api_key", refused.message)]
        if errors:
            await self._end("failed", [], errors=errors, failed_at=self._now(), total=checked.rows)

    async def _begin(self, checked: CheckedFile) -> list[dict[str, Any]]:
        """Begins the batch; gives what is wrong if the key's budget is not enough for it beside its others."""
        batch = self._batch
        begun = await self._store.begin(batch.id, batch.key_id, checked.rows, checked.expected)
        if begun is None:
            raise LeaseLost
        self._learn(begun.row)
        if begun.row.status != "validating":
            return []
        message = (
            f"This batch is expected to cost ${checked.expected:.4f}, and its key has ${max(0.0, begun.left):.4f} "
            "left beside its other batches."
        )
        return [error("insufficient_quota", message)]

    def _checker(self) -> LineChecker:
        backend, caller = self._gateway.backend, self._known_caller()
        return LineChecker(
            self._batch.endpoint,
            backend.config.general.max_batch_requests,
            caller,
            backend,
            self._gateway.accounts.costs,
        )

    # The requests

    async def _ask_all(self) -> None:
        """Asks all requests without an answer, until all have one or none may be asked any more."""
        reading = asyncio.ensure_future(self._read_all())
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            left = max(0.0, self._batch.expires_at - self._now())
            await asyncio.wait({reading, stopped}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                self._stopped.set()
                patience = _LAST_ANSWERS_AT_THE_END if self.leaving else _LAST_ANSWERS
                await asyncio.wait({reading}, timeout=patience)
        finally:
            reading.cancel()
            stopped.cancel()
            await asyncio.wait({reading, stopped})
        failure = None if reading.cancelled() else reading.exception()
        if isinstance(failure, (AuthenticationError, InsufficientCreditError)):
            code = "insufficient_quota" if isinstance(failure, InsufficientCreditError) else "invalid_api_key"
            told = error(code, failure.message)
            await self._finish("failed", failed_at=self._now(), errors=[told])
        elif failure is not None:
            raise failure
        elif self.leaving or self._batch.status != "in_progress":
            return
        elif self._stopped.is_set():
            await self._finish("expired", expired_at=self._now())
        else:
            await self._save(status="finalizing", finalizing_at=self._now(), **self._counts)

    async def _read_all(self) -> None:
        most = self._gateway.config.general.batch_requests_in_flight
        calls = map_calls(self._asker.ask, self._requests(), most, kept=Kept(self._job.journal))
        async with aclosing(calls):
            async for result in calls:
                self._counts["completed" if result.error is None else "failed"] += 1

    async def _requests(self) -> AsyncIterator[dict[str, Any]]:
        for row in self._job.rows():
            if self._stopped.is_set():
                return
            if isinstance(row, LineError):
                raise APIError(
                    f"Line {row.line} of the input has changed since it was checked: {row.message}."
                )
            general = self._gateway.config.general
            await self._gateway.accounts.bodies.room_for(row.body, general.max_bodies_mb * 1e6)
            yield asks(row)

    # The end

    async def _finish(self, status: str, **changes: Any) -> None:
        """Writes the results of a batch that had begun."""
        batch, folder = self._batch, self._gateway.files
        ids = {kind: f"file-{batch.id.removeprefix('batch_')}-{kind}" for kind in ("output", "error")}
        paths = {kind: folder.file(id) for kind, id in ids.items()}
        unasked = {"code": f"batch_{status}", "message": _UNASKED[status]}
        lines = await asyncio.to_thread(
            write_results, self._job, paths["output"], paths["error"], batch.id, unasked
        )
        made = []
        for kind, count in (("output", lines.answers), ("error", lines.errors)):
            if not count:
                paths[kind].unlink()
                continue
            changes[f"{kind}_file_id"] = ids[kind]
            made.append(
                FileRow(
                    id=ids[kind],
                    key_id=batch.key_id,
                    created_at=self._now(),
                    bytes=paths[kind].stat().st_size,
                    filename=f"{batch.id}_{kind}.jsonl",
                    purpose="batch_output",
                )
            )
        total = lines.answers + lines.errors
        counts = {"total": total, "completed": lines.answers, "failed": lines.errors}
        await self._end(status, made, **counts, **changes)

    async def _end(self, status: str, made: list[FileRow], **changes: Any) -> None:
        await self._store.finish(self._batch.id, made, status=status, **changes)
        await asyncio.to_thread(self._gateway.files.end, self._batch.id)
        logger.info("batch ended", extra={"batch_id": self._batch.id, "status": status})

    # The lease

    async def _keep_lease(self) -> None:
        """Renews the lease and learns what others have decided; ends with an error if it is lost."""
        held = time.monotonic()
        while True:
            await asyncio.sleep(_RENEWAL)
            asked = time.monotonic()
            try:
                counts = self._counts if sum(self._counts.values()) > self._batch.completed else {}
                await self._save(**counts)
                await self._look_at_caller()
                held = asked
            except DatabaseUnavailable:
                if time.monotonic() - held > LEASE - 2 * _RENEWAL:
                    raise

    async def _save(self, **changes: Any) -> None:
        row = await self._store.save(self._batch.id, **changes)
        if row is None:
            raise LeaseLost
        self._learn(row)

    def _learn(self, row: BatchRow) -> None:
        self._batch = row
        if row.status == "cancelling":
            self._stopped.set()

    async def _look_at_caller(self) -> None:
        """Reads the batch's key again: it may have been changed or deleted."""
        accounts, id = self._gateway.accounts, self._batch.key_id
        if id is None:
            self._caller = ANYBODY if accounts.auth.open else MASTER
            return
        key = await (await accounts.store()).keys.by_id(id)
        gone = key is None or key.blocked or (key.expires_at is not None and key.expires_at <= self._now())
        self._caller = None if gone else Caller(key)

    def _known_caller(self) -> Caller:
        if self._caller is None:
            raise AuthenticationError("The batch's key has been deleted or blocked, or has expired.")
        return self._caller

    def _now(self) -> float:
        return self._gateway.accounts.now()

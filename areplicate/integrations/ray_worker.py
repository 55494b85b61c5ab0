"""The actor that answers the rows of one Ray job's blocks: a router on an event loop in the background."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa
from anyio.from_thread import start_blocking_portal

from ..bulk.intents import RowIntents
from ..bulk.journal import question_hash
from ..bulk.journaled import EVERY_ROWS, is_the_rows_own
from ..calls.call import at_once
from ..errors import APIError, BadRequestError
from ..replicate.creation import INTENTS
from ..router import AsyncRouter

Row: TypeAlias = Mapping[str, Any]
Outcome: TypeAlias = "tuple[str | None, str | None]"
"""A row's text, or what went wrong with it."""


class RayJob(NamedTuple):
    """What the workers of one job have in common.

    Attributes:
        ledger: the job's ledger, an actor.
        router: what each worker's `AsyncRouter` is made with.
        asked: the options of each call.
        prompt, messages: where a row's question is; one of them is None.
        output, error: the columns that are added.
        raises: whether a row that fails ends the job.
        retrying: the job's name, if it asks again for rows that have failed.
    """

    ledger: Any
    router: dict[str, Any]
    asked: dict[str, Any]
    prompt: str | None = None
    messages: str | Callable[[Row], Sequence[Any]] | None = None
    output: str = "answer"
    error: str = "error"
    raises: bool = False
    retrying: str | None = None


class Worker:
    """Answers blocks of rows."""

    def __init__(self, job: RayJob) -> None:
        self._job = job
        self._loop = start_blocking_portal("asyncio")  # it ends when nobody has it
        self._portal = self._loop.__enter__()
        self._router: AsyncRouter = self._portal.call(lambda: AsyncRouter(**job.router))

    def __call__(self, table: pa.Table) -> pa.Table:
        works = [partial(self._outcome, row) for row in table.to_pylist()]
        outcomes = self._portal.call(at_once, works)
        for name, place in ((self._job.output, 0), (self._job.error, 1)):
            if name in table.column_names:
                table = table.drop_columns([name])
            table = table.append_column(name, pa.array([each[place] for each in outcomes], pa.string()))
        return table

    async def _outcome(self, row: dict[str, Any]) -> Outcome:
        """The ledger's outcome of a row, else the model's.

        Raises:
            APIError: the job ends with it.
        """
        job = self._job
        ledger = job.ledger
        request = {**job.asked, "messages": self._question(row)}
        question = question_hash(request)
        number = int.from_bytes(question[:8], "big") >> 1  # what SQLite takes as a row's number
        try:
            text, failure, earlier = await ledger.begin.remote(number, question, job.retrying)
            if text is None and failure is None:
                ask, forget = (
                    partial(ledger.ask.remote, number, question),
                    partial(ledger.forget.remote, number),
                )
                INTENTS.set(RowIntents(earlier, ask, forget))
                response = await self._router.acompletion(**request)
                text = response.choices[0].message.content or ""
                await ledger.end.remote(number, question, text, None, job.retrying)
        except EVERY_ROWS:
            raise
        except APIError as error:
            text, failure = None, f"{type(error).__name__}: {error}"
            if is_the_rows_own(error):  # else the next job asks again
                await ledger.end.remote(number, question, None, failure, job.retrying)
        if failure is not None and job.raises:
            raise APIError(failure)
        return text, failure

    def _question(self, row: dict[str, Any]) -> Any:
        """The messages that a row asks."""
        prompt, messages = self._job.prompt, self._job.messages
        if callable(messages):
            return messages(row)
        name = prompt or messages
        if name not in row:
            raise BadRequestError(f"The rows have no column {name!r}: their columns are {', '.join(row)}.")
        return [{"role": "user", "content": row[name]}] if prompt else row[name]

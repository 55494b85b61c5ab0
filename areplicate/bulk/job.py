"""A file of questions and the file of their answers, as one job that goes on where it stopped.

The journal lies beside the output. The job is checked whole before anything is paid for; then its rows are
asked, in the file's order, as fast as the account's limits allow; the output is made from the journal alone,
at the end or at any moment before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import msgspec

from ..chat.schemas.catalogue import common_inputs
from ..chat.schemas.schema import ModelSchema
from ..errors import BadRequestError
from ..options.client_fields import read_from_client
from ..replicate.progress import OnStatus
from .apis import APIS
from .inputs import Defaults, LineError, Row, read_rows
from .journal import ChangedRequest, question_hash
from .journal_file import JournalEntry, read_as_a_journal, read_journal
from .map import JournalSettings, map_calls
from .outputs import ADDED, EndedRow, write_output
from .requests import Ask, is_embedding
from .tally import Tally
from .writing import Table, table_for

ASKS = ("model", "messages", "input", "encoding_format")
"""The arguments that say what a row asks; all others are options of the call."""


class JobRouter(Protocol):
    """The part of `AsyncRouter` that a job needs."""

    async def schema_of(self, model: str, *, must_exist: bool = False) -> ModelSchema | None: ...

    @property
    def acompletion(self) -> Ask: ...

    @property
    def aembedding(self) -> Ask: ...


class Job(msgspec.Struct, frozen=True):
    """What is asked, and where the answers go.

    Attributes:
        limit: how many rows are asked, from the first; None for all.
        append_to_rows: the output is the input's rows with columns added, else OpenAI's batch format.
    """

    input: Path
    output: Path
    defaults: Defaults = Defaults()
    limit: int | None = None
    append_to_rows: bool = False

    @property
    def journal(self) -> Path:
        return self.output.with_name(self.output.name + ".journal")

    def rows(self) -> Iterator[Row | LineError]:
        return islice(read_rows(self.input, self.defaults), self.limit)

    def table(self) -> Table | None:
        """How the rows are written; None in OpenAI's format."""
        return table_for(self.input, self.output, ADDED) if self.append_to_rows else None


def asks(row: Row) -> dict[str, Any]:
    """What a row asks, as arguments of a call, still to be checked. By these the journal knows it again."""
    question = APIS[row.url].ask(row.body)
    return {**question.params, "model": row.body["model"], **question.asks}


def request_of(asked: dict[str, Any], schema: ModelSchema | None) -> dict[str, Any]:
    """The router's arguments for what is asked: what a gateway's client may set, and the model's own inputs.

    A file may come from anywhere: it chooses neither where the key goes nor how the router behaves.
    """
    asks = {name: asked[name] for name in ASKS if name in asked}
    params = {name: value for name, value in asked.items() if name not in asks}
    return {**asks, **read_from_client(params, common_inputs() if schema is None else schema.fields)}


async def run(
    job: Job,
    router: JobRouter,
    tally: Tally,
    max_in_flight: int | None = None,
    retry_failed: bool = False,
    stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Asks what the journal has no answer to.

    Args:
        tally: gets each row's phases and result, those of earlier runs included.
        stopping: once it is true, no further row is asked, and those under way are waited for.

    Raises:
        APIError: no further row can be asked: a changed input, a wrong key, no credit, a journal that cannot
            be written, an hour without the network. The same job goes on from here later.
    """
    requests = _requests(job, tally, stopping)
    results = map_calls(
        partial(_ask, router), requests, max_in_flight, journal=JournalSettings(job.journal, retry_failed)
    )
    async with aclosing(results):
        async for result in results:
            if isinstance(result.error, ChangedRequest):  # the journal's answers are to other questions
                raise _changed(job, next(islice(job.rows(), result.index, None)))
            tally.saw(result)


async def _requests(job: Job, tally: Tally, stopping: Callable[[], bool]) -> AsyncIterator[dict[str, Any]]:
    for row in job.rows():
        if stopping():
            return
        if isinstance(row, LineError):
            raise BadRequestError(f"{job.input}:{row.line}: {row.message}")
        yield {**asks(row), "on_status": tally.watch(row.number)}


async def _ask(router: JobRouter, /, on_status: OnStatus, **asked: Any) -> Any:
    request = request_of(asked, await router.schema_of(asked["model"]))
    ask = router.aembedding if is_embedding(request) else router.acompletion
    return await ask(**request, on_status=on_status)


def export(job: Job) -> int:
    """Writes the output from the journal, in the input's order; gives how many rows it has.

    Rows that have not ended are left out. A job may run meanwhile.

    Raises:
        BadRequestError: there is no journal, or the input has changed since the job began.
    """
    if not job.journal.is_file():
        raise BadRequestError(
            f"There is no journal at {job.journal}: run the job first, with the same output."
        )
    ended = (outcome for _, outcome in outcomes(job) if outcome is not None)
    return write_output(job.output, ended, job.table())


def outcomes(job: Job) -> Iterator[tuple[Row | LineError, EndedRow | None]]:
    """The rows, each with its outcome from the journal; None if it has not ended.

    Raises:
        BadRequestError: the input has changed since the job began.
    """
    for row, entry in journaled_rows(job):
        if entry is None or not entry.ended:
            yield row, None
        elif isinstance(row, LineError):
            raise _changed(job, row)
        else:
            with read_as_a_journal(job.journal):
                ended = EndedRow(row, _json(entry.response), _json(entry.error))
            yield row, ended


def journaled_rows(job: Job) -> Iterator[tuple[Row | LineError, JournalEntry | None]]:
    """The rows, each with its entry in the journal, if it has one.

    Raises:
        BadRequestError: the journal has another question for a row.
    """
    with closing(read_journal(job.journal)) as entries:
        entry = next(entries, None)
        for number, row in enumerate(job.rows()):
            while entry is not None and entry.number < number:
                entry = next(entries, None)
            known = entry if entry is not None and entry.number == number else None
            if known is not None and isinstance(row, Row) and known.question != question_hash(asks(row)):
                raise _changed(job, row)
            yield row, known


def _changed(job: Job, row: Row | LineError) -> ChangedRequest:
    why = f" ({row.message})" if isinstance(row, LineError) else ""
    return ChangedRequest(
        f"{job.input}:{row.line}: this is not the question that was asked when {job.journal} began{why}. Undo what "
        "has changed in the file or in the options --model, --system, --column and --set; or give another output "
        "(-o), for which every row is asked."
    )


def _json(encoded: bytes | None) -> dict[str, Any] | None:
    return None if encoded is None else msgspec.json.decode(encoded)

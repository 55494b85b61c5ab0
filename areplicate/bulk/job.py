"""A file of questions and the file of their answers, as one job that goes on where it stopped.

The journal lies beside the output. The job is checked whole before anything is paid for; then its rows are
asked, in the file's order, as fast as the account's limits allow; the output is made from the journal alone,
at the end or at any moment before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import msgspec

from ..chat.embeddings import inputs_for
from ..chat.inputs import ModelInput, build_input
from ..chat.schemas.catalogue import common_inputs
from ..chat.schemas.schema import ModelSchema
from ..chat.usage import characters, estimate
from ..clock import now
from ..errors import BadRequestError
from ..options import read, read_body
from ..options.declared import BY_NAME
from ..options.values import checked_count
from ..replicate.progress import OnStatus, Status
from .apis import APIS
from .inputs import Defaults, LineError, Row, read_rows
from .journal import ChangedRequest, JournalEntry, read_journal
from .map import MapResult, Requests
from .outputs import EndedRow, check_columns, write_output

_ASKS = ("model", "messages", "input", "encoding_format")
MOST_ERRORS = 100
"""Lines whose errors are told one by one."""


class JobRouter(Protocol):
    """What a job needs of an `AsyncRouter`."""

    async def schema_of(self, model: str) -> ModelSchema | None: ...

    def map(
        self,
        requests: Requests,
        max_in_flight: int | None = None,
        *,
        journal: str | PathLike[str] | None = None,
        retry_failed: bool = False,
    ) -> AsyncGenerator[MapResult, None]: ...


class Job(msgspec.Struct, frozen=True):
    """What is asked, and where the answers go.

    Attributes:
        limit: only so many rows, from the first.
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


class Share(msgspec.Struct):
    """What one model is asked: rows, tokens of their prompts (estimated), and the most tokens of the answers.

    `most_tokens` is None where a row sets no `max_tokens`.
    """

    rows: int = 0
    prompt_tokens: int = 0
    most_tokens: int | None = 0


class CheckedJob(msgspec.Struct, frozen=True):
    """What a job asks, by model. `errors` are the first `MOST_ERRORS` of the `wrong` lines."""

    rows: int
    wrong: int
    errors: list[LineError]
    models: dict[str, Share]


async def check(job: Job, router: JobRouter) -> CheckedJob:
    """Reads all rows, and builds what each would send; nothing is asked of any model.

    Raises:
        BadRequestError: the input cannot be read, or the output cannot be written.
        APIError: a model does not exist, or the key may not see it.
    """
    if job.input.exists() and job.output.exists() and job.output.samefile(job.input):
        raise BadRequestError(
            f"{job.output} is the input, which the answers would overwrite: give another output."
        )
    if not job.output.parent.is_dir():
        raise BadRequestError(f"{job.output} cannot be written: there is no folder {job.output.parent}.")
    errors: list[LineError] = []
    shares: defaultdict[str, Share] = defaultdict(Share)
    rows = wrong = 0
    for row in job.rows():
        rows += 1
        error = row if isinstance(row, LineError) else await _error_of(row, job, router, shares)
        if error is not None:
            wrong += 1
            if len(errors) < MOST_ERRORS:
                errors.append(error)
    return CheckedJob(rows, wrong, errors, dict(shares))


async def _error_of(
    row: Row, job: Job, router: JobRouter, shares: defaultdict[str, Share]
) -> LineError | None:
    """What is wrong with a row; where nothing is, it is counted among its model's."""
    if job.append_to_rows:
        check_columns(row)
    model = row.body["model"]
    try:
        count, built = _built(await _request(row, router), await router.schema_of(model))
    except BadRequestError as error:
        return LineError(row.line, error.message, row.custom_id)
    share = shares[model]
    share.rows += 1
    for each in built:
        share.prompt_tokens += count * estimate(characters(each.fields))
        if share.most_tokens is not None:
            most = each.max_tokens
            share.most_tokens = None if most is None else share.most_tokens + count * most
    return None


def _built(request: dict[str, Any], schema: ModelSchema | None) -> tuple[int, list[ModelInput]]:
    """How many predictions of which inputs would be made; raises the `BadRequestError` that says what is wrong."""
    model = request["model"]
    given = read({name: value for name, value in request.items() if name not in _ASKS})
    count = checked_count(given.options.get("n"))
    if "input" in request:
        parts = inputs_for(request["input"], given.inputs, schema, model)
        return count, [ModelInput(fields, max_tokens=0) for _, fields in parts]
    return count, [
        build_input(
            request["messages"],
            {**given.params, **given.inputs},
            model=model,
            schema=schema,
            drop_params=bool(given.options.get("drop_params")),
        )
    ]


async def _request(row: Row, router: JobRouter) -> dict[str, Any]:
    """A row as the router's arguments: what a gateway's client may set, and the model's own inputs.

    A file may come from anywhere: it chooses neither where the key goes nor how the router behaves.
    """
    model = row.body["model"]
    asked = APIS[row.url].ask(row.body)
    schema = await router.schema_of(model)
    inputs = common_inputs() if schema is None else schema.fields
    params = asked.params
    if params.get("drop_params") is True:
        params = {name: value for name, value in params.items() if name in BY_NAME or name in inputs}
    return {"model": model, **asked.asks, **read_body(params, inputs)}


class Tally:
    """How far a job is.

    Args:
        cost_of: what an answer cost in US dollars; None where that is not known.
    """

    def __init__(self, cost_of: Callable[[Any], float | None] = lambda response: None) -> None:
        self.done = self.failed = 0
        self.cost = 0.0
        self._cost_of = cost_of
        self._phases: dict[int, str] = {}
        """Of the rows that are under way."""
        self._begun = now()

    @property
    def ended(self) -> int:
        return self.done + self.failed

    def watch(self, number: int) -> OnStatus:
        """What is called with each phase of a row's prediction."""

        def saw(status: Status) -> None:
            self._phases[number] = status.phase

        return saw

    def saw(self, result: MapResult) -> None:
        self._phases.pop(result.index, None)
        self.done += result.error is None
        self.failed += result.error is not None
        if result.response is not None:
            self.cost += self._cost_of(result.response) or 0.0

    def line(self) -> str:
        booting = sum(phase == "booting" for phase in self._phases.values())
        rate = self.ended / max(1.0, now() - self._begun) * 60
        return (
            f"{self.done:,} done, {self.failed:,} failed, {len(self._phases):,} in flight, "
            f"{booting:,} booting, {rate:,.0f} a minute{f', ${self.cost:,.2f}' if self.cost else ''}"
        )


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
        tally: is told of each row's phases and result, those of earlier runs too.
        stopping: once it is true, no further row is asked, and those under way are waited for.

    Raises:
        APIError: no further row can be asked: a changed input, a wrong key, no credit, a journal that cannot be written, an
            hour without the network. The same job goes on from here later.
    """
    requests = _requests(job, router, tally, stopping)
    results = router.map(requests, max_in_flight, journal=job.journal, retry_failed=retry_failed)
    async with aclosing(results):
        async for result in results:
            if isinstance(result.error, ChangedRequest):  # the journal's answers are to other questions
                raise BadRequestError(
                    f"Row {result.index + 1} of {job.input} asks something else than when {job.journal} began: "
                    "undo the change of the file or of the command's options, or give another output."
                )
            tally.saw(result)


async def _requests(
    job: Job, router: JobRouter, tally: Tally, stopping: Callable[[], bool]
) -> AsyncIterator[dict[str, Any]]:
    for row in job.rows():
        if stopping():
            return
        if isinstance(row, LineError):
            raise BadRequestError(f"{job.input}:{row.line}: {row.message}")
        yield {**await _request(row, router), "on_status": tally.watch(row.number)}


def export(job: Job) -> int:
    """Writes the output from the journal, in the input's order; gives how many rows it has.

    Rows that have not ended are left out. A job may run meanwhile.
    """
    return write_output(job.output, outcomes(job), append_to_rows=job.append_to_rows)


def outcomes(job: Job) -> Iterator[EndedRow]:
    """The rows that have ended, in the input's order, from the journal."""
    entries = read_journal(job.journal)
    entry: JournalEntry | None = next(entries, None)
    for row in job.rows():
        if isinstance(row, LineError):
            continue
        while entry is not None and entry.number < row.number:
            entry = next(entries, None)
        if entry is not None and entry.number == row.number and entry.ended:
            yield EndedRow(row, _json(entry.response), _json(entry.error))


def _json(encoded: bytes | None) -> dict[str, Any] | None:
    return None if encoded is None else msgspec.json.decode(encoded)

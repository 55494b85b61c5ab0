"""Checks a batch's file as a whole, before anything is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from ...bulk.apis import EMBEDDINGS
from ...bulk.checking import MOST_ERRORS
from ...bulk.inputs import LineError, Row
from ...bulk.job import Job
from ...chat.embeddings import read_texts
from ...errors import BadRequestError
from ..accounts.account import check_prices
from ..accounts.auth import Caller
from ..accounts.costs import Costs, Demand
from ..api.embeddings import predictions_for
from ..api.model_call import answers_of, fallbacks_for, usable
from ..config.backend import Backend
from ..config.entries import ModelEntry
from ..errors import GatewayError
from ..http.bodies import MAX_BODY, MAX_FIELDS, check_bounds

_LINES = 2
"""Lines that a file may have for each request: some have a blank one between."""


class CheckedFile(msgspec.Struct, frozen=True):
    """How many requests a file has, what is wrong with it, and the dollars that it is expected to cost."""

    rows: int
    errors: list[dict[str, Any]]
    expected: float


class LineChecker(msgspec.Struct):
    """Checks lines for one caller."""

    _endpoint: str
    """What all lines must ask."""
    _caller: Caller
    _backend: Backend
    _costs: Costs
    _loop: asyncio.AbstractEventLoop = msgspec.field(default_factory=asyncio.get_running_loop)
    _entries: dict[str, Sequence[ModelEntry]] = {}
    """What may answer, by the names that the file has."""

    def check(self, job: Job) -> CheckedFile:
        """Reads the whole file; in a thread beside the loop, since it may be long."""
        most = self._backend.config.general.max_batch_requests
        if errors := list(_too_much(job.input, most)):
            return CheckedFile(0, errors, 0.0)
        count = 0
        expected = 0.0
        for row in job.rows():
            count += 1
            if count > most:
                return CheckedFile(count, [_too_many(f"{most:,} requests")], 0.0)
            try:
                expected += self._cost_of(row)
            except (BadRequestError, GatewayError) as wrong:
                if len(errors) < MOST_ERRORS:
                    code = wrong.code or "invalid_request"
                    errors.append(error(code, wrong.message, row.line, wrong.param))
        if not count:
            errors.append(error("empty_file", "The file has no requests."))
        return CheckedFile(count, errors, expected)

    def _cost_of(self, row: Row | LineError) -> float:
        """What a line is expected to cost; raises what is wrong with it."""
        if isinstance(row, LineError):
            raise BadRequestError(row.message)
        if row.custom_id is None or "url" not in row.columns:
            raise BadRequestError("a line must have custom_id, method, url and body", param="custom_id")
        if row.url != self._endpoint:
            raise BadRequestError(
                f"url must be the batch's endpoint {self._endpoint}, not {row.url}", param="url"
            )
        if len(row.body) > MAX_FIELDS:
            raise BadRequestError(f"the body has {len(row.body)} fields; {MAX_FIELDS} are allowed")
        entries = self._entries_of(row.body["model"])
        if self._caller.key is None or self._caller.key.max_budget is None:
            return 0.0
        check_prices(entries, self._backend)
        if row.url == EMBEDDINGS:
            # Nobody's limit counts the check: a name that only fits a wildcard may be one of thousands of inventions.
            named = [entry for entry in entries if "*" not in entry.name]
            counting = predictions_for(self._backend, named, read_texts(row.body.get("input")))
            predictions = asyncio.run_coroutine_threadsafe(counting, self._loop).result()
            demand = Demand(entries, predictions, body=row.body, writes=False)
        else:
            copies = answers_of(row.body, entries)
            demand = Demand(entries, copies, copies=copies, body=row.body)
        return self._costs.expected(demand, self._backend.price_of)[1]

    def _entries_of(self, name: str) -> Sequence[ModelEntry]:
        entries = self._entries.get(name)
        if entries is None:
            target = usable(self._backend, self._caller, name)
            fallbacks = fallbacks_for(self._backend, self._caller, target)
            entries = self._entries[name] = self._backend.entries_of(target, fallbacks)
        return entries


def _too_much(file: Path, most: int) -> Iterator[dict[str, Any]]:
    """What is out of the bounds of a file, or of a request's body, before anything is built from a line.

    Lines that are blank count, too: a small upload may unfold to millions of them.
    """
    with file.open("rb") as lines:
        for line, text in enumerate(iter(partial(lines.readline, MAX_BODY + 1), b""), 1):
            if line > most * _LINES:
                yield _too_many(f"{most * _LINES:,} lines")
                return
            if len(text) > MAX_BODY:
                message = f"The line is larger than {MAX_BODY >> 20} MB."
                yield error("request_too_large", message, line)
                return
            try:
                check_bounds(text)
            except GatewayError as wrong:
                yield error(wrong.code or "invalid_request", wrong.message, line)
                return


def _too_many(what: str) -> dict[str, Any]:
    return error("too_many_requests", f"The file has more than {what}: make several batches of it.")


def error(code: str, message: str, line: int | None = None, param: str | None = None) -> dict[str, Any]:
    """An error of a batch, as OpenAI's API has it."""
    return {"code": code, "line": line, "message": message, "param": param}

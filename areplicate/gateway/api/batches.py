"""`/v1/batches`: files of requests that are answered in the background.

Source: "Batch" in OpenAI's API reference.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated, Any, Literal

import msgspec

from ...bulk.apis import APIS
from ..accounts.tables import UNFINISHED, BatchFields, BatchRow
from ..errors import GatewayError, bad_request, no_such
from ..http.exchange import Exchange
from ..http.route import route
from .fields import Duration, ListPage, Text, in_whole_seconds, seconds_of
from .files import file_of, no_expiry, page_of, stored, too_many_files

Endpoint = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(APIS)})]
Metadata = Annotated[
    dict[Annotated[str, msgspec.Meta(max_length=64)], Annotated[str, msgspec.Meta(max_length=512)]],
    msgspec.Meta(max_length=16),
]


class BatchRequest(msgspec.Struct, kw_only=True):
    """A file of requests, all of which ask `endpoint`, within `completion_window`."""

    input_file_id: Text
    endpoint: Endpoint
    completion_window: Duration
    metadata: Metadata | None = None


class BatchQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which batches: those behind the batch `after`, newest first."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    after: Text | None = None


class BatchError(msgspec.Struct, frozen=True):
    """What is wrong; `line` is the file's, from 1."""

    code: str
    line: int | None
    message: str
    param: str | None


class BatchErrors(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[BatchError]


class RequestCounts(msgspec.Struct, frozen=True):
    total: int
    completed: int
    failed: int


class Batch(BatchFields, frozen=True, kw_only=True):
    """A batch; times are in seconds since 1970."""

    object: Literal["batch"] = "batch"
    errors: BatchErrors | None
    request_counts: RequestCounts


class BatchList(ListPage, frozen=True, kw_only=True):
    data: list[Batch]


@route("POST", "/v1/batches", "key", takes=BatchRequest, answer=Batch, changes=True)
async def create_batch(exchange: Exchange, body: dict[str, Any]) -> Batch:
    """Begin a batch."""
    endpoint, window = body["endpoint"], seconds_of(body["completion_window"])
    if endpoint not in APIS:
        raise bad_request(
            f"endpoint must be one of {', '.join(APIS)}, not {endpoint!r:.100}.", param="endpoint"
        )
    if body.get("output_expires_after") is not None:
        raise no_expiry("output_expires_after")
    file = await file_of(exchange, body["input_file_id"])
    if file.purpose != "batch":
        raise bad_request(
            f"{file.id} has the purpose {file.purpose!r}; 'batch' is needed.", param="input_file_id"
        )
    now = exchange.gateway.accounts.now()
    row = BatchRow(
        id=f"batch_{secrets.token_hex(16)}",
        key_id=exchange.caller.key_id,
        endpoint=endpoint,
        input_file_id=file.id,
        completion_window=body["completion_window"],
        created_at=now,
        expires_at=now + window,
        metadata=body.get("metadata"),
    )
    folder, most = exchange.gateway.files, exchange.backend.config.general.max_files
    try:
        await asyncio.to_thread(folder.begin, row.id, file.id)
        if not await (await stored(exchange)).add(row, most):
            raise too_many_files(most)
    except BaseException as error:
        folder.end(row.id)
        if isinstance(error, FileNotFoundError):
            raise bad_request(f"The content of {file.id} has gone.", param="input_file_id") from None
        raise
    exchange.gateway.batch_wanted.set()
    return _shown(row)


@route("GET", "/v1/batches", "key", takes=BatchQuery, answer=BatchList)
async def list_batches(exchange: Exchange, asked: BatchQuery) -> BatchList:
    """List batches."""
    rows = await page_of(exchange, BatchRow, asked.after, asked.limit + 1)
    return BatchList.of([_shown(row) for row in rows], asked.limit)


@route("GET", "/v1/batches/{id}", "key", answer=Batch)
async def get_batch(exchange: Exchange) -> Batch:
    """Look at a batch."""
    return _shown(await _batch_of(exchange))


@route("POST", "/v1/batches/{id}/cancel", "key", answer=Batch, changes=True)
async def cancel_batch(exchange: Exchange) -> Batch:
    """Cancel a batch; requests in flight get a moment, and what was answered is in its output file."""
    row = await _batch_of(exchange)
    if row.status not in UNFINISHED:
        raise GatewayError(409, f"{row.id} cannot be cancelled: it is {row.status}.", code="batch_ended")
    await (await stored(exchange)).cancel(row.id)
    exchange.gateway.batch_wanted.set()
    return _shown(await _batch_of(exchange))


async def _batch_of(exchange: Exchange) -> BatchRow:
    row = await (await stored(exchange)).find(BatchRow, exchange.rest, exchange.caller)
    if row is None:
        raise no_such("batch", exchange.rest)
    return row


def _shown(row: BatchRow) -> Batch:
    fields = in_whole_seconds({name: getattr(row, name) for name in BatchFields.__struct_fields__})
    errors = None if row.errors is None else BatchErrors(data=msgspec.convert(row.errors, list[BatchError]))
    return Batch(**fields, errors=errors, request_counts=RequestCounts(row.total, row.completed, row.failed))

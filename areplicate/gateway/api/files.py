"""`/v1/files`: the inputs and the results of batches, each for the key that it belongs to.

Source: "Files" in OpenAI's API reference.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web

from ..accounts.batch_store import BatchStore, T
from ..accounts.tables import FileRow
from ..errors import GatewayError, bad_request, no_such
from ..http.exchange import Exchange
from ..http.route import route
from ..http.uploads import read_form, send_file
from .fields import ListPage, Text, in_whole_seconds

MAX_LISTED = 10_000


class FileUpload(msgspec.Struct, kw_only=True):
    """A file of requests, as JSON lines."""

    file: Annotated[bytes, msgspec.Meta(extra_json_schema={"format": "binary"})]
    purpose: Literal["batch"]


class FileQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which files: those behind the file `after`, newest first."""

    purpose: Text | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LISTED)] = MAX_LISTED
    order: Literal["asc", "desc"] = "desc"
    after: Text | None = None


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file; its purpose is `batch` or `batch_output`."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    expires_at: None = None


class FileList(ListPage, frozen=True, kw_only=True):
    data: list[File]


class DeletedFile(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["file"] = "file"
    deleted: bool = True


@route("POST", "/v1/files", "key", takes=FileUpload, form=True, answer=File, changes=True)
async def upload(exchange: Exchange) -> File:
    """Upload a file for a batch."""
    general = exchange.backend.config.general
    folder, key_id = exchange.gateway.files, exchange.caller.key_id
    with folder.receiving(key_id) as path:
        kept = await (await stored(exchange)).files_of(key_id)
        if kept + folder.received_of(key_id) > general.max_files:
            raise too_many_files(general.max_files)
        fields, filename = await read_form(exchange.request, path, round(general.max_file_mb * 1e6))
        if (purpose := fields.get("purpose")) != "batch":
            raise bad_request(f"purpose must be 'batch', not {purpose!r:.50}.", param="purpose")
        if any(name.startswith("expires_after") for name in fields):
            raise no_expiry("expires_after")
        row = FileRow(
            id=f"file-{secrets.token_hex(16)}",
            key_id=key_id,
            created_at=exchange.gateway.accounts.now(),
            bytes=path.stat().st_size,
            filename=filename,
            purpose=purpose,
        )
        await asyncio.to_thread(folder.keep, path, row.id)
    try:
        if not await (await stored(exchange)).add(row, general.max_files):
            raise too_many_files(general.max_files)
    except BaseException:
        folder.remove(row.id)
        raise
    return _shown(row)


@route("GET", "/v1/files", "key", takes=FileQuery, answer=FileList)
async def list_files(exchange: Exchange, asked: FileQuery) -> FileList:
    """List files."""
    rows = await page_of(exchange, FileRow, asked.after, asked.limit + 1, asked.order, asked.purpose)
    return FileList.of([_shown(row) for row in rows], asked.limit)


@route("GET", "/v1/files/{id}", "key", answer=File)
async def get_file(exchange: Exchange) -> File:
    """Look at a file."""
    return _shown(await file_of(exchange, exchange.rest))


@route("GET", "/v1/files/{id}/content", "key", answer="application/octet-stream")
async def get_content(exchange: Exchange) -> web.StreamResponse:
    """Download a file."""
    row = await file_of(exchange, exchange.rest)
    try:
        return await send_file(exchange, exchange.gateway.files.file(row.id))
    except FileNotFoundError:
        raise no_such("file", row.id) from None


@route("DELETE", "/v1/files/{id}", "key", answer=DeletedFile, changes=True)
async def delete_file(exchange: Exchange) -> DeletedFile:
    """Delete a file; a batch that has begun with it goes on."""
    id = exchange.rest
    if not await (await stored(exchange)).delete_file(id, exchange.caller):
        raise no_such("file", id)
    await asyncio.to_thread(exchange.gateway.files.remove, id)
    return DeletedFile(id=id)


def too_many_files(most: int) -> GatewayError:
    return bad_request(
        f"This key may have {most} files, those that its batches under way will make among them: delete some.",
        code="too_many_files",
    )


def no_expiry(param: str) -> GatewayError:
    """Who wants a file to be gone by a time must not believe that it will be."""
    return bad_request(f"{param} cannot be used: files are kept until they are deleted.", param=param)


async def file_of(exchange: Exchange, id: str) -> FileRow:
    """A file that the caller may see; raises the `GatewayError` 404."""
    row = await (await stored(exchange)).find(FileRow, id, exchange.caller)
    if row is None:
        raise no_such("file", id)
    return row


async def page_of(exchange: Exchange, kind: type[T], after: str | None, limit: int, *chosen: Any) -> list[T]:
    """Files or batches behind the one with the id `after`.

    Raises:
        GatewayError: 404, it has been deleted, as programs do that delete what they list: for them, the list would seem
            to end there.
    """
    store = await stored(exchange)
    if after is not None and await store.find(kind, after, exchange.caller) is None:
        raise no_such("file" if kind is FileRow else "batch", after, "after")
    return await store.page(kind, exchange.caller, after, limit, *chosen)


async def stored(exchange: Exchange) -> BatchStore:
    """The files and batches in the database."""
    return (await exchange.gateway.accounts.store()).batches


def _shown(row: FileRow) -> File:
    return msgspec.convert(in_whole_seconds(msgspec.structs.asdict(row)), File)

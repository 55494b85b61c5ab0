"""Uploaded files: their upload, list, download and deletion."""

from __future__ import annotations

import base64
import hashlib
import hmac
from email import message_from_bytes
from typing import Any

import msgspec
from aiohttp import web

from .bodies import json_answer
from .calls import RouteCall, route
from .catalog import ACCOUNT, signing_secret
from .paging import page_of
from .refusals import InvalidField, Refusal, invalid
from .service import Service, StoredFile

DAY = 24 * 60 * 60.0


@route("POST /files", kind="upload")
async def upload(service: Service, call: RouteCall) -> web.StreamResponse:
    """A multipart form: the file in the field `content`, what is said of it in `metadata`."""
    fields = _fields(call)
    if "content" not in fields:
        raise invalid([InvalidField("required", "content", "content is required")])
    name, kind, content = fields["content"]
    id = base64.b64encode(service.new_id().encode()).decode().rstrip("=")
    now = service.clock.now()
    facts = {
        "id": id,
        "name": name,
        "content_type": kind,
        "size": len(content),
        "etag": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "checksums": {
            "sha256": hashlib.sha256(content).hexdigest(),
            "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        },
        "metadata": _metadata(fields["metadata"][2]) if "metadata" in fields else {},
        "created_at": service.clock.wall(now),
        "expires_at": service.clock.wall(now + DAY),
    }
    service.files[id] = file = StoredFile(call.token, content, now + DAY, facts)
    return json_answer(_body(call, file), status=201)


@route("GET /files/*", kind="file")
async def read(service: Service, call: RouteCall) -> web.StreamResponse:
    return json_answer(_body(call, _own(service, call)))


@route("GET /files", kind="files")
async def list_all(service: Service, call: RouteCall) -> web.StreamResponse:
    now = service.clock.now()
    own = [file for file in service.files.values() if file.token == call.token and now < file.expires]
    return page_of(call, [_body(call, file) for file in own])


@route("DELETE /files/*", kind="delete")
async def delete(service: Service, call: RouteCall) -> web.StreamResponse:
    del service.files[_own(service, call).facts["id"]]
    return web.Response(status=204)


@route("GET /files/*/download", kind="download", open=True)
async def download(service: Service, call: RouteCall) -> web.StreamResponse:
    """The file's content, for `owner`, `expiry` and `signature`, which stands for a token."""
    file, query = service.files.get(call.names[0]), call.seen.query
    expiry = query.get("expiry", "")
    if file is None or not expiry.isdecimal() or query.get("owner") != ACCOUNT["username"]:
        raise _no_file()
    signed = f"{ACCOUNT['username']} {file.facts['id']} {expiry}".encode()
    signature = hmac.new(signing_secret(file.token), signed, hashlib.sha256).digest()
    now = service.clock.now()
    expired = now >= file.expires or service.clock.wall(now).timestamp() >= int(expiry)
    if expired or not hmac.compare_digest(base64.b64encode(signature).decode(), query.get("signature", "")):
        raise _no_file()
    return web.Response(body=file.content, content_type="application/octet-stream")


def _fields(call: RouteCall) -> dict[str, tuple[str, str, bytes]]:
    """A form's fields: each one's file name, type and content."""
    kind = call.seen.headers.get("Content-Type", "")
    # The body was read whole, for the log; the standard library's mail parser knows multipart.
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + call.seen.body)
    fields: dict[str, tuple[str, str, bytes]] = {}
    for part in message.walk():
        name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            fields[name] = (part.get_filename() or "", part.get_content_type(), content)
    return fields


def _metadata(content: bytes) -> dict[str, Any]:
    try:
        metadata: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise invalid([InvalidField("invalid_type", "metadata", "metadata must be a JSON object")]) from None
    return metadata


def _own(service: Service, call: RouteCall) -> StoredFile:
    file = service.files.get(call.names[0])
    if file is None or file.token != call.token or service.clock.now() >= file.expires:
        raise _no_file()
    return file


def _no_file() -> Refusal:
    return Refusal(404, "File not found", title="Not found")


def _body(call: RouteCall, file: StoredFile) -> dict[str, Any]:
    return {**file.facts, "urls": {"get": f"{call.origin}/v1/files/{file.facts['id']}"}}

"""Uploaded files: `POST /files` and what follows from it."""

from __future__ import annotations

import base64
import hashlib
from email import message_from_bytes
from typing import Any

from aiohttp import web

from .bodies import json_answer
from .calls import Call
from .refusals import InvalidField, invalid, not_found
from .service import Service

DAY = 24 * 60 * 60.0


async def upload(service: Service, call: Call) -> web.StreamResponse:
    """`POST /files`, multipart, the file in the field `content`."""
    kind = call.seen.headers.get("Content-Type", "")
    # The body was read whole, for the log; the standard library's mail parser knows multipart.
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + call.seen.body)
    for part in message.walk():
        content = part.get_payload(decode=True)
        if part.get_param("name", header="content-disposition") != "content" or not isinstance(
            content, bytes
        ):
            continue
        id = base64.b64encode(service.new_id().encode()).decode().rstrip("=")
        now = service.clock.now()
        service.files[id] = (
            call.token,
            {
                "id": id,
                "name": part.get_filename() or "",
                "content_type": part.get_content_type(),
                "size": len(content),
                "etag": hashlib.md5(content, usedforsecurity=False).hexdigest(),
                "checksums": {
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
                },
                "metadata": {},
                "created_at": service.clock.wall(now),
                "expires_at": service.clock.wall(now + DAY),
            },
        )
        return json_answer(_file(service, call, id), status=201)
    raise invalid([InvalidField("required", "content", "content is required")])


async def read(service: Service, call: Call) -> web.StreamResponse:
    """`GET /files/{id}`"""
    return json_answer(_file(service, call, call.names[0]))


async def list_all(service: Service, call: Call) -> web.StreamResponse:
    """`GET /files`"""
    own = [_file(service, call, id) for id, (token, _) in service.files.items() if token == call.token]
    return json_answer({"next": None, "previous": None, "results": own})


async def delete(service: Service, call: Call) -> web.StreamResponse:
    """`DELETE /files/{id}`"""
    _file(service, call, call.names[0])
    del service.files[call.names[0]]
    return web.Response(status=204)


def _file(service: Service, call: Call, id: str) -> dict[str, Any]:
    token, file = service.files.get(id, ("", {}))
    if token != call.token:
        raise not_found()
    return {**file, "urls": {"get": f"{call.origin}/v1/files/{id}"}}

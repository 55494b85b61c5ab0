"""Files that are too large to stand in an input."""

from __future__ import annotations

import secrets

import msgspec


class FileURLs(msgspec.Struct, frozen=True):
    get: str


class File(msgspec.Struct, frozen=True):
    """What `POST /files` answers; `urls.get` goes into the input."""

    id: str
    urls: FileURLs


decode_file = msgspec.json.Decoder(File).decode


def file_upload(content: bytes, filename: str, media_type: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of `POST /files`: multipart, with the file in the field `content`."""
    boundary = secrets.token_hex(16)
    safe_name = filename.replace('"', "%22").replace("\r", "").replace("\n", "")
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="content"; filename="{safe_name}"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    )
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, body

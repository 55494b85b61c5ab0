"""Server-sent events, parsed from bytes as they come.

Source: "Server-sent events" in the HTML standard, section "Interpreting an event stream".
"""

from __future__ import annotations

import msgspec

_BOM = b"\xef\xbb\xbf"
LONGEST_LINE = 16 * 1024 * 1024
"""Bytes of one line after which a stream is given up."""


class Event(msgspec.Struct, frozen=True):
    """One event. `id` is the last id that the stream has named, here or earlier."""

    type: str
    data: str
    id: str = ""


class EventParser(msgspec.Struct):
    """Turns the bytes of one connection into events, wherever the bytes are split.

    An event that the connection did not finish is dropped, as the standard wants it. So are comments, such as
    Replicate's `: hi` and `:408: 408 Request Timeout`, and `retry`: when to reconnect, `EventStream` knows.
    """

    _last_id: str = ""
    _rest: bytes | bytearray = b""
    _begun: bool = False
    _after_cr: bool = False
    _type: str = ""
    _data: list[str] = []
    _size: int = 0

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes. Raises ValueError for an endless line."""
        if not data:
            return []
        if self._after_cr and data.startswith(b"\n"):  # the second half of a CRLF
            data = data[1:]
        self._after_cr = False
        if self._rest and self._begun and b"\n" not in data and b"\r" not in data:
            self._rest += data
            return self._interpret([])
        data = bytes(self._rest) + data
        if not self._begun:
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._rest = data
                return []
            self._begun = True
            data = data.removeprefix(_BOM)
        lines = data.splitlines()
        self._rest = b""
        if data.endswith((b"\n", b"\r")):
            self._after_cr = data.endswith(b"\r")
        elif lines:
            self._rest = bytearray(lines.pop())  # to which more is added in place
        return self._interpret(lines)

    def _interpret(self, lines: list[bytes]) -> list[Event]:
        if len(self._rest) > LONGEST_LINE:
            raise ValueError(f"a line of more than {LONGEST_LINE >> 20} MiB")
        found = []
        for line in lines:
            if not line:
                if self._data:
                    found.append(Event(self._type or "message", "\n".join(self._data), self._last_id))
                    self._data = []
                    self._size = 0
                self._type = ""
                continue
            name, _, value = line.partition(b":")
            text = value.removeprefix(b" ").decode("utf-8", "replace")
            if name == b"data":
                self._data.append(text)
                self._size += len(text)
                if self._size > LONGEST_LINE:
                    raise ValueError(f"an event of more than {LONGEST_LINE >> 20} MiB")
            elif name == b"event":
                self._type = text
            elif name == b"id" and "\0" not in text:
                self._last_id = text
        return found

"""The questions in a job's input file: lines of OpenAI's batch format, or rows with a prompt or messages.

Source of the batch format: "The request input object" under "Batch" in OpenAI's API reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..errors import BadRequestError
from ..options.client_fields import names_for
from .apis import APIS, CHAT
from .reading import JSON_LINES, read_lines

_OPTIONS = names_for("client") | {"model"}
"""Keys of a JSON line that are options of its request. Other keys, and all columns of a table but the prompt's, are
left to the row's owner."""


class Row(msgspec.Struct, frozen=True):
    """One question of a job.

    Attributes:
        number: its place in the file, from 0.
        line: the line on which it stands, from 1; for Parquet the row, from 1.
        url: which of OpenAI's APIs it asks, such as `/v1/chat/completions`.
        body: the request's body; `model` and `messages` among others.
        custom_id: its name in the answers; None if the file gives none.
        columns: the row as the file has it.
    """

    number: int
    line: int
    url: str
    body: dict[str, Any]
    custom_id: str | None
    columns: dict[str, Any]


class Defaults(msgspec.Struct, frozen=True):
    """What holds for all rows of a job.

    Attributes:
        model: for rows that name none.
        system: a system message, put before the rows' own messages.
        column: the column with the prompt.
        options: further options of each request; a row's own take precedence.
    """

    model: str | None = None
    system: str | None = None
    column: str = "prompt"
    options: Mapping[str, Any] = {}


class LineError(msgspec.Struct, frozen=True):
    """What is wrong with one line of the input."""

    line: int
    message: str
    custom_id: str | None = None


def read_rows(path: Path, defaults: Defaults) -> Iterator[Row | LineError]:
    """The rows of a file, or what is wrong with a line, in the file's order.

    Raises:
        BadRequestError: the file cannot be read at all.
    """
    seen: set[str] = set()
    is_table = path.suffix.lower() not in JSON_LINES
    for number, (line, columns) in enumerate(read_lines(path)):
        if isinstance(columns, str):
            yield LineError(line, columns)
            continue
        if is_table and defaults.column not in columns and "messages" not in columns:
            raise BadRequestError(
                f"{path}: {_no_question(defaults.column, columns)} Say which column has the question (--column)."
            )
        try:
            if is_table:
                request = _table_request(columns, defaults.column)
            elif _is_batch_line(columns, defaults.column):
                request = _batch_request(columns)
            else:
                request = _request(columns, defaults.column)
            body = _checked_body(request, defaults)
            if request.custom_id in seen:
                raise BadRequestError(f"custom_id {request.custom_id!r} is used by an earlier line")
        except BadRequestError as error:
            name = columns.get("custom_id")
            known = name if isinstance(name, str) else None
            yield LineError(line, error.message.removesuffix("."), known)
            continue
        if request.custom_id is not None:
            seen.add(request.custom_id)
        yield Row(number, line, request.url, body, request.custom_id, columns)


class _Request(NamedTuple):
    """What a line asks, as it stands there."""

    custom_id: str | None
    url: str
    body: dict[str, Any]


def _table_request(columns: dict[str, Any], column: str) -> _Request:
    """The request in a table's row. All of its columns but the question's are its owner's, whatever their names."""
    custom_id = columns.get("custom_id")
    named = None if custom_id is None else str(custom_id)
    return _Request(named, CHAT, {"messages": _question(columns, column)})


def _is_batch_line(columns: dict[str, Any], column: str) -> bool:
    """Whether a line is meant in OpenAI's batch format. A `body` beside a `url` may be an article's."""
    return (
        column != "body"
        and "body" in columns
        and not columns.keys().isdisjoint(("url", "method", "custom_id"))
    )


def _request(columns: dict[str, Any], column: str) -> _Request:
    """The request in a JSON line with a prompt or messages; raises the `BadRequestError` that says what is wrong."""
    custom_id = columns.get("custom_id")
    if custom_id is not None and not isinstance(custom_id, str):
        raise BadRequestError(f"custom_id must be a string, not {custom_id!r}")
    given = {name: columns[name] for name in columns.keys() & _OPTIONS if columns[name] is not None}
    return _Request(custom_id, CHAT, {**given, "messages": _question(columns, column)})


def _question(columns: dict[str, Any], column: str) -> list[Any]:
    """The messages of a row, or the message that its prompt is."""
    prompt, messages = columns.get(column), columns.get("messages")
    if isinstance(messages, list):
        return messages
    if column not in columns:
        if messages is not None:
            raise BadRequestError(f"messages must be a list, not {messages!r:.50}")
        raise BadRequestError(_no_question(column, columns))
    if not isinstance(prompt, str):
        raise BadRequestError(f"the column {column!r} must be a string, not {prompt!r}")
    if not prompt.strip():
        raise BadRequestError(f"the column {column!r} is empty: write a question, or leave the row out")
    return [{"role": "user", "content": prompt}]


def _no_question(column: str, columns: Iterable[str]) -> str:
    there = list(columns)
    near = [
        f"{found!r} for {name}"
        for name in (column, "messages")
        for found in get_close_matches(name, there, 1)
    ]
    hint = f" Is it {' or '.join(near)}?" if near else ""
    names = ", ".join(map(repr, there[:20]))
    return f"there is neither a column {column!r} nor a list of messages, only {names or 'nothing'}.{hint}"


def _batch_request(columns: dict[str, Any]) -> _Request:
    custom_id, method, url, body = (columns.get(name) for name in ("custom_id", "method", "url", "body"))
    if not isinstance(custom_id, str) or not custom_id:
        raise BadRequestError(f"custom_id must be a string, not {custom_id!r}")
    if method != "POST":
        raise BadRequestError(f"method must be 'POST', not {method!r}")
    if not isinstance(url, str) or url not in APIS:
        raise BadRequestError(f"url must be one of {', '.join(APIS)}, not {url!r}")
    if not isinstance(body, dict):
        raise BadRequestError(f"body must be a JSON object, not {body!r:.50}")
    return _Request(custom_id, url, body)


def _checked_body(request: _Request, defaults: Defaults) -> dict[str, Any]:
    """A request's body with what holds for all rows."""
    body = {**defaults.options, **request.body}
    model = body.get("model") or defaults.model
    if not isinstance(model, str):
        raise BadRequestError("has no model: give one in the row, or for the whole job (--model)")
    body["model"] = model
    api = APIS[request.url]
    api.ask(body)
    if body.get("stream"):
        raise BadRequestError("stream must not be set: a job writes whole answers")
    if defaults.system:
        if api.instruct is None:
            raise BadRequestError(
                f"a request to {request.url} has no system message, which the job gives (--system)"
            )
        body = api.instruct(body, defaults.system)
    return body

"""The rows of a job's input file: OpenAI's batch format, JSON lines, CSV or Parquet.

All formats are read row by row, so that a file of any length takes little memory, and each row knows its
line, so that an error can name it. Source of the batch format: "The request input object" under "Batch" in
OpenAI's API reference.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..errors import BadRequestError
from ..options import names_for
from .apis import APIS, CHAT

JSON_LINES = (".jsonl", ".ndjson")
CSV = (".csv", ".tsv")
PARQUET = ".parquet"
_OPTIONS = names_for("client") | {"model"}
"""Keys of a JSON line that are options of its request. Other keys, and all columns of a table but the prompt's, are
left to the row's owner."""

_NOT_UTF8 = "this is not UTF-8: save the file as UTF-8 (in Excel: CSV UTF-8)"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ENCODINGS = {_BYTE_ORDER_MARK: "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""What a file's byte order mark says of its encoding."""
_DELIMITER_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)

_LONGEST_FIELD = 64 * 1024 * 1024
"""Characters of one CSV field; Python's own bound of 128 KiB is less than many a document."""


class CsvForm(NamedTuple):
    """How a CSV file is written: spreadsheets have several ways.

    Attributes:
        encoding: UTF-8, unless a byte order mark says otherwise.
        opening: the line before the header that tells Excel the delimiter, such as `sep=;`.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    opening: str = ""


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
    options = frozenset[str]() if is_table else _OPTIONS
    for number, (line, columns) in enumerate(read_lines(path)):
        if isinstance(columns, str):
            yield LineError(line, columns)
            continue
        if is_table and defaults.column not in columns and "messages" not in columns:
            raise BadRequestError(
                f"{path}: {_no_question(defaults.column, columns)} Say which column has the question (--column)."
            )
        try:
            row = _row(number, line, columns, defaults, options)
            if row.custom_id in seen:
                raise BadRequestError(f"custom_id {row.custom_id!r} is used by an earlier line")
        except BadRequestError as error:
            name = columns.get("custom_id")
            known = name if isinstance(name, str) else None
            yield LineError(line, error.message.removesuffix("."), known)
            continue
        if row.custom_id is not None:
            seen.add(row.custom_id)
        yield row


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """The lines by their number, each as its columns, or what is wrong with it.

    Raises:
        BadRequestError: the file cannot be read at all.
    """
    kinds = {
        **dict.fromkeys(JSON_LINES, _json_lines),
        **dict.fromkeys(CSV, _csv_rows),
        PARQUET: _parquet_rows,
    }
    read = kinds.get(path.suffix.lower())
    if read is None:
        raise BadRequestError(f"{path} must end in one of {', '.join(kinds)}, to tell how it must be read.")
    try:
        yield from read(path)
    except (OSError, UnicodeError, csv.Error) as error:
        raise BadRequestError(f"{path} cannot be read: {error}.") from None


def csv_form(path: Path) -> CsvForm:
    """How a CSV file is written: its delimiter is the one that a line `sep=` names, or its header has most of.

    Excel writes semicolons where commas are decimal points.
    """
    with path.open("rb") as raw:
        start = raw.read(3)
    encoding = next((name for mark, name in _ENCODINGS.items() if start.startswith(mark)), "utf-8")
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        header = file.readline(_LONGEST_FIELD)
    if named := _DELIMITER_LINE.fullmatch(header):
        return CsvForm(named[1], encoding, header)
    if path.suffix.lower() == ".tsv":
        return CsvForm("\t", encoding)
    unquoted = re.sub(r'"[^"]*"', "", header)
    return CsvForm(max(",;\t|", key=unquoted.count), encoding)


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    decode = msgspec.json.Decoder().decode
    with path.open("rb") as file:
        for line, text in enumerate(file, 1):
            if line == 1:
                text = text.removeprefix(_BYTE_ORDER_MARK)
            if not text.strip():
                continue
            try:
                columns = decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                a_list = line == 1 and text.startswith(b"[")
                hint = "; write each element of the list on a line of its own" if a_list else ""
                yield line, f"this is not JSON: {error}{hint}"
                continue
            yield line, columns if isinstance(columns, dict) else "the line must be a JSON object"


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    csv.field_size_limit(_LONGEST_FIELD)
    form = csv_form(path)
    # surrogateescape: so that the error for what is not UTF-8 can name its line.
    with path.open(encoding=form.encoding, errors="surrogateescape", newline="") as file:
        rows = csv.reader(file, delimiter=form.delimiter, strict=True)
        if form.opening:
            next(rows)
        names = next(rows, None)
        if names is None:
            return
        if not _is_utf8(names):
            raise BadRequestError(f"{path}:{rows.line_num}: {_NOT_UTF8}.")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise BadRequestError(f"{path} has two columns named {twice[0]!r}.")
        while True:
            line = rows.line_num + 1
            try:
                values = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield line, f"this is not CSV: {error}"
                return
            if not any(values):  # spreadsheets write empty rows as commas alone
                continue
            if len(values) != len(names):
                yield line, f"the row has {len(values)} columns, and the header {len(names)}"
            elif not _is_utf8(values):
                yield line, _NOT_UTF8
            else:
                yield line, dict(zip(names, values, strict=True))


def _is_utf8(values: list[str]) -> bool:
    try:
        "".join(values).encode()
    except UnicodeEncodeError:
        return False
    return True


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    try:
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise BadRequestError(f"To read {path}: pip install 'areplicate[parquet]'") from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowException as error:
        raise BadRequestError(f"{path} cannot be read: {error}.") from None
    number = 0
    with file:
        try:
            for batch in file.iter_batches(batch_size=1024):
                for columns in batch.to_pylist():
                    number += 1
                    yield number, columns
        except (pyarrow.ArrowException, ValueError) as error:
            raise BadRequestError(f"{path}: row {number + 1} cannot be read: {error}.") from None


def _row(number: int, line: int, columns: dict[str, Any], defaults: Defaults, options: frozenset[str]) -> Row:
    """The row in a line; raises the `BadRequestError` that says what is wrong with it."""
    if "body" in columns and not columns.keys().isdisjoint(("url", "method", "custom_id")):
        return _batch_row(number, line, columns, defaults)
    custom_id = columns.get("custom_id")
    if custom_id is not None and not isinstance(custom_id, str):
        raise BadRequestError(f"custom_id must be a string, not {custom_id!r}")
    prompt, messages = columns.get(defaults.column), columns.get("messages")
    if not isinstance(messages, list):
        if messages is not None and defaults.column not in columns:
            raise BadRequestError(f"messages must be a list, not {messages!r:.50}")
        if defaults.column not in columns:
            raise BadRequestError(_no_question(defaults.column, columns))
        if not isinstance(prompt, str) or not prompt.strip():
            raise BadRequestError(f"the column {defaults.column!r} must be a text, not {prompt!r}")
        messages = [{"role": "user", "content": prompt}]
    given = {name: columns[name] for name in columns.keys() & options if columns[name] is not None}
    body = {**defaults.options, **given, "messages": messages}
    return _checked(Row(number, line, CHAT, body, custom_id, columns), defaults)


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


def _batch_row(number: int, line: int, columns: dict[str, Any], defaults: Defaults) -> Row:
    custom_id, method, url, body = (columns.get(name) for name in ("custom_id", "method", "url", "body"))
    if not isinstance(custom_id, str) or not custom_id:
        raise BadRequestError(f"custom_id must be a text, not {custom_id!r}")
    if method != "POST":
        raise BadRequestError(f"method must be 'POST', not {method!r}")
    if not isinstance(url, str) or url not in APIS:
        raise BadRequestError(f"url must be one of {', '.join(APIS)}, not {url!r}")
    if not isinstance(body, dict):
        raise BadRequestError(f"body must be a JSON object, not {body!r:.50}")
    return _checked(Row(number, line, url, {**defaults.options, **body}, custom_id, columns), defaults)


def _checked(row: Row, defaults: Defaults) -> Row:
    model = row.body.get("model") or defaults.model
    if not isinstance(model, str):
        raise BadRequestError("has no model: give one in the row, or for the whole job (--model)")
    api, body = APIS[row.url], {**row.body, "model": model}
    if defaults.system:
        if api.instruct is None:
            raise BadRequestError(
                f"a request to {row.url} has no system message, which the job gives (--system)"
            )
        body = api.instruct(body, defaults.system)
    api.ask(body)
    if body.get("stream"):
        raise BadRequestError("stream must not be set: a job writes whole answers")
    return msgspec.structs.replace(row, body=body)

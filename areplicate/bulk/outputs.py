"""A job's answers as a file: OpenAI's batch output format, or the input's rows with columns added.

Source of the format: "The request output object" under "Batch" in OpenAI's API reference.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, NamedTuple

import msgspec

from ..errors import BadRequestError
from .apis import APIS, EMBEDDINGS
from .inputs import CSV, JSON_LINES, PARQUET, CsvForm, Row, csv_form, read_lines

ADDED = ("answer", "error", "finish_reason", "prompt_tokens", "completion_tokens", "prediction_id")
"""The columns that `--append-to-rows` adds, in this order."""


_BATCH = 1024
"""Rows that are in memory at a time, if the format takes many at once."""


class EndedRow(msgspec.Struct, frozen=True):
    """A row that has ended: its answer as a chat completion's, or what was wrong, as plain JSON values."""

    row: Row
    response: dict[str, Any] | None
    error: dict[str, Any] | None


def batch_line(outcome: EndedRow) -> dict[str, Any]:
    """A line of OpenAI's output format."""
    row, response, error = outcome.row, outcome.response, outcome.error
    custom_id = row.custom_id or f"request-{row.number}"
    line: dict[str, Any] = {
        "id": f"batch_req_{row.number}",
        "custom_id": custom_id,
        "response": None,
        "error": None,
    }
    if response is not None:
        answer = APIS[row.url].answer
        body = response if answer is None else answer(response, row.body)
        line["response"] = {"status_code": 200, "request_id": response.get("id") or "", "body": body}
    elif error is not None:
        line["error"] = {"code": error.get("code") or "error", "message": error.get("message") or ""}
        if error.get("status_code"):
            line["response"] = {
                "status_code": error["status_code"],
                "request_id": error.get("prediction_id") or "",
                "body": {"error": error},
            }
    return line


class Table(NamedTuple):
    """How the input's rows are written with the columns of `ADDED`.

    Attributes:
        names: of the input's columns, if the format must know them beforehand.
        csv: how a CSV file is written.
        schema: of a Parquet file.
    """

    names: Sequence[str] = ()
    csv: CsvForm = CsvForm()
    schema: Any = None


def table_for(source: Path, output: Path) -> Table:
    """How the rows of one file are written to another: in the same form, as far as possible.

    Raises:
        BadRequestError: the output cannot hold them.
    """
    kind = output.suffix.lower()
    if kind in CSV:
        form = csv_form(source) if source.suffix.lower() == kind else CsvForm("\t" if kind == ".tsv" else ",")
        return Table(list(dict.fromkeys(name for row in _columns(source) for name in row)), form)
    return Table(schema=_parquet_schema(source, output) if kind == PARQUET else None)


def check_output(path: Path) -> None:
    """Raises `BadRequestError` if a file's name does not show its format, or it cannot be written."""
    kinds = (*JSON_LINES, *CSV, PARQUET)
    if path.suffix.lower() not in kinds:
        raise BadRequestError(
            f"{path} must end in one of {', '.join(kinds)}, to tell how it must be written."
        )
    if not path.parent.is_dir():
        raise BadRequestError(f"{path} cannot be written: there is no folder {path.parent}.")
    try:
        with NamedTemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise BadRequestError(f"{path} cannot be written: {error.strerror or error}.") from None


def check_columns(row: Row) -> None:
    """Raises `BadRequestError` if the input has a column of a name that is added."""
    if taken := [name for name in ADDED if name in row.columns]:
        raise BadRequestError(
            f"The input has a column {taken[0]!r} already, which --append-to-rows adds: rename it first."
        )


def check_answer(row: Row) -> None:
    """Raises `BadRequestError` if a row asks for anything but one text: `appended` has one column for it."""
    if row.url == EMBEDDINGS or row.body.get("tools") or row.body.get("n") not in (None, 1):
        raise BadRequestError(
            "beside a row there is room for one text: for embeddings, tool calls and several answers (n) write .jsonl "
            "without --append-to-rows"
        )


def appended(outcome: EndedRow) -> dict[str, Any]:
    """The input's row with the columns of `ADDED`."""
    response, error = outcome.response or {}, outcome.error or {}
    choice = (response.get("choices") or [{}])[0]
    usage = response.get("usage") or {}
    message = choice.get("message") or {}
    values = {
        "answer": message.get("content", choice.get("text")),
        "error": error.get("message"),
        "finish_reason": choice.get("finish_reason"),
        "prompt_tokens": usage.get("prompt_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
        "prediction_id": response.get("id") or error.get("prediction_id"),
    }
    return {**outcome.row.columns, **values}


def write_output(path: Path, outcomes: Iterable[EndedRow], table: Table | None) -> int:
    """Writes the file in one step: a reader sees the old one or the new one, never a part.

    Gives how many rows it has.

    Args:
        table: how the input's rows are written with columns added; None for OpenAI's format.
    """
    if table is None:
        with replaced(path) as file:
            return _write_json_lines(file, map(batch_line, outcomes))
    kind, rows = path.suffix.lower(), map(appended, outcomes)
    if kind == PARQUET:
        return _write_parquet(path, rows, table.schema)
    if kind in CSV:
        with replaced(path, table.csv.encoding) as file:
            return _write_csv(file, rows, table)
    with replaced(path) as file:
        return _write_json_lines(file, rows)


def _write_json_lines(file: IO[str], lines: Iterable[dict[str, Any]]) -> int:
    count = 0
    for line in lines:
        file.write(msgspec.json.encode(line, enc_hook=str).decode())
        file.write("\n")
        count += 1
    return count


def _write_csv(file: IO[str], rows: Iterable[dict[str, Any]], table: Table) -> int:
    names = [*table.names, *ADDED]
    file.write(table.csv.opening)
    writer = csv.writer(file, delimiter=table.csv.delimiter)
    writer.writerow(names)
    count = 0
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in names])
        count += 1
    return count


def _cell(value: Any) -> Any:
    """A value of a CSV file: a text or a number as it is, anything else as JSON."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    plain = msgspec.to_builtins(value, enc_hook=str)
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()


def _write_parquet(path: Path, rows: Iterator[dict[str, Any]], schema: Any) -> int:
    import pyarrow
    import pyarrow.parquet

    count = 0
    with _in_place_of(path) as temporary, pyarrow.parquet.ParquetWriter(temporary, schema) as writer:
        while batch := list(islice(rows, _BATCH)):
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


def _parquet_schema(source: Path, output: Path) -> Any:
    """The columns of a Parquet file: the input's own types, or those that its rows have."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise BadRequestError(f"To write {output}: pip install 'areplicate[parquet]'") from None
    numbers = {"prompt_tokens", "completion_tokens"}
    try:
        types = (
            {field.name: field.type for field in pyarrow.parquet.read_schema(source)}
            if source.suffix.lower() == PARQUET
            else _types(source)
        )
        added = {name: pyarrow.int64() if name in numbers else pyarrow.string() for name in ADDED}
        schema = pyarrow.schema(list({**types, **added}.items()))
        with pyarrow.parquet.ParquetWriter(io.BytesIO(), schema):
            return schema
    except pyarrow.ArrowException as error:
        raise BadRequestError(
            f"{output} cannot hold the columns of {source}: {error}. Write .jsonl or .csv instead."
        ) from None


def _types(source: Path) -> dict[str, Any]:
    """The types of a file's columns, by all of its rows."""
    import pyarrow

    rows, found = _columns(source), pyarrow.schema([])
    while batch := list(islice(rows, _BATCH)):
        for name in dict.fromkeys(name for row in batch for name in row):
            kind = pyarrow.array([row.get(name) for row in batch]).type
            found = pyarrow.unify_schemas(
                [found, pyarrow.schema([(name, kind)])], promote_options="permissive"
            )
    text = pyarrow.string()  # of a column that is empty throughout nothing else is known
    return {field.name: text if pyarrow.types.is_null(field.type) else field.type for field in found}


def _columns(source: Path) -> Iterator[dict[str, Any]]:
    return (columns for _, columns in read_lines(source) if not isinstance(columns, str))


@contextmanager
def replaced(path: Path, encoding: str = "utf-8") -> Iterator[IO[str]]:
    """A file that takes the place of `path` once it is written whole."""
    with _in_place_of(path) as temporary, temporary.open("w", encoding=encoding, newline="") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _in_place_of(path: Path) -> Iterator[Path]:
    temporary = path.with_name(path.name + ".new")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)

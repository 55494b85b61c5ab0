"""A job's answers as a file: OpenAI's batch output format, or the input's rows with columns added.

Source of the format: "The request output object" under "Batch" in OpenAI's API reference.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from ..errors import BadRequestError
from .apis import APIS
from .inputs import Row

ADDED = ("answer", "error", "finish_reason", "prompt_tokens", "completion_tokens", "prediction_id")
"""The columns that `--append-to-rows` adds, in this order."""


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
        body = APIS[row.url].answer(response, row.body)
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


def check_columns(row: Row) -> None:
    """Raises `BadRequestError` where the input has a column of a name that is added."""
    if taken := [name for name in ADDED if name in row.columns]:
        raise BadRequestError(
            f"The input has a column {taken[0]!r} already, which --append-to-rows adds: rename it first."
        )


def write_output(path: Path, outcomes: Iterable[EndedRow], *, append_to_rows: bool) -> int:
    """Writes the file in one step: whoever reads it sees the old one or the new one, never a part.

    Gives how many rows it has.
    """
    kind = path.suffix.lower()
    if kind == ".parquet":
        return _write_parquet(path, map(appended, outcomes))
    if kind in (".csv", ".tsv"):
        with replaced(path) as file:
            return _write_csv(file, map(appended, outcomes), "\t" if kind == ".tsv" else ",")
    with replaced(path) as file:
        return _write_json_lines(file, map(appended if append_to_rows else batch_line, outcomes))


def _write_json_lines(file: IO[str], lines: Iterable[dict[str, Any]]) -> int:
    count = 0
    for line in lines:
        file.write(msgspec.json.encode(line).decode())
        file.write("\n")
        count += 1
    return count


def _write_csv(file: IO[str], rows: Iterable[dict[str, Any]], delimiter: str) -> int:
    writer: csv.DictWriter[str] | None = None
    count = 0
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(file, row.keys(), delimiter=delimiter, extrasaction="ignore")
            writer.writeheader()
        writer.writerow(row)
        count += 1
    return count


def _write_parquet(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise BadRequestError(f"To write {path}: pip install 'areplicate[parquet]'") from None
    temporary = path.with_name(path.name + ".new")
    count = 0
    writer = None
    try:
        while batch := [row for _, row in zip(range(1024), rows, strict=False)]:
            table = pyarrow.Table.from_pylist(batch, schema=writer.schema if writer else _schema(batch))
            writer = writer or pyarrow.parquet.ParquetWriter(temporary, table.schema)
            writer.write_table(table)
            count += len(batch)
    finally:
        if writer is not None:
            writer.close()
    if writer is not None:
        os.replace(temporary, path)
    return count


def _schema(batch: list[dict[str, Any]]) -> Any:
    """The table's columns, by its first rows; the added ones are known."""
    import pyarrow

    numbers = {"prompt_tokens", "completion_tokens"}
    added = {name: pyarrow.int64() if name in numbers else pyarrow.string() for name in ADDED}
    found = pyarrow.Table.from_pylist(batch).schema
    types = {field.name: field.type for field in found} | added
    text = pyarrow.string()  # of a column that is empty so far nothing else is known
    return pyarrow.schema(
        [(name, text if pyarrow.types.is_null(kind) else kind) for name, kind in types.items()]
    )


@contextmanager
def replaced(path: Path) -> Iterator[IO[str]]:
    """A file that takes the place of `path` once it is written whole."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)

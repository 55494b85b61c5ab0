"""Writes rows to the output file of a job, as JSON lines, CSV or Parquet. A reader meanwhile sees the old file or the
new one, never a part."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, NamedTuple

import msgspec

from ..errors import BadRequestError
from .reading import CSV, PARQUET, CsvForm, cannot_be_read, csv_form, format_of, read_lines

_BATCH = 1024
"""Rows that are in memory at a time, if the format takes many at once."""


class Table(NamedTuple):
    """How rows with the input's columns and further ones are written.

    Attributes:
        names: of all columns, if the format must know them beforehand.
        csv: how a CSV file is written.
        schema: of a Parquet file.
    """

    names: Sequence[str] = ()
    csv: CsvForm = CsvForm()
    schema: Any = None


def table_for(source: Path, output: Path, added: Mapping[str, type]) -> Table:
    """How the rows of one file, with columns `added`, are written to another: in the same form, as far as possible.

    Raises:
        BadRequestError: the output cannot hold them.
    """
    ending = format_of(output)
    if ending in CSV:
        form = (
            csv_form(source)
            if source.suffix.lower() == ending
            else CsvForm("\t" if ending == ".tsv" else ",")
        )
        names = dict.fromkeys(name for row in _columns(source) for name in row)
        return Table([*names, *added], form)
    return Table(schema=_parquet_schema(source, output, added) if ending == PARQUET else None)


def check_output(path: Path) -> None:
    """Raises a `BadRequestError` if a file's name does not tell its format, or it cannot be written."""
    format_of(path)
    if not path.parent.is_dir():
        raise BadRequestError(f"{path} cannot be written: there is no folder {path.parent}.")
    try:
        with NamedTemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise BadRequestError(f"{path} cannot be written: {error.strerror or error}.") from None


def write_rows(path: Path, rows: Iterable[dict[str, Any]], table: Table | None) -> int:
    """Writes rows, as JSON lines without a table; gives how many there are."""
    count = 0

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal count
        for row in rows:
            count += 1
            yield row

    ending = path.suffix.lower()
    if table is not None and ending == PARQUET:
        _write_parquet(path, counted(), table.schema)
    elif table is not None and ending in CSV:
        with replaced(path, table.csv.encoding) as file:
            _write_csv(file, counted(), table)
    else:
        with replaced(path) as file:
            file.writelines(msgspec.json.encode(row, enc_hook=str).decode() + "\n" for row in counted())
    return count


@contextmanager
def replaced(path: Path, encoding: str = "utf-8") -> Iterator[IO[str]]:
    """A file that takes the place of `path` once it is written whole."""
    with _in_place_of(path) as temporary, temporary.open("w", encoding=encoding, newline="") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _write_csv(file: IO[str], rows: Iterable[dict[str, Any]], table: Table) -> None:
    file.write(table.csv.opening)
    writer = csv.writer(file, delimiter=table.csv.delimiter)
    writer.writerow(table.names)
    writer.writerows([_cell(row.get(name)) for name in table.names] for row in rows)


def _cell(value: Any) -> Any:
    """A value of a CSV file: a text or a number as it is, anything else as JSON."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    plain = msgspec.to_builtins(value, enc_hook=str)
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()


def _write_parquet(path: Path, rows: Iterator[dict[str, Any]], schema: Any) -> None:
    import pyarrow
    import pyarrow.parquet

    with _in_place_of(path) as temporary, pyarrow.parquet.ParquetWriter(temporary, schema) as writer:
        while batch := list(islice(rows, _BATCH)):
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))


def _parquet_schema(source: Path, output: Path, added: Mapping[str, type]) -> Any:
    """The columns of a Parquet file: the input's own types, or those that its rows have, and the added ones'."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise BadRequestError(f"To write {output}: pip install 'areplicate[parquet]'") from None
    try:
        types = _own_types(source) if source.suffix.lower() == PARQUET else _types(source)
        further = {name: pyarrow.int64() if kind is int else pyarrow.string() for name, kind in added.items()}
        schema = pyarrow.schema(list({**types, **further}.items()))
        with pyarrow.parquet.ParquetWriter(io.BytesIO(), schema):
            return schema
    except (pyarrow.ArrowException, OverflowError) as error:
        raise BadRequestError(
            f"{output} cannot hold the columns of {source}: {str(error).rstrip('.')}. Write .jsonl or .csv instead."
        ) from None


def _own_types(source: Path) -> dict[str, Any]:
    """The types of a Parquet file's columns."""
    import pyarrow.parquet

    try:
        return {field.name: field.type for field in pyarrow.parquet.read_schema(source)}
    except pyarrow.ArrowException as error:
        raise cannot_be_read(source, error) from None


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
def _in_place_of(path: Path) -> Iterator[Path]:
    path = path.resolve()  # of a link, the file that it stands for
    # Each process has one of its own: a job may end while its answers so far are exported.
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)

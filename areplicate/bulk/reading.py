"""The lines of a job's files, in each format that it reads and writes: JSON lines, CSV or Parquet.

All are read row by row, so that a file of any length takes little memory.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..errors import BadRequestError

JSON_LINES = (".jsonl", ".ndjson")
CSV = (".csv", ".tsv")
PARQUET = ".parquet"
_FORMATS = (*JSON_LINES, *CSV, PARQUET)

_NOT_UTF8 = "this is not UTF-8: save the file as UTF-8 (in Excel: CSV UTF-8)"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
"""How files of gzip, zip, bzip2, xz and zstd begin."""
_ENCODINGS = {_BYTE_ORDER_MARK: "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""What a file's byte order mark says of its encoding."""
_DELIMITER_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)

_LONGEST_FIELD = 64 * 1024 * 1024
"""Characters of one CSV field; Python's own bound of 128 KiB is less than many a document."""


Lines = Iterator[tuple[int, dict[str, Any] | str]]
"""Lines by their number, each as its columns, or what is wrong with it."""


class CsvForm(NamedTuple):
    """How a CSV file is written: spreadsheets have several ways.

    Attributes:
        encoding: UTF-8, unless a byte order mark says otherwise.
        opening: the line before the header that tells Excel the delimiter, such as `sep=;`.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    opening: str = ""


def format_of(path: Path) -> str:
    """The ending of a file's name, which tells its format; raises a `BadRequestError` if it tells none."""
    ending = path.suffix.lower()
    if ending not in _FORMATS:
        packed = (
            " Compressed files are neither read nor written." if Path(path.stem).suffix in _FORMATS else ""
        )
        raise BadRequestError(
            f"{path} must end in one of {', '.join(_FORMATS)}, which tells its format.{packed}"
        )
    return ending


def read_lines(path: Path) -> Lines:
    """The lines of a file.

    Raises:
        BadRequestError: the file cannot be read at all.
    """
    ending = format_of(path)
    read = _json_lines if ending in JSON_LINES else _csv_rows if ending in CSV else _parquet_rows
    try:
        yield from read(path)
    except (OSError, UnicodeError, csv.Error) as error:
        raise cannot_be_read(path, error) from None


def cannot_be_read(path: Path, error: Exception) -> BadRequestError:
    return BadRequestError(f"{path} cannot be read: {str(error).rstrip('.')}.")


def csv_form(path: Path) -> CsvForm:
    """How a CSV file is written: its delimiter is the one that a line `sep=` names, or its header has most of.

    Excel writes semicolons where commas are decimal points.
    """
    encoding = _encoding_of(path)
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        header = file.readline(_LONGEST_FIELD)
    if named := _DELIMITER_LINE.fullmatch(header):
        return CsvForm(named[1], encoding, header)
    if path.suffix.lower() == ".tsv":
        return CsvForm("\t", encoding)
    unquoted = re.sub(r'"[^"]*"', "", header)
    return CsvForm(max(",;\t|", key=unquoted.count), encoding)


def _encoding_of(path: Path) -> str:
    with path.open("rb") as raw:
        start = raw.read(3)
    return next((name for mark, name in _ENCODINGS.items() if start.startswith(mark)), "utf-8")


def _json_lines(path: Path) -> Lines:
    decode = msgspec.json.Decoder().decode
    encoding = _encoding_of(path)
    with path.open("rb") as raw, path.open(encoding=encoding, newline="\n") as decoded:
        # PowerShell writes UTF-16.
        lines = (text.encode() for text in decoded) if encoding == "utf-16" else raw
        for line, text in enumerate(lines, 1):
            if line == 1:
                text = text.removeprefix(_BYTE_ORDER_MARK)
            if not text.strip():
                continue
            try:
                columns = decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                yield line, f"this is not JSON: {error}{_hint(line, text)}"
                continue
            if isinstance(columns, dict):
                yield line, columns
            else:
                yield line, f"the line must be a JSON object{_hint(line, text)}"


def _hint(line: int, text: bytes) -> str:
    """What to do with a file that is JSON, and not JSON lines, or that is compressed."""
    if line == 1 and text.startswith(_COMPRESSED):
        return "; the file is compressed: give it as it was before"
    if line == 1 and text.startswith(b"["):
        return "; write each element of the list on a line of its own"
    if line == 1 and text.strip() == b"{":
        return "; write each object on one line"
    return ""


def _csv_rows(path: Path) -> Lines:
    csv.field_size_limit(_LONGEST_FIELD)
    form = csv_form(path)
    # surrogateescape: so that the error for what is not UTF-8 can name its line.
    with path.open(encoding=form.encoding, errors="surrogateescape", newline="") as file:
        rows = csv.reader(file, delimiter=form.delimiter, strict=True)
        if form.opening:
            next(rows)
        if (header := next((row for row in rows if any(row)), None)) is None:
            return
        names = _column_names(header, f"{path}:{rows.line_num}")
        while True:
            line = rows.line_num + 1
            try:
                values = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield line, f"this is not CSV: {error}"
                return
            if any(values):  # spreadsheets write empty rows as commas alone
                yield line, _columns(names, values)


def _column_names(header: list[str], place: str) -> list[str]:
    """The names in a header; raises a `BadRequestError` if they cannot be told apart."""
    if not _is_utf8(header):
        raise BadRequestError(f"{place}: {_NOT_UTF8}.")
    names = list(header)
    while not names[-1] and names.count("") > 1:  # spreadsheets write empty columns as commas alone
        names.pop()
    _check_that_names_differ(names, place)
    return names


def _check_that_names_differ(names: list[str], place: str) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadRequestError(f"{place}: there are two columns named {twice[0]!r}: rename one of them.")


def _columns(names: list[str], values: list[str]) -> dict[str, Any] | str:
    """A row's values by their columns, or what is wrong with it."""
    while len(values) > len(names) and not values[-1]:
        values.pop()
    if len(values) != len(names):
        return f"the row has {len(values)} columns, and the header {len(names)}"
    return dict(zip(names, values, strict=True)) if _is_utf8(values) else _NOT_UTF8


def _is_utf8(values: list[str]) -> bool:
    try:
        "".join(values).encode()
    except UnicodeEncodeError:
        return False
    return True


def _parquet_rows(path: Path) -> Lines:
    try:
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise BadRequestError(f"To read {path}: pip install 'areplicate[parquet]'") from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowException as error:
        raise cannot_be_read(path, error) from None
    number = 0
    with file:
        _check_that_names_differ(file.schema_arrow.names, str(path))
        try:
            for batch in file.iter_batches(batch_size=1024):
                for columns in batch.to_pylist():
                    number += 1
                    yield number, columns
        except (pyarrow.ArrowException, ValueError) as error:
            raise BadRequestError(f"{path}: row {number + 1} cannot be read: {error}.") from None

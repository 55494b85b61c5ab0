"""What a job reads and writes: each format of input and output, and what is wrong with a line."""

from __future__ import annotations

import csv
import gzip
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from areplicate.bulk.inputs import Defaults, LineError, Row, read_rows
from areplicate.bulk.outputs import ADDED, EndedRow, check_answer, check_columns, write_output
from areplicate.bulk.writing import check_output, replaced, table_for
from areplicate.errors import BadRequestError

MODEL = Defaults(model="meta/meta-llama-3-8b-instruct")
ANSWER = {
    "id": "p1",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": 'Hi, ä\n"x"'}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
}
ERROR = {
    "message": "The model failed.",
    "code": "PredictionFailedError",
    "status_code": 500,
    "prediction_id": "p2",
}


def read(path: Path, defaults: Defaults = MODEL) -> list[Row | LineError]:
    return list(read_rows(path, defaults))


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_openais_batch_file(tmp_path: Path) -> None:
    body = {"model": "a/b", "messages": [{"role": "user", "content": "x"}], "max_tokens": 5}
    line = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": body}
    (row,) = read(lines(tmp_path / "in.jsonl", line))
    assert isinstance(row, Row)
    assert (row.custom_id, row.url, row.body, row.line) == ("one", "/v1/chat/completions", body, 1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"custom_id": None}, "custom_id must be a string"),
        ({"custom_id": 7}, "custom_id must be a string, not 7"),
        ({"method": "GET"}, "method must be 'POST', not 'GET'"),
        ({"url": "/v1/audio"}, "url must be one of /v1/chat/completions, "),
        ({"body": []}, "body must be a JSON object"),
        ({"body": {"messages": [{"role": "user", "content": "x"}]}}, "has no model"),
        ({"body": {"model": "a/b", "messages": []}}, "at least one message"),
        ({"body": {"model": "a/b", "messages": [{}], "stream": True}}, "stream must not be set"),
    ],
)
def test_what_is_wrong_with_a_batch_line(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    body = {"model": "a/b", "messages": [{"role": "user", "content": "x"}]}
    good = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": body}
    _, wrong = read(lines(tmp_path / "in.jsonl", good, {**good, "custom_id": "two"} | change), Defaults())
    assert isinstance(wrong, LineError)
    assert wrong.line == 2 and says in wrong.message


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_columns_may_be_named_as_the_batch_format_s_keys(tmp_path: Path, ending: str) -> None:
    columns = {"url": "https://a.b/c", "method": "GET", "body": "An article."}
    path = tmp_path / f"in{ending}"
    if ending == ".jsonl":
        lines(path, columns)
    elif ending == ".csv":
        path.write_text("url,method,body\nhttps://a.b/c,GET,An article.\n")
    else:
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pytest.importorskip("pyarrow").Table.from_pylist([columns]), path)
    (row,) = read(path, Defaults(model="a/b", column="body"))
    assert isinstance(row, Row) and row.columns == columns
    assert row.body["messages"] == [{"role": "user", "content": "An article."}]


def test_a_table_s_custom_id_may_be_a_number(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    table = pytest.importorskip("pyarrow").table({"custom_id": [7, 8], "prompt": ["a", "b"]})
    pytest.importorskip("pyarrow.parquet").write_table(table, path)
    assert [row.custom_id for row in read(path)] == ["7", "8"]


def test_empty_columns_of_a_spreadsheet_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id,prompt,,,\n1,a,,,\n2,b,,,,\n3,c,,,note\n")
    first, second, noted = read(path)
    assert isinstance(first, Row) and isinstance(second, Row) and isinstance(noted, LineError)
    assert second.columns == {"id": "2", "prompt": "b", "": ""}
    assert noted.message == "the row has 5 columns, and the header 3"


def test_what_a_parquet_file_says_twice_or_not_at_all_is_told(tmp_path: Path) -> None:
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    pyarrow: Any = pytest.importorskip("pyarrow")
    path = tmp_path / "in.parquet"
    parquet.write_table(pyarrow.Table.from_arrays([pyarrow.array(["a"])] * 3, ["prompt", "x", "x"]), path)
    with pytest.raises(BadRequestError, match=r"in\.parquet: there are two columns named 'x'"):
        read(path)
    path.write_text("none")
    with pytest.raises(BadRequestError, match=r"in\.parquet cannot be read: .*[^.]\.$"):
        table_for(path, tmp_path / "out.parquet", ADDED)


def test_empty_rows_before_the_header_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("\n\n,,\nid,prompt,\n1,a,\n")
    [row] = read(path)
    assert isinstance(row, Row) and row.line == 5 and row.columns == {"id": "1", "prompt": "a", "": ""}


def test_a_custom_id_is_used_once(tmp_path: Path) -> None:
    row = {"custom_id": "a", "prompt": "x"}
    _, twice = read(lines(tmp_path / "in.jsonl", row, row))
    assert isinstance(twice, LineError) and "used by an earlier line" in twice.message and twice.line == 2


def test_lines_with_prompts_and_with_messages(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "m"}]
    defaults = Defaults(model="a/b", system="Be brief.", options={"temperature": 0.5})
    path = lines(
        tmp_path / "in.jsonl", {"prompt": "p", "max_tokens": 3, "label": 1}, "", {"messages": messages}
    )
    first, second = read(path, defaults)
    assert isinstance(first, Row) and isinstance(second, Row)
    system = {"role": "system", "content": "Be brief."}
    assert first.body == {
        "model": "a/b",
        "temperature": 0.5,
        "max_tokens": 3,
        "messages": [system, {"role": "user", "content": "p"}],
    }
    assert second.body["messages"] == [system, *messages]
    assert (second.number, second.line) == (1, 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{broken", "this is not JSON"),
        ("[1]", "must be a JSON object"),
        ("[" * 100_000, "this is not JSON"),
        ('{"prompt": " "}', "the column 'prompt' is empty"),
        ('{"prompt": 5}', "must be a string"),
        ('{"text": "x"}', "neither a column 'prompt' nor a list of messages, only 'text'"),
        ('{"mesages": []}', "only 'mesages'. Is it 'mesages' for messages?"),
        ('{"messages": "x"}', "messages must be a list, not 'x'"),
        ('{"prompt": "x", "custom_id": 5}', "custom_id must be a string"),
        ('{"prompt": "x\xff"}', "this is not JSON"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_and_the_others_are_read(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"prompt": "a"}\n' + text.encode("latin-1") + b'\n{"prompt": "b"}')
    first, wrong, last = read(path)
    assert isinstance(first, Row) and isinstance(last, Row)
    assert isinstance(wrong, LineError) and says in wrong.message and wrong.line == 2


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('[{"prompt": "a"}, {"prompt": "b"}]', "write each element of the list on a line of its own"),
        ('[{"prompt": "a"},\n {"prompt": "b"}]', "write each element of the list on a line of its own"),
        ('{\n  "prompt": "a"\n}', "write each object on one line"),
        (gzip.compress(b'{"prompt": "a"}').decode("latin-1"), "the file is compressed"),
        ("PK\x03\x04", "the file is compressed"),
    ],
)
def test_json_that_is_no_json_lines_is_told_what_to_do(tmp_path: Path, text: str, hint: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(text.encode("latin-1"))
    wrong = read(path)[0]
    assert isinstance(wrong, LineError) and hint in wrong.message


def test_csv_as_spreadsheets_write_it(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes('\ufeffid,question\r\n1,"two\nlines, ""quoted"""\r\n2,ä\r\n'.encode())
    first, second = read(path, Defaults(model="a/b", column="question"))
    assert isinstance(first, Row) and isinstance(second, Row)
    assert first.body["messages"][0]["content"] == 'two\nlines, "quoted"'
    assert second.columns == {"id": "2", "question": "ä"}
    assert (first.line, second.line) == (2, 4)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prompt,b\nx\n", "the row has 1 columns, and the header 2"),
        ('prompt\n"open\n', "this is not CSV"),
        ("prompt,b\n ,1\n", "is empty"),
    ],
)
def test_what_is_wrong_with_a_csv_row(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "in.csv"
    path.write_text(text)
    (wrong,) = read(path)
    assert isinstance(wrong, LineError) and says in wrong.message and wrong.line == 2


def test_files_that_cannot_be_read_at_all(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match="cannot be read"):
        read(tmp_path / "missing.jsonl")
    (tmp_path / "in.xlsx").touch()
    with pytest.raises(BadRequestError, match=r"must end in one of \.jsonl"):
        read(tmp_path / "in.xlsx")
    with pytest.raises(BadRequestError, match="Compressed files are neither read nor written"):
        read(tmp_path / "in.jsonl.gz")
    (tmp_path / "in.csv").write_text("a,a\n1,2\n")
    with pytest.raises(BadRequestError, match="two columns named 'a'"):
        read(tmp_path / "in.csv")
    (tmp_path / "in.csv").write_text('"a\n1,2\n')
    with pytest.raises(BadRequestError, match="cannot be read: unexpected end of data"):
        read(tmp_path / "in.csv")
    (tmp_path / "in.csv").write_text("id,Prompts\n1,x\n")
    with pytest.raises(
        BadRequestError, match=r"only 'id', 'Prompts'. Is it 'Prompts' for prompt\? .*--column"
    ):
        read(tmp_path / "in.csv")
    (tmp_path / "in.csv").write_bytes("prompt,ü\n1,x\n".encode("cp1252"))
    with pytest.raises(BadRequestError, match=r"in\.csv:1: this is not UTF-8: save the file as UTF-8"):
        read(tmp_path / "in.csv")
    (tmp_path / "in.parquet").write_text("none")
    with pytest.raises(BadRequestError, match="cannot be read"):
        read(tmp_path / "in.parquet")


def outcomes(*columns: dict[str, Any]) -> list[EndedRow]:
    rows = [Row(n, n + 1, "/v1/chat/completions", {}, None, each) for n, each in enumerate(columns)]
    return [EndedRow(rows[0], ANSWER, None), *(EndedRow(row, None, ERROR) for row in rows[1:])]


def test_openais_output_format_by_openais_own_types(tmp_path: Path) -> None:
    from openai.types.chat import ChatCompletion

    assert write_output(tmp_path / "out.jsonl", outcomes({}, {}), None) == 2
    first, second = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert first["custom_id"] == "request-0" and first["error"] is None
    assert first["response"]["status_code"] == 200 and first["response"]["request_id"] == "p1"
    whole = {**first["response"]["body"], "object": "chat.completion", "created": 1, "model": "m"}
    assert ChatCompletion.model_validate(whole).choices[0].message.content == 'Hi, ä\n"x"'
    assert second["error"] == {"code": "PredictionFailedError", "message": "The model failed."}
    assert second["response"]["status_code"] == 500


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("source", ["csv", "tsv", "jsonl", "parquet"])
def test_the_inputs_rows_with_columns_added(tmp_path: Path, source: str, kind: str) -> None:
    rows = [{"id": "1", "prompt": "a,b"}, {"id": "2", "prompt": "c"}]
    first, second = append(written(tmp_path / f"in.{source}", rows), tmp_path / f"out.{kind}")
    assert first["id"] == "1" and first["prompt"] == "a,b" and first["answer"] == 'Hi, ä\n"x"'
    assert str(first["completion_tokens"]) == "4" and first["prediction_id"] == "p1"
    assert second["error"] == "The model failed." and not second["answer"]
    assert list(first)[:2] == ["id", "prompt"] and len(first) == 8


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_no_column_is_lost_that_only_some_rows_have(tmp_path: Path, kind: str) -> None:
    rows = [{"prompt": "a"}] * 1500 + [{"prompt": "b", "late": {"x": [1, None]}, "n": 5}]
    last = append(written(tmp_path / "in.jsonl", rows), tmp_path / f"out.{kind}")[-1]
    assert last["late"] == ('{"x":[1,null]}' if kind == "csv" else {"x": [1, None]}) and str(last["n"]) == "5"


def test_parquets_own_types_are_kept(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "prompt": pa.array(["a", "b"]),
        "nested": pa.array([{"x": [1, 2]}, {"x": None}]),
        "price": pa.array([Decimal("1.50"), None]),
        "kind": pa.array(["u", "v"]).dictionary_encode(),
        "when": pa.array([1, 2], pa.timestamp("us", "UTC")),
        "raw": pa.array([b"\x00\xff", None]),
        "never": pa.array([None, None], pa.int32()),
    }
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table(columns), source)
    append(source, tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet").select(list(columns))
    assert found.equals(pq.read_table(source))
    (first, _) = append(source, tmp_path / "out.csv")
    assert first["nested"] == '{"x":[1,2]}' and first["raw"] == "AP8=" and first["price"] == "1.50"
    assert first["when"].startswith("1970-01-01T00:00:00.000001")
    (first, _) = append(source, tmp_path / "out.jsonl")
    assert first["nested"] == {"x": [1, 2]}


@pytest.mark.parametrize(
    "text",
    [
        "prompt,b\nHi,1",
        "prompt;b\nHi;1",
        'prompt;"b, or c"\nHi;1',
        "prompt\tb\nHi\t1",
        "prompt|b\nHi|1",
        "prompt\nHi",
    ],
)
def test_columns_are_separated_as_in_the_header(tmp_path: Path, text: str) -> None:
    source = tmp_path / "in.csv"
    source.write_text(text)
    (row,) = read_rows(source, MODEL)
    assert isinstance(row, Row) and row.columns["prompt"] == "Hi"


@pytest.mark.parametrize("values", [(1, "a"), ({}, {}), ([1], {"x": 1}), (10**30,)])
def test_what_parquet_cannot_hold_is_told_before_anything_is_asked(tmp_path: Path, values: Any) -> None:
    source = written(tmp_path / "in.jsonl", [{"prompt": "a", "x": each} for each in values])
    with pytest.raises(BadRequestError, match=r"cannot hold the columns of .* Write \.jsonl or \.csv"):
        table_for(source, tmp_path / "out.parquet", ADDED)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("opening", ["", "sep=;\r\n", '"sep=;"\r\n'])
def test_a_spreadsheets_csv_comes_back_as_the_spreadsheet_writes_it(
    tmp_path: Path, opening: str, encoding: str
) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    text = f"\ufeff{opening}frage;Preis\r\nWer, ü?;1,5\r\n;\r\nWo?;2\r\n"
    source.write_bytes(text.encode(encoding))
    rows = [row for row in read(source, Defaults(model="a/b", column="frage")) if isinstance(row, Row)]
    assert [row.columns for row in rows] == [
        {"frage": "Wer, ü?", "Preis": "1,5"},
        {"frage": "Wo?", "Preis": "2"},
    ]
    assert rows[0].line == 2 + bool(opening)
    assert append(source, output, "frage")
    written = output.read_bytes().decode(encoding.removesuffix("-le").removesuffix("-be"))
    assert written.removeprefix("\ufeff").startswith(f"{opening}frage;Preis;answer;error;")
    assert written.startswith("\ufeff") or encoding != "utf-8"
    assert "\r\nWer, ü?;1,5;" in written


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_json_lines_are_read_as_powershell_writes_them(tmp_path: Path, encoding: str) -> None:
    text = '{"prompt": "Wer, ü?\u2028"}\r\n\r\n{"prompt": "Wo?"}\r\n'
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "in.jsonl").write_bytes((mark + text).encode(encoding))
    rows = [row for row in read(tmp_path / "in.jsonl") if isinstance(row, Row)]
    assert [(row.line, row.columns["prompt"]) for row in rows] == [(1, "Wer, ü?\u2028"), (3, "Wo?")]


def test_a_spreadsheet_that_ends_amid_a_character_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes("prompt,ü\n1,x\n".encode("utf-16") + b"\0")
    with pytest.raises(BadRequestError, match="in.csv cannot be read: .*utf-16"):
        read(tmp_path / "in.csv")


def test_long_cells_and_cells_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b"prompt\n" + b"a " * 600_000 + b"\nh\xe9llo\nlast\n")
    long, wrong, last = read(path)
    assert isinstance(long, Row) and len(long.columns["prompt"]) == 1_200_000 and isinstance(last, Row)
    assert isinstance(wrong, LineError) and wrong.line == 3 and "this is not UTF-8" in wrong.message


def test_line_separators_of_unicode_are_text(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes('{"prompt": "a\u2028b\u2029c\u0085d"}\r\n\r\n  \r\n{"prompt": "e"}\r\n'.encode())
    first, second = read(path)
    assert isinstance(first, Row) and first.columns["prompt"] == "a\u2028b\u2029c\u0085d"
    assert isinstance(second, Row) and second.line == 4


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A file with these rows."""
    if path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        lines(path, *rows)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


def append(source: Path, output: Path, column: str = "prompt") -> list[dict[str, Any]]:
    """What is written where the first row of a file was answered and the others failed."""
    rows = read(source, Defaults(model="a/b", column=column))
    ended = outcomes(*(row.columns for row in rows if isinstance(row, Row)))
    assert write_output(output, ended, table_for(source, output, ADDED)) == len(rows)
    return table(output)


def table(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        import pyarrow.parquet

        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
        return rows
    content = path.read_bytes()
    text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    delimiter = next(each for each in "\t;," if each in text.partition("\n")[0])
    return list(csv.DictReader(text.splitlines(keepends=True), delimiter=delimiter))


def test_a_column_is_never_overwritten() -> None:
    row = Row(0, 1, "/v1/chat/completions", {}, None, {"answer": "mine"})
    with pytest.raises(BadRequestError, match="a column 'answer' already, and the output adds one"):
        check_columns(row)


@pytest.mark.parametrize("more", [{"n": 3}, {"tools": [{"type": "function", "function": {"name": "f"}}]}])
def test_no_answer_is_cut_to_the_one_text_beside_a_row(more: dict[str, Any]) -> None:
    check_answer(Row(0, 1, "/v1/chat/completions", {"n": 1, "tools": []}, None, {}))
    for row in (
        Row(0, 1, "/v1/chat/completions", more, None, {}),
        Row(0, 1, "/v1/embeddings", {"input": "x"}, None, {}),
    ):
        with pytest.raises(BadRequestError, match="room for one text"):
            check_answer(row)


def test_an_output_that_cannot_be_written_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    check_output(tmp_path / "out.jsonl")
    with pytest.raises(BadRequestError, match=r"must end in one of \.jsonl"):
        check_output(tmp_path / "out.xlsx")
    with pytest.raises(BadRequestError, match="there is no folder"):
        check_output(tmp_path / "none" / "out.csv")
    tmp_path.chmod(0o555)
    closed = Path("/proc") if os.geteuid() == 0 else tmp_path  # root may write anywhere else
    with pytest.raises(BadRequestError, match="cannot be written"):
        check_output(closed / "out.csv")


def test_two_processes_may_write_one_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a job that ends does, and an export of its answers so far."""
    output = tmp_path / "out.jsonl"
    with replaced(output) as first:
        with monkeypatch.context() as patched:
            patched.setattr(os, "getpid", lambda: 1)
            with replaced(output) as second:
                first.write("first")
                second.write("second")
        assert output.read_text() == "second"
    assert output.read_text() == "first" and list(tmp_path.iterdir()) == [output]


def test_an_output_that_is_a_link_is_written_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "out.jsonl")
    with replaced(tmp_path / "link.jsonl") as file:
        file.write("written")
    assert (tmp_path / "out.jsonl").read_text() == "written" and (tmp_path / "link.jsonl").is_symlink()


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")

    def broken() -> Any:
        yield outcomes({})[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_output(path, broken(), None)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]

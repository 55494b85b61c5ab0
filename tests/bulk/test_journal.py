"""A job's journal: what it says after every kind of end, and who may write it."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from io import BytesIO
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import anyio
import pytest

from areplicate.bulk import journal_file
from areplicate.bulk.journal import Journal, question_hash
from areplicate.bulk.journal_file import Part, read_journal
from areplicate.errors import APIError, BadRequestError
from tests import forked

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]

QUESTION = question_hash({"model": "a/b", "messages": []})


class Picture:
    """As Pillow's images have it."""

    def __init__(self, png: bytes) -> None:
        self.png = png

    def _repr_png_(self) -> bytes:
        return self.png


def counts(journal: Journal) -> tuple[int, int, int]:
    """Rows that were answered, that failed, and that have not ended."""
    rows = list(read_journal(journal.path))
    failed = sum(row.error is not None for row in rows)
    unended = sum(not row.ended for row in rows)
    return len(rows) - failed - unended, failed, unended


@pytest.mark.parametrize(
    ("same", "other"),
    [
        (lambda: BytesIO(b"png"), lambda: BytesIO(b"gif")),
        (lambda: Picture(b"png"), lambda: Picture(b"gif")),
        (lambda: {1: "a"}, lambda: {1: "b"}),
        (lambda: "a\ud83d", lambda: "b\ud83d"),
        (lambda: object(), lambda: "object"),
    ],
)
async def test_a_question_is_known_again_whatever_it_is_made_of(same: Any, other: Any) -> None:
    made = [{"model": "a/b", "messages": [], "image": value} for value in (same(), same(), other())]
    first, again, changed = map(question_hash, made)
    assert first == again != changed


async def test_what_was_written_is_there_for_the_next_run(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j") as journal:
        await journal.ask(0, QUESTION, Part("a", 0), 1860)
        await journal.ask(1, QUESTION, Part("a", 0), 1861)
        await journal.end(1, QUESTION, response=b'{"id":"p1"}')
        await journal.ask(2, QUESTION, Part("a", 0), 1862)
        await journal.end(2, QUESTION, error=b'{"message":"failed"}')
    async with Journal(tmp_path / "j") as journal:
        assert counts(journal) == (1, 1, 1)
        first, second, third = journal.entry(0), journal.entry(1), journal.entry(2)
        assert first and not first.ended and journal.asked(0)[Part("a", 0)].mark == 1860
        assert second and second.response == b'{"id":"p1"}' and not journal.asked(1)
        assert third and third.error == b'{"message":"failed"}'
        assert journal.entry(3) is None


async def test_asking_again_forgets_the_error(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j") as journal:
        await journal.ask(0, QUESTION, Part("a", 0), 1860)
        await journal.end(0, QUESTION, error=b"{}")
        await journal.ask(0, QUESTION, Part("a", 0), 1900)
        entry = journal.entry(0)
        assert entry and not entry.ended and journal.asked(0)[Part("a", 0)].mark == 1900


async def test_each_prediction_of_a_row_has_its_mark(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j") as journal:
        for part in range(3):
            await journal.ask(0, QUESTION, Part("a", part), 1800 + part)
        assert {part.place: asked.mark for part, asked in journal.asked(0).items()} == {
            0: 1800,
            1: 1801,
            2: 1802,
        }
        assert counts(journal) == (0, 0, 1)


async def test_many_writers_share_few_transactions(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j") as journal:
        async with anyio.create_task_group() as group:
            for number in range(2000):
                group.start_soon(journal.ask, number, QUESTION, Part("a", 0), 1800)
        assert counts(journal) == (0, 0, 2000)


@pytest.mark.parametrize("times", [1, 2])
async def test_a_cancelled_writer_loses_nothing_that_was_given(tmp_path: Path, times: int) -> None:
    async with Journal(tmp_path / "j") as journal:
        async with anyio.create_task_group() as group:
            group.start_soon(journal.end, 0, QUESTION)
            await anyio.lowlevel.checkpoint()
            for _ in range(times):
                group.cancel_scope.cancel()
    assert [entry.number for entry in read_journal(tmp_path / "j")] == [0]


async def test_whoever_writes_while_it_closes_is_served_or_refused(tmp_path: Path) -> None:
    written = 0

    async def write_on() -> None:
        nonlocal written
        with pytest.raises(APIError, match="is closed"):
            while True:
                await journal.end(written, QUESTION)
                written += 1

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            async with Journal(tmp_path / "j") as journal:
                group.start_soon(write_on)
                await journal.end(1000, QUESTION)
    assert len(list(read_journal(tmp_path / "j"))) == written + 1


async def test_what_could_not_be_written_is_never_taken_for_written(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j") as journal:
        with pytest.raises(APIError, match="cannot be written"):
            await journal.end(2**70, QUESTION)  # more than SQLite's numbers


async def test_two_processes_on_one_journal_are_refused(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j"):
        ran = _python(tmp_path, f"async with Journal({str(tmp_path / 'j')!r}): pass")
        assert "Another process works on this job" in ran.stderr
        with pytest.raises(BadRequestError, match="Another process"):
            async with Journal(tmp_path / "j"):
                pass
    assert not _python(tmp_path, f"async with Journal({str(tmp_path / 'j')!r}): pass").stderr
    (tmp_path / "k.lock").write_bytes(b"no database" * 100)
    with pytest.raises(BadRequestError, match=r"k\.lock cannot be used: file is not a database"):
        async with Journal(tmp_path / "k"):
            pass


async def test_a_killed_process_leaves_the_journal_free_and_whole(tmp_path: Path) -> None:
    code = f"""
    async with Journal({str(tmp_path / "j")!r}) as journal:
        for number in range(50):
            await journal.ask(number, b"question", Part("a", 0), 1800 + number)
        os.kill(os.getpid(), {int(signal.SIGKILL)})
    """
    assert _python(tmp_path, code).returncode == -signal.SIGKILL
    async with Journal(tmp_path / "j") as journal:
        assert counts(journal) == (0, 0, 50)


async def test_it_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j") as journal:
        await journal.ask(0, QUESTION, Part("a", 0), 1)
        reader = read_journal(tmp_path / "j")
        assert not next(reader).ended
        await journal.end(0, QUESTION, response=b"{}")
    assert next(read_journal(tmp_path / "j")).response == b"{}"


async def test_a_job_that_has_changed_is_refused(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j") as journal:
        asks = journal.question(0, {"model": "a/b", "messages": ["x"]})
        await journal.ask(0, asks, Part("a", 0), 1)
        assert journal.question(0, {"messages": ["x"], "model": "a/b"}) == asks
        with pytest.raises(BadRequestError, match="differs from the one in the journal"):
            journal.question(0, {"model": "a/b", "messages": ["y"]})


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be one" * 50, b""])
async def test_a_file_that_is_no_journal_is_refused_or_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "j").write_bytes(content)
    if content:
        with pytest.raises(BadRequestError, match="is not a journal"):
            async with Journal(tmp_path / "j"):
                pass
        assert (tmp_path / "j").read_bytes() == content
    else:
        async with Journal(tmp_path / "j") as journal:
            assert counts(journal) == (0, 0, 0)


@pytest.mark.parametrize("written", ["", "PRAGMA journal_mode = WAL"])
async def test_what_a_process_leaves_that_is_killed_as_it_begins_is_an_empty_journal(
    tmp_path: Path, written: str
) -> None:
    """Its tables come at once: none without the others."""
    database = sqlite3.connect(tmp_path / "j")
    database.execute(written)
    database.close()
    (tmp_path / "j").touch()
    assert not list(read_journal(tmp_path / "j"))
    async with Journal(tmp_path / "j") as journal:
        assert counts(journal) == (0, 0, 0)


async def test_a_journal_that_is_killed_as_its_tables_are_made_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(journal_file, "_TABLES", journal_file._TABLES + "SELECT no_such_function();")
        with pytest.raises(BadRequestError, match="no_such_function"):
            async with Journal(tmp_path / "j"):
                pass
    assert not list(read_journal(tmp_path / "j"))
    async with Journal(tmp_path / "j") as journal:
        await journal.end(0, QUESTION, response=b"{}")


async def test_a_damaged_journal_is_told_with_what_to_do(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j") as journal:
        for number in range(200):
            await journal.end(number, QUESTION, response=b"{}" * 100)
    whole = (tmp_path / "j").read_bytes()
    for damaged in (whole[:8192] + bytes(len(whole) - 8192), whole[: len(whole) // 2]):
        (tmp_path / "j").write_bytes(damaged)
        with pytest.raises(BadRequestError, match=r"is damaged: .*Begin the job anew"):
            list(read_journal(tmp_path / "j"))
        with pytest.raises(BadRequestError, match=r"is damaged: .*\.recover"):
            async with Journal(tmp_path / "j") as journal:
                for number in range(200):
                    journal.entry(number)


async def test_another_database_is_left_alone(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "j")
    database.execute("CREATE TABLE mine (x)")
    database.commit()
    database.close()
    with pytest.raises(BadRequestError, match="is not a journal"):
        async with Journal(tmp_path / "j"):
            pass


async def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j"):
        pass
    database = sqlite3.connect(tmp_path / "j")
    database.execute("UPDATE job SET value = '1' WHERE name = 'format'")
    database.commit()
    database.close()
    with pytest.raises(BadRequestError, match="finish the job with that version, or begin it anew"):
        async with Journal(tmp_path / "j"):
            pass
    with pytest.raises(BadRequestError, match="another version of areplicate"):
        next(read_journal(tmp_path / "j"))


async def test_a_full_disk_is_told_and_the_journal_stays_whole(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j") as journal:
        await journal.ask(0, QUESTION, Part("a", 0), 1)
        assert journal._writer is not None
        pages = journal._writer.execute("PRAGMA page_count").fetchone()[0]
        journal._writer.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(APIError, match="full"):
            await journal.end(0, QUESTION, response=b"x" * 1_000_000)
        with pytest.raises(APIError, match="cannot be written"):
            await journal.ask(1, QUESTION, Part("a", 0), 1)
    async with Journal(tmp_path / "j") as journal:
        assert counts(journal) == (0, 0, 1)
        await journal.end(0, QUESTION, response=b"{}")


async def test_there_is_no_journal(tmp_path: Path) -> None:
    assert not list(read_journal(tmp_path / "j"))
    with pytest.raises(BadRequestError, match="cannot be opened"):
        async with Journal(tmp_path / "no" / "such" / "folder"):
            pass


def _python(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Runs the body of an async function in a process of its own."""
    program = folder / "program.py"
    imports = "import os, anyio\nfrom areplicate.bulk.journal import Journal, Part\n"
    program.write_text(f"{imports}async def main():\n{indent(dedent(body), '    ')}\nanyio.run(main)\n")
    return forked.run(str(program))

"""A job as a whole: an answer is never given to another question, and its progress is right."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from areplicate import AsyncRouter, MapResult
from areplicate.bulk.checking import check
from areplicate.bulk.inputs import Defaults
from areplicate.bulk.job import Job, export, run
from areplicate.bulk.tally import Tally
from areplicate.errors import BadRequestError
from areplicate.local import LocalReplicate
from areplicate.replicate.progress import Status
from tests.bulk.accidents import echo
from tests.stage import LLAMA, llama, stage

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]

ROWS = ["number 0", "number 1", "number 2"]
DEFAULTS = Defaults(model=LLAMA, options={"max_tokens": 9})
Stage = tuple[LocalReplicate, AsyncRouter]
Change = Callable[[Job], Job]


@pytest.fixture
async def staged() -> AsyncIterator[Stage]:
    async with stage(llama(reply=echo)) as staged:
        yield staged


def write(path: Path, prompts: list[str], other: str = "other") -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["prompt", "other"], *([prompt, other] for prompt in prompts)])


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


async def answered(router: AsyncRouter, folder: Path, name: str = "in.csv") -> Job:
    """A job that has ended, with its output."""
    write(folder / name, ROWS)
    job = Job(folder / name, folder / "out.csv", DEFAULTS, append_to_rows=True)
    await run(job, router, Tally(3, 600))
    assert export(job) == 3
    return job


def file(*prompts: str) -> Change:
    def change(job: Job) -> Job:
        write(job.input, list(prompts))
        return job

    return change


def option(**changes: Any) -> Change:
    return lambda job: msgspec.structs.replace(job, defaults=msgspec.structs.replace(job.defaults, **changes))


def another_input(job: Job) -> Job:
    other = job.input.with_name("other.csv")
    write(other, ["of another job", *ROWS])
    return msgspec.structs.replace(job, input=other)


CHANGES: list[tuple[str, Change, int]] = [
    ("a row is inserted at the start", file("new", *ROWS), 2),
    ("a row is inserted in the middle", file("number 0", "new", "number 1", "number 2"), 3),
    ("the first row is removed", file("number 1", "number 2"), 2),
    ("rows are in another order", file("number 0", "number 2", "number 1"), 3),
    ("a row is edited", file("number 0", "number 1", "number 22"), 4),
    ("a row's question is gone", file("number 0", "", "number 2"), 3),
    ("another model", option(model="meta/other"), 2),
    ("no model", option(model=None), 2),
    ("a system message", option(system="Be brief."), 2),
    ("another column", option(column="other"), 2),
    ("another option", option(options={"max_tokens": 10}), 2),
    ("no option", option(options={}), 2),
    ("another input", another_input, 2),
]


@pytest.mark.parametrize(
    ("change", "line"), [each[1:] for each in CHANGES], ids=[each[0] for each in CHANGES]
)
async def test_an_answer_is_never_given_to_another_question(
    staged: Stage, tmp_path: Path, change: Change, line: int
) -> None:
    local, router = staged
    job = await answered(router, tmp_path)
    written = job.output.read_bytes()
    job = change(job)
    with pytest.raises(BadRequestError, match=f"{job.input}:{line}: this is not the question") as caught:
        export(job)
    assert "Undo" in str(caught.value) and "give another output" in str(caught.value)
    try:
        wrong = (await check(job, router)).errors
    except BadRequestError as error:
        assert f"{job.input}:{line}: " in str(error)
    else:
        assert wrong[0].line == line  # a row that asks nothing is told with all others
    with pytest.raises(BadRequestError, match=f"{job.input}:{line}: "):  # the file changed after the check
        await run(job, router, Tally(3, 600))
    assert job.output.read_bytes() == written and len(local.predictions) <= 4


@pytest.mark.parametrize("rows", [1, 5])
async def test_rows_may_come_and_go_at_the_end_and_other_columns_may_change(
    staged: Stage, tmp_path: Path, rows: int
) -> None:
    local, router = staged
    job = await answered(router, tmp_path)
    prompts = [f"number {n}" for n in range(rows)]
    write(job.input, prompts, other="changed")
    assert export(job) == min(rows, 3)
    await check(job, router)
    await run(job, router, Tally(rows, 600))
    assert export(job) == rows and len(local.predictions) == max(rows, 3)
    assert [(row["prompt"], row["other"], row["answer"]) for row in lines(job.output)] == [
        (prompt, "changed", f"answer to {prompt.split()[1]}") for prompt in prompts
    ]


async def test_a_row_may_ask_for_what_its_model_does_without_an_input(staged: Stage, tmp_path: Path) -> None:
    _, router = staged
    write(tmp_path / "in.csv", ROWS)
    asked: dict[str, Any] = {"stop": [" to"], "response_format": {"type": "text"}, "tools": []}
    job = Job(
        tmp_path / "in.csv", tmp_path / "out.csv", Defaults(model=LLAMA, options=asked), append_to_rows=True
    )
    assert not (await check(job, router)).errors
    await run(job, router, Tally(3, 600))
    assert export(job) == 3 and {row["answer"] for row in lines(job.output)} == {"answer"}


async def test_a_changed_row_is_told_before_the_others_are_asked(staged: Stage, tmp_path: Path) -> None:
    local, router = staged
    job = await answered(router, tmp_path)
    file("number 0", "number 1", "edited", *["new"] * 50)(job)
    with pytest.raises(BadRequestError, match=f"{job.input}:4: "):
        await check(job, router)
    assert len(local.predictions) == 3


async def test_an_output_that_was_moved_with_its_journal_goes_on(staged: Stage, tmp_path: Path) -> None:
    local, router = staged
    job = await answered(router, tmp_path)
    (tmp_path / "new").mkdir()
    for path in (job.output, job.journal):
        path.rename(tmp_path / "new" / path.name)
    moved = msgspec.structs.replace(job, output=tmp_path / "new" / "out.csv")
    await run(moved, router, Tally(3, 600))
    assert export(moved) == 3 and len(local.predictions) == 3


async def test_a_job_without_rows_or_with_a_model_that_does_not_exist_is_told(
    staged: Stage, tmp_path: Path
) -> None:
    _, router = staged
    job = Job(tmp_path / "in.csv", tmp_path / "out.csv", DEFAULTS, append_to_rows=True)
    for text in ("", "prompt\n", "prompt,other\n,\n"):
        job.input.write_text(text)
        with pytest.raises(BadRequestError, match=f"{job.input} has no rows"):
            await check(job, router)
    job = Job(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    job.input.write_text("".join(f'{{"prompt": "x", "model": "meta/model-{n}"}}\n' for n in range(120)))
    checked = await check(job, router)
    assert checked.wrong == 120 and len(checked.errors) == 100
    assert "meta/model-1: " in checked.errors[1].message and "404" in checked.errors[1].message


def test_the_pace_and_the_time_left_are_of_this_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    at = 1000.0
    monkeypatch.setattr("areplicate.bulk.tally.now", lambda: at)
    tally = Tally(rows=1000, creations_per_minute=600)
    for number in range(400):  # from the journal, all at once
        tally.saw(MapResult(number))
    assert "400 done" in tally.line() and "0 a minute" in tally.line() and tally.seconds_left == 60
    at += 300  # the model boots
    for number in range(400, 521):
        tally.watch(number)(Status("done", 1.0, LLAMA))
        tally.saw(MapResult(number))
        at += 0.5
    assert "521 done" in tally.line() and "119 a minute" in tally.line()
    assert tally.seconds_left == pytest.approx(479 / (120 / 60.5))


async def test_the_first_hundred_wrong_rows_are_told_and_all_are_counted(
    staged: Stage, tmp_path: Path
) -> None:
    write(tmp_path / "in.csv", [""] * 130)
    checked = await check(Job(tmp_path / "in.csv", tmp_path / "out.csv", DEFAULTS), staged[1])
    assert (checked.rows, checked.wrong, len(checked.errors)) == (130, 130, 100)

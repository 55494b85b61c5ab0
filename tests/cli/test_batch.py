"""`areplicate batch`: from a file of questions to the file of answers, through every accident."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from areplicate.local import LocalModel, LocalReplicate
from areplicate.local.components import component_schemas
from tests.bulk.accidents import answer_in, echo
from tests.cli.command import environment, run
from tests.forked import Process
from tests.hostile import fails_first
from tests.stage import LLAMA, llama, sent, wait_until_nothing_runs
from tests.waiting import eventually

pytestmark = pytest.mark.first(35)


@pytest.fixture
def local() -> Iterator[LocalReplicate]:
    with LocalReplicate([llama(reply=echo)]) as local:
        yield local


def questions(path: Path, count: int, **more: Any) -> Path:
    path.write_text("".join(json.dumps({"prompt": f"number {n}", **more}) + "\n" for n in range(count)))
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def answers(path: Path) -> list[str]:
    return [line["response"]["body"]["choices"][0]["message"]["content"] for line in lines(path)]


def test_json_lines_in_openais_format_out(local: LocalReplicate, tmp_path: Path) -> None:
    source, output = questions(tmp_path / "in.jsonl", 20), tmp_path / "out.jsonl"
    ran = run("batch", str(source), "-o", str(output), "--model", LLAMA, "--set", "max_tokens=9", local=local)
    assert ran.returncode == 0, ran.stderr
    assert answers(output) == [f"answer to {n}" for n in range(20)]
    assert ran.stdout == "" and "20 rows in" in ran.stderr
    assert {each.name for each in tmp_path.glob("out*")} == {
        *("out.jsonl", "out.jsonl.journal", "out.jsonl.journal.lock")
    }
    assert all(each["input"]["max_tokens"] == 9 for each in sent(local))


def test_a_second_run_asks_nothing(local: LocalReplicate, tmp_path: Path) -> None:
    source, output = questions(tmp_path / "in.jsonl", 5), tmp_path / "out.jsonl"
    for _ in range(2):
        assert run("batch", str(source), "-o", str(output), "--model", LLAMA, local=local).returncode == 0
    assert len(local.predictions) == 5


URLS: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": "say one"}]},
        "chat.completion",
        "one",
    ),
    ("/v1/completions", {"prompt": "say two", "echo": False, "best_of": 1}, "text_completion", "two"),
    ("/v1/completions", {"prompt": ["say three"], "max_tokens": 9}, "text_completion", "three"),
    ("/v1/responses", {"input": "say four", "max_output_tokens": 9, "store": False}, "response", "four"),
    ("/v1/responses", {"input": [{"role": "user", "content": "say five"}]}, "response", "five"),
]


def asks(*bodies: tuple[str, dict[str, Any]], **more: Any) -> str:
    lines = [
        {"custom_id": str(n), "method": "POST", "url": url, "body": {"model": LLAMA, **body}, **more}
        for n, (url, body) in enumerate(bodies)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_each_url_is_answered_as_its_api_does(local: LocalReplicate, tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(asks(*((url, body) for url, body, _, _ in URLS)))
    for _ in range(2):  # the second time from the journal
        ran = run("batch", str(source), "-o", str(output), local=local)
        assert ran.returncode == 0, ran.stderr
        found = [line["response"]["body"] for line in lines(output)]
        assert [(body["object"], answer_in(body)) for body in found] == [
            (kind, f"answer to {word}") for _, _, kind, word in URLS
        ]
    assert found[3]["status"] == "completed" and found[3]["usage"]["output_tokens"] > 0
    assert len(local.predictions) == len(URLS)


@pytest.mark.parametrize(
    ("url", "body", "says"),
    [
        (
            "/v1/completions",
            {"prompt": ["a", "b"]},
            "prompt has 2 texts: give each of them a line of its own",
        ),
        ("/v1/completions", {"prompt": 5}, "prompt must be a string"),
        ("/v1/completions", {"prompt": "a", "suffix": "b"}, "suffix is not available"),
        ("/v1/completions", {}, "prompt must be a string"),
        ("/v1/responses", {"input": 5}, "input must be a string or a list of items"),
        ("/v1/responses", {"input": "a", "previous_response_id": "resp_1"}, "previous_response_id cannot be"),
        ("/v1/responses", {"input": "a", "background": True}, "background cannot be used"),
        ("/v1/responses", {"input": "a", "stream": True}, "stream must not be set"),
        ("/v1/responses", {"input": "a", "api_base": "http://127.0.0.1:1"}, "api_base"),
        ("/v1/audio", {"input": "a"}, "url must be one of"),
        ("/v1/chat/completions", {"messages": []}, "messages must be a list"),
    ],
)
def test_what_is_wrong_with_a_line_of_each_url_is_told_before_anything_is_asked(
    local: LocalReplicate, tmp_path: Path, url: str, body: dict[str, Any], says: str
) -> None:
    (tmp_path / "in.jsonl").write_text(asks(("/v1/completions", {"prompt": "fine"}), (url, body)))
    ran = run("batch", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out.jsonl"), local=local)
    assert ran.returncode == 1 and f"in.jsonl:2: {says}" in ran.stderr, ran.stderr
    assert not local.predictions


def test_embeddings_are_asked_for_and_kept(tmp_path: Path) -> None:
    fields = {"properties": {"text": {"type": "string"}}, "required": []}
    schema = component_schemas(fields, {"type": "array", "items": {}})
    model = LocalModel(
        owner="acme",
        name="embeds",
        reply=lambda input: {"embedding": [float(len(input["text"])), 0.5]},
        output_kind="object",
        schema=schema,
    )
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    bodies = [{"model": "acme/embeds", "input": each} for each in ("a", ["bb", "ccc"], "dddd")]
    source.write_text(asks(*(("/v1/embeddings", body) for body in bodies)))
    with LocalReplicate([model]) as local:
        for _ in range(2):
            ran = run("batch", str(source), "-o", str(output), local=local)
            assert ran.returncode == 0, ran.stderr
            found = [line["response"]["body"] for line in lines(output)]
            assert [[each["embedding"][0] for each in body["data"]] for body in found] == [[1], [2, 3], [4]]
        assert len(local.predictions) == 4
        source.write_text(asks(("/v1/embeddings", {"model": "acme/embeds", "input": []})))
        wrong = run("batch", str(source), "-o", str(output), local=local)
        assert wrong.returncode == 1 and "in.jsonl:1: input must be a string" in wrong.stderr


def test_a_system_message_reaches_responses_too(local: LocalReplicate, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(asks(("/v1/responses", {"input": "x", "instructions": "Rhyme."})))
    command = (
        "batch",
        str(tmp_path / "in.jsonl"),
        "-o",
        str(tmp_path / "out.jsonl"),
        "--system",
        "Be brief.",
    )
    assert run(*command, local=local).returncode == 0
    prompt = sent(local)[0]["input"]["prompt"]
    assert "Be brief." in prompt and "Rhyme." in prompt
    (tmp_path / "in.jsonl").write_text(asks(("/v1/completions", {"prompt": "x"})))
    assert "has no system message" in run(*command, local=local).stderr


def test_csv_with_a_column_and_a_system_message(local: LocalReplicate, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,question\n7,say one\n8,say two\n")
    output = tmp_path / "out.csv"
    ran = run(
        *("batch", str(tmp_path / "in.csv"), "-o", str(output), "--model", LLAMA),
        *("--column", "question", "--system", "Be brief."),
        local=local,
    )
    assert ran.returncode == 0, ran.stderr
    rows = list(csv.DictReader(output.read_text().splitlines()))
    assert [(row["id"], row["question"], row["answer"]) for row in rows] == [
        ("7", "say one", "answer to one"),
        ("8", "say two", "answer to two"),
    ]
    assert "Be brief." in sent(local)[0]["input"]["prompt"]


def test_a_row_that_fails_is_an_error_in_the_output_and_in_the_exit_status_and_asked_again_on_demand(
    tmp_path: Path,
) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [{"prompt": "x", "model": "meta/fails"}, {"prompt": "y", "model": LLAMA}]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ("batch", str(source), "-o", str(output))
    fails = LocalModel(owner="meta", name="fails", reply=fails_first(1, "at last", error="out of memory"))
    with LocalReplicate([llama(reply=echo), fails]) as local:
        runs = [run(*command, local=local) for _ in range(2)]
        failed, answered = lines(output)
        assert "out of memory" in failed["error"]["message"] and answered["response"]["status_code"] == 200
        assert len(local.predictions) == 2
        assert [(ran.returncode, "1 of them with an error" in ran.stderr) for ran in runs] == [(3, True)] * 2
        retried = run(*command, "--retry-failed", local=local)
    assert retried.returncode == 0 and answers(output)[0] == "at last", retried.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"prompt": "a"}\n{"prompt": 5}\n', "in.jsonl:2: the column 'prompt' must be a string"),
        ('{"prompt": "a"}\n{broken\n', "in.jsonl:2: this is not JSON"),
        ('{"prompt": "a", "temperature": "hot"}\n', "in.jsonl:1: temperature must be"),
        ('{"messages": [{"role": "nobody", "content": "x"}]}\n', "in.jsonl:1: "),
        ('{"prompt": "a", "model": "no-slash"}\n', "in.jsonl:1: "),
        (
            '{"prompt": "a", "custom_id": "1"}\n{"prompt": "b", "custom_id": "1"}\n',
            "in.jsonl:2: custom_id '1'",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_nothing_is_asked(
    local: LocalReplicate, tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "in.jsonl").write_text(text)
    ran = run(
        "batch", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out.jsonl"), "--model", LLAMA, local=local
    )
    assert ran.returncode == 1 and says in ran.stderr and "nothing was asked" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not local.predictions and not (tmp_path / "out.jsonl").exists()


def test_no_row_chooses_where_the_key_goes(local: LocalReplicate, tmp_path: Path) -> None:
    for name in ("api_base", "base_url", "api_key", "extra_headers", "timeout"):
        batch_line = {
            "custom_id": "1",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": LLAMA,
                "messages": [{"role": "user", "content": "x"}],
                name: "http://127.0.0.1:1/v1",
            },
        }
        (tmp_path / "in.jsonl").write_text(json.dumps(batch_line))
        ran = run("batch", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out.jsonl"), local=local)
        assert ran.returncode == 1 and name in ran.stderr, name
        assert "nor in a row of a job" in ran.stderr and "gateway's configuration" not in ran.stderr
    assert not local.predictions


def test_no_answer_is_written_beside_another_question(local: LocalReplicate, tmp_path: Path) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    files = (str(source), "-o", str(output), "--model", LLAMA)
    source.write_text("prompt\nnumber 0\nnumber 1\nnumber 2\n")
    assert run("batch", *files, local=local).returncode == 0
    written = output.read_text()
    source.write_text("prompt\nnumber 1\nnumber 2\n")
    for command in (("batch",), ("batch", "export")):
        ran = run(*command, *files, local=local)
        assert ran.returncode == 1 and f"{source}:2: this is not the question" in ran.stderr
        assert "give another output" in ran.stderr and "goes on from here" not in ran.stderr
        assert output.read_text() == written


def test_the_output_is_never_the_input(local: LocalReplicate, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("prompt\nnumber 0\n")
    (tmp_path / "same.csv").symlink_to(source)
    for output in (source, tmp_path / "same.csv"):
        ran = run("batch", str(source), "-o", str(output), "--model", LLAMA, local=local)
        assert ran.returncode == 1 and "is the input" in ran.stderr
    assert source.read_text() == "prompt\nnumber 0\n" and not sent(local)


def test_a_dry_run_asks_nothing_and_estimates(local: LocalReplicate, tmp_path: Path) -> None:
    source = questions(tmp_path / "in.jsonl", 1200)
    ran = run(
        "batch", str(source), "-o", str(tmp_path / "out.jsonl"), "--model", LLAMA, "--dry-run", local=local
    )
    assert ran.returncode == 0 and "1,200 rows: 2 min at least" in ran.stderr
    assert "1,200 rows, about $0.00 for the prompts, and $0.25 a million tokens of answers" in ran.stderr
    bounded = run(
        *("batch", str(source), "-o", str(tmp_path / "out.jsonl"), "--model", LLAMA, "--dry-run"),
        *("--set", "max_tokens=1000", "--set", "n=4"),
        local=local,
    )
    assert "at most about $1.2" in bounded.stderr
    assert not local.predictions and not list(tmp_path.glob("out*"))


def test_only_the_first_rows(local: LocalReplicate, tmp_path: Path) -> None:
    source, output = questions(tmp_path / "in.jsonl", 9), tmp_path / "out.jsonl"
    run("batch", str(source), "-o", str(output), "--model", LLAMA, "--limit", "3", local=local)
    assert len(answers(output)) == len(local.predictions) == 3


def test_a_wrong_key_and_no_credit_end_the_job_which_goes_on_with_the_right_one(tmp_path: Path) -> None:
    source = questions(tmp_path / "in.jsonl", 3)

    with LocalReplicate([llama()], tokens={"r8_ok": 200, "r8_poor": 402}) as replicate:

        def ask(key: str, output: str) -> subprocess.CompletedProcess[str]:
            command = ("batch", str(source), "-o", str(tmp_path / output), "--model", LLAMA)
            return run(*command, local=replicate, REPLICATE_API_KEY=key)

        for key, status, output in (("r8_wrong", "401", "a.jsonl"), ("r8_poor", "402", "b.jsonl")):
            refused = ask(key, output)
            assert refused.returncode == 1 and status in refused.stderr
            assert "The same command goes on from here" in refused.stderr
        assert ask("r8_ok", "b.jsonl").returncode == 0
        assert len(replicate.predictions) == len(answers(tmp_path / "b.jsonl")) == 3


def start(local: LocalReplicate, source: Path, output: Path, *more: str, **options: Any) -> Process:
    command = ("batch", str(source), "-o", str(output), "--model", LLAMA, *more)
    return Process("areplicate", *command, env=environment(local), **options)


def test_an_interrupt_waits_for_what_is_in_flight(tmp_path: Path) -> None:
    source, output = questions(tmp_path / "in.jsonl", 300), tmp_path / "out.jsonl"
    with LocalReplicate([llama(reply=echo, run_seconds=0.3)]) as local:
        job = start(local, source, output, "--max-in-flight", "5")
        eventually(lambda: len(local.predictions) >= 20)
        job.send_signal(signal.SIGINT)
        _, said = job.communicate(timeout=30)
        assert job.returncode == 130 and "Waiting for what is in flight" in said and "Traceback" not in said
        assert len(answers(output)) == len(local.predictions) < 300
        assert all(each.status == "succeeded" for each in local.predictions.values())


def test_a_second_interrupt_cancels(tmp_path: Path) -> None:
    source, output = questions(tmp_path / "in.jsonl", 50), tmp_path / "out.jsonl"
    said = tmp_path / "said"
    with LocalReplicate([llama(reply=echo, run_seconds=60)]) as local, said.open("wb") as stderr:
        job = start(local, source, output, "--max-in-flight", "5", stderr=stderr)
        eventually(lambda: len(local.predictions) >= 5)
        job.send_signal(signal.SIGINT)
        eventually(lambda: "Ctrl-C again cancels it" in said.read_text())
        job.send_signal(signal.SIGINT)
        assert job.wait(timeout=30) == 130 and "Traceback" not in said.read_text(), said.read_text()
        wait_until_nothing_runs(local)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_and_says_what_to_do(ending: signal.Signals, tmp_path: Path) -> None:
    source, output = questions(tmp_path / "in.jsonl", 50), tmp_path / "out.jsonl"
    with LocalReplicate([llama(reply=echo, run_seconds=60)]) as local:
        job = start(local, source, output, "--max-in-flight", "5")
        eventually(lambda: len(local.predictions) >= 5)
        job.send_signal(ending)
        _, said = job.communicate(timeout=30)
        assert job.returncode == 128 + ending and "goes on from here" in said, said
        assert f"stopped by {ending.name}" in said and "Traceback" not in said, said
        wait_until_nothing_runs(local)


INTERRUPTED_WITHIN = """
import signal, sys
from areplicate.cli import main

ended = 0

def profile(frame, event, _):
    global ended
    if event == "call" and frame.f_code.co_name == "task_done":
        ended += 1
        if ended == 10:
            sys.setprofile(None)
            for number in {numbers}:
                signal.raise_signal(number)

sys.setprofile(profile)
main()
"""
"""Signals that come just as the event loop is about to tell a group of tasks that one has ended."""


@pytest.mark.parametrize(
    ("numbers", "status"), [((signal.SIGTERM,), 143), ((signal.SIGINT, signal.SIGINT), 130)]
)
def test_a_signal_between_two_steps_of_the_event_loop_ends_the_job(
    numbers: tuple[int, ...], status: int, local: LocalReplicate, tmp_path: Path
) -> None:
    source, output = questions(tmp_path / "in.jsonl", 50), tmp_path / "out.jsonl"
    (tmp_path / "command.py").write_text(INTERRUPTED_WITHIN.format(numbers=[*map(int, numbers)]))
    command = ("batch", str(source), "-o", str(output), "--model", LLAMA, "--max-in-flight", "5")
    job = Process(str(tmp_path / "command.py"), *command, env=environment(local))
    try:
        _, said = job.communicate(timeout=20)
    finally:
        job.kill()
    assert job.returncode == status and "goes on from here" in said and "Traceback" not in said, said
    assert run(*command, local=local).returncode == 0
    assert len(answers(output)) == 50
    wait_until_nothing_runs(local)


def test_a_job_that_cannot_connect_says_so_once_and_waits(tmp_path: Path) -> None:
    source = questions(tmp_path / "in.jsonl", 5)
    with LocalReplicate([llama()]) as local:
        pass
    said = tmp_path / "said"
    with said.open("wb") as stderr:
        job = start(local, source, tmp_path / "out.jsonl", stderr=stderr)
        eventually(lambda: "Cannot connect" in said.read_text())
        job.kill()
        job.wait()
    assert said.read_text().count(f"Cannot connect to {local.api_base}. Trying again.") == 1


def test_the_answers_so_far_can_be_had_while_it_runs(tmp_path: Path) -> None:
    source, output = questions(tmp_path / "in.jsonl", 200), tmp_path / "out.jsonl"
    with LocalReplicate([llama(reply=echo, run_seconds=0.2)]) as local:
        job = start(local, source, output, "--max-in-flight", "4")
        try:
            eventually(lambda: len(local.predictions) >= 20)
            ran = run("batch", "export", str(source), "-o", str(output), "--model", LLAMA)
            assert ran.returncode == 0, ran.stderr
            some = answers(output)
            assert 0 < len(some) < 200
            second = run("batch", str(source), "-o", str(output), "--model", LLAMA, local=local)
            assert second.returncode == 1 and "Another process works on this job" in second.stderr
        finally:
            job.kill()
            job.communicate()


def test_what_it_has_cost_so_far_is_told(tmp_path: Path) -> None:
    long = "word " * 200_000
    with LocalReplicate([llama(reply=[long])]) as local:
        source = questions(tmp_path / "in.jsonl", 3)
        ran = run("batch", str(source), "-o", str(tmp_path / "out.jsonl"), "--model", LLAMA, local=local)
    assert ran.returncode == 0 and "3 done" in ran.stderr
    assert "$" in ran.stderr.rpartition("3 done")[2]

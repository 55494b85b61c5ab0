"""Changes the code in small ways and says which changes no test notices: `make mutants [PART=protocol]`.

    python scripts/mutants.py PART... [--only '*7']

mutmut makes the changes and runs, for each, the tests that reach the changed function, out of those of its part
(the fast ones). It works on a copy in build/mutants/PART. Each survivor is printed as a diff, to be judged: it
is either the same program by other words, or a promise that no test holds the code to.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "mutants"
COPIED = ("areplicate", "tests", "scripts", "README.md")


class Part(NamedTuple):
    """What is changed, and by which tests the changes should be noticed.

    Attributes:
        code: shell patterns.
        tests: fast ones, which start no process.
        without: those of them that take longer than all the others, or see mutmut's own frames or folder.
    """

    code: tuple[str, ...]
    tests: tuple[str, ...]
    without: tuple[str, ...] = ()


def _in(folder: str, *, without: str = "") -> tuple[str, ...]:
    """The modules of one room: to mutmut, `*` would mean those of the rooms in it, too.

    Args:
        without: a module whose functions run while it is imported, and never again: mutmut cannot tell its
            mutants apart, for it imports everything before it chooses one.
    """
    found = (path for path in sorted((ROOT / folder).glob("*.py")) if path.name != without)
    return tuple(str(path.relative_to(ROOT)) for path in found)


PARTS = {
    "protocol": Part(
        ("areplicate/replicate/protocol/*.py",),
        (
            "tests/replicate/test_protocol.py",
            "tests/replicate/test_problems.py",
            "tests/replicate/test_recorded.py",
            "tests/replicate/test_events.py",
        ),
    ),
    "text_assembly": Part(
        ("areplicate/replicate/text_assembly.py",),
        ("tests/replicate/test_text_assembly.py",),
    ),
    "retry": Part(
        ("areplicate/replicate/retry.py", "areplicate/replicate/first_contact.py"),
        (
            "tests/replicate/test_retry.py",
            "tests/replicate/test_exactly_once.py::test_a_base_that_never_answered_is_given_up_within_five_seconds",
            *(
                f"tests/replicate/test_reliability.py::{name}"
                for name in (
                    "test_a_refused_connection_is_tried_again_until_somebody_listens",
                    "test_num_retries_is_how_often_it_is_tried_again",
                    "test_what_will_not_pass_is_not_tried_again",
                    "test_a_wait_beyond_the_deadline_is_not_begun",
                    "test_a_service_that_says_when_it_is_back_is_asked_then",
                    "test_a_spent_retry_budget_slows_retries_down_and_refuses_none",
                )
            ),
        ),
    ),
    "limits": Part(
        ("areplicate/replicate/limits.py",),
        ("tests/replicate/test_limits.py",),
        (
            "tests/replicate/test_limits.py::test_a_router_slows_down_after_429s_and_recovers",
            "tests/replicate/test_limits.py::test_never_more_than_the_rate_in_any_minute_once_the_burst_is_gone[600.0]",
        ),
    ),
    "creation": Part(
        tuple(
            f"areplicate/replicate/{name}.py" for name in ("creation", "marks", "server_clock", "versions")
        ),
        (
            "tests/replicate/test_server_clock.py",
            "tests/replicate/test_exactly_once.py",
            "tests/replicate/test_creation.py",
            "tests/replicate/test_marks.py",
            *(
                f"tests/replicate/test_reliability.py::{name}"
                for name in (
                    "test_a_creation_that_goes_wrong_is_made_good_once",
                    "test_identical_prompts_stay_predictions_of_their_own_when_answers_are_lost",
                    "test_what_cannot_be_told_is_not_paid_twice",
                    "test_num_retries_is_how_often_it_is_tried_again",
                    "test_what_will_not_pass_is_not_tried_again",
                    "test_a_few_creations_are_held_and_the_others_are_watched",
                )
            ),
            "tests/replicate/test_community_models.py",
            "tests/bulk/test_journaled.py",
        ),
        (
            "tests/bulk/test_journaled.py::test_a_full_disk_ends_the_job_and_no_row_has_failed",
            "tests/replicate/test_exactly_once.py::test_hundreds_that_leave_are_all_found_page_after_page",
            "tests/replicate/test_exactly_once.py::test_hundreds_of_equal_inputs_have_marks_after_few_draws",
        ),
    ),
    "chat": Part(
        _in("areplicate/chat"),
        (
            *_in("tests/chat"),
            "tests/chat/formats/test_decision.py",
            "tests/chat/structured",
            "tests/chat/tools/test_reader.py",
            "tests/test_attachments.py",
            "tests/test_prompts.py",
            "tests/test_unknown_names.py",
        ),
        (
            "tests/chat/test_all_models.py",
            "tests/chat/test_catalogue.py",
            "tests/chat/test_purity.py",
            "tests/chat/test_plain.py::test_what_is_plain_already_is_left_as_it_is",
        ),
    ),
    "schemas": Part(
        _in("areplicate/chat/schemas"),
        ("tests/chat/schemas", *(f"tests/chat/test_{name}.py" for name in ("schema", "context", "inputs"))),
    ),
    "tools": Part(
        _in("areplicate/chat/tools"),
        ("tests/chat/tools", "tests/chat/test_contract.py", "tests/chat/structured/test_response_format.py"),
    ),
    "structured": Part(
        _in("areplicate/chat/structured"), ("tests/chat/structured", "tests/chat/test_contract.py")
    ),
    "apis": Part(_in("areplicate/chat/apis"), ("tests/chat/apis",)),
    "formats": Part(
        _in("areplicate/chat/formats", without="shapes.py"),
        (
            "tests/chat/formats",
            "tests/chat/test_inputs.py",
            "tests/chat/test_schema.py",
            "tests/test_prompts.py",
        ),
        (
            "tests/chat/formats/test_jinja.py::test_a_template_that_never_ends_or_grows_without_end_is_stopped",
        ),
    ),
    "options": Part(
        _in("areplicate/options", without="declared.py"),
        (
            "tests/test_options.py",
            "tests/test_option_values.py",
            "tests/test_unknown_names.py",
            "tests/test_balancer.py::test_the_environment_has_any_value_of_an_entry",
            "tests/test_signature.py::test_a_function_is_given_the_options_and_keeps_what_it_says_of_itself",
        ),
        ("tests/test_options.py::test_a_warning_points_at_the_callers_line",),
    ),
    "accounts": Part(
        (
            *(
                f"areplicate/gateway/accounts/{name}.py"
                for name in ("costs", "counting", "key_limits", "keys", "ledger", "reports")
            ),
            *(f"areplicate/gateway/config/{name}.py" for name in ("database_url", "prices")),
            "areplicate/cli/price_sources.py",
        ),
        (
            "tests/cli/test_price_sources.py",
            "tests/gateway/test_costs.py",
            "tests/gateway/test_database_url.py",
            "tests/gateway/test_key_limits.py",
            "tests/gateway/test_shared_counting.py",
        ),
    ),
}
SHOW = "import sys; from mutmut.__main__ import show; [show.callback(mutant) for mutant in sys.argv[1:]]"
"""`mutmut show` of many at once: it takes a second to start."""
NOTICED = frozenset(("killed", "timeout", "caught by type check", "segfault"))


def settings(part: Part) -> str:
    """mutmut's part of the copy's pyproject.toml."""
    return (
        "\n[tool.mutmut]\n"
        'source_paths = ["areplicate"]\n'
        f"only_mutate = {list(part.code)!r}\n"
        'also_copy = ["scripts", "README.md"]\n'
        f"pytest_add_cli_args_test_selection = {list(part.tests)!r}\n"
        f"pytest_add_cli_args = {['-p', 'no:cacheprovider', '--hypothesis-profile=mutants', *map('--deselect={}'.format, part.without)]!r}\n"
        "timeout_constant = 5\n"
        "timeout_multiplier = 3\n"
        "use_git_change_detection = false\n"
    )


def copy(name: str) -> Path:
    """A fresh copy of what the tests need, set up for one part."""
    folder = BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    for source in (ROOT / each for each in COPIED):
        if source.is_dir():
            shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (folder / "pyproject.toml").write_text(project + settings(PARTS[name]), encoding="utf-8")
    return folder


def run(name: str, processes: int, only: str | None) -> tuple[Counter[str], list[str]]:
    """How the mutants of a part fared, by mutmut's words, and the names of those that nothing noticed."""
    folder = copy(name)
    mutmut = [sys.executable, "-m", "mutmut"]
    log = folder / "mutmut.log"
    print(f"{name}: running; its progress is in {log}", flush=True)
    with log.open("w") as output:
        done = subprocess.run(
            [*mutmut, "run", "--max-children", str(processes), *([only] if only else [])],
            cwd=folder,
            stdout=output,
            stderr=output,
        )
    if done.returncode:
        raise SystemExit(f"mutmut did not run:\n{log.read_text(encoding='utf-8')[-4000:]}")
    found = subprocess.run(
        [*mutmut, "results", "--all", "true"], cwd=folder, capture_output=True, text=True, check=True
    )
    results = [line.strip().rsplit(": ", 1) for line in found.stdout.splitlines() if ": " in line]
    fates = {mutant: fate for mutant, fate in results if fate != "not checked"}
    survivors = [mutant for mutant, fate in fates.items() if fate not in NOTICED]
    if survivors:
        subprocess.run([sys.executable, "-c", SHOW, *survivors], cwd=folder, check=True)
    return Counter(fates.values()), survivors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all, or some of {', '.join(PARTS)}")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument(
        "--only", metavar="PATTERN", help="'*7' is a tenth of them: their names end with a number"
    )
    arguments = parser.parse_args()
    for name in arguments.parts or PARTS:
        fates, survivors = run(name, arguments.processes, arguments.only)
        noticed = fates.total() - len(survivors)
        print(
            f"{name}: {noticed} of {fates.total()} noticed ({noticed / max(1, fates.total()):.0%}): {dict(fates)}"
        )


if __name__ == "__main__":
    main()

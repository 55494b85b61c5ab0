"""What `pytest --processes` reports is what the tests did, whichever process ran them, and if one crashes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests import forked
from tests.waiting import eventually

CONFTEST = """
from tests.side_by_side import SideBySide

def pytest_configure(config):
    config.pluginmanager.register(SideBySide(2))
"""
ONE = """
import pytest

@pytest.fixture(scope="session")
def shared():
    yield
    print("all is taken down")

def test_skipped(): pytest.skip("on purpose")
def test_bad(): print("before it failed"); assert [1] == [2]
def test_good(tmp_path, shared): pass
"""
OTHER = """
import os

def test_before(): pass
def test_crash(): os._exit(3)
def test_after(): pass
"""


WAITING = """
import os, time
from pathlib import Path

def test_first():
    Path(f"{os.getpid()}.pid").touch()
    while not Path("go").exists():
        time.sleep(0.01)

def test_second(): Path("second").touch()
"""


def _run(folder: Path, *arguments: str) -> tuple[int, str]:
    for name, text in (("conftest", CONFTEST), ("test_one", ONE), ("test_other", OTHER)):
        (folder / f"{name}.py").write_text(text)
    env = {**os.environ, "PYTHONPATH": str(forked.ROOT)}
    arguments = ("--disable-plugin-autoload", "-p", "no:cacheprovider", "-rA", *arguments)
    ran = forked.run("pytest", *arguments, cwd=folder, env=env)
    return ran.returncode, ran.stdout


def test_all_is_reported_and_what_a_crash_left_out_has_failed(tmp_path: Path) -> None:
    status, said = _run(tmp_path)
    assert status == 1
    assert sorted(re.findall(r"^(?:PASSED|FAILED) \S+", said, re.MULTILINE)) == [
        "FAILED test_one.py::test_bad",
        "FAILED test_other.py::test_after",
        "FAILED test_other.py::test_crash",
        "PASSED test_one.py::test_good",
        "PASSED test_other.py::test_before",
    ]
    assert "before it failed" in said and "on purpose" in said
    assert re.search(r"the processes ended with \[(0, 3|3, 0)\]", said)


def test_what_all_share_is_taken_down(tmp_path: Path) -> None:
    _, said = _run(tmp_path, "test_one.py")
    assert "all is taken down" in said


def test_it_stops_at_the_first_failure(tmp_path: Path) -> None:
    status, said = _run(tmp_path, "--exitfirst", "test_one.py")
    assert status == 1
    assert "1 failed" in said and "stopping after 1 failures" in said


def test_what_is_killed_takes_its_processes_with_it(tmp_path: Path) -> None:
    for name, text in (("conftest", CONFTEST), ("test_one", WAITING), ("test_other", WAITING)):
        (tmp_path / f"{name}.py").write_text(text)
    env = {**os.environ, "PYTHONPATH": str(forked.ROOT)}
    running = forked.Process("pytest", "--disable-plugin-autoload", cwd=tmp_path, env=env)
    eventually(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
    running.kill()
    running.wait(10)
    (tmp_path / "go").touch()
    eventually(lambda: not any(_runs(file.stem) for file in tmp_path.glob("*.pid")))
    assert not (tmp_path / "second").exists()


def _runs(pid: str) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False

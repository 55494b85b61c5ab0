"""`pytest -n 5`: the tests run in five processes, which are forked from the one that has collected them.

pytest-xdist, whose option this is, lets each process import and collect all tests, which took a fifth of all
processor time. A file's tests are left to one process, which starts once what they share.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

Files = list[list[pytest.Item]]


def pytest_addoption(parser: pytest.Parser) -> None:
    options = parser.getgroup("workers")
    options._addoption("-n", "--numprocesses", type=_number, help="how many processes run the tests, or auto")


def _number(text: str) -> int:
    """With `auto`, five on two processors: tests of the gateway wait for more than half of their time."""
    return 1 + 2 * (os.cpu_count() or 1) if text == "auto" else int(text)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    options = session.config.option
    if not options.numprocesses or options.collectonly or session.testsfailed:
        return None
    files: dict[Path, list[pytest.Item]] = {}
    for item in session.items:
        files.setdefault(item.path, []).append(item)
    session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined] # one for all of them
    workers = _start(session, list(files.values()), options.numprocesses)
    try:
        ended = _listen(session, list(workers))
    except BaseException:
        for process in workers.values():
            os.kill(process, signal.SIGINT)
        raise
    finally:
        statuses = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in workers.values()]
    for item in session.items:
        if item.nodeid not in ended:
            _fail(item, f"the process that had to run it has ended: the processes' statuses are {statuses}")
    return True


def _start(session: pytest.Session, files: Files, number: int) -> dict[Connection, int]:
    """Forks the workers; gives what each of them says, and its process."""
    queue, filled = os.pipe()
    os.write(filled, b"".join(index.to_bytes(2, "big") for index in range(len(files))))
    os.close(filled)
    workers: dict[Connection, int] = {}
    for _ in range(min(number, len(files))):
        said, says = Pipe(duplex=False)
        process = os.fork()
        if not process:
            for theirs in [*workers, said]:
                theirs.close()
            _work(session, _taken(files, queue), says)
        says.close()
        workers[said] = process
    os.close(queue)
    return workers


def _taken(files: Files, queue: int) -> Iterator[pytest.Item]:
    """The tests of one file after the other, each file as soon as it is needed and nobody else has it."""
    while index := os.read(queue, 2):
        yield from files[int.from_bytes(index, "big")]


def _work(session: pytest.Session, items: Iterator[pytest.Item], says: Connection) -> None:
    """Runs these tests, and ends the process."""
    status = 1
    try:
        _be_silent(session.config)
        session.config.pluginmanager.register(_Reporter(session.config, says))
        item = next(items, None)
        while item:
            following = next(items, None)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            item = following
        status = 0
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            session._setupstate.teardown_exact(None)
        finally:
            os._exit(status)


def _be_silent(config: pytest.Config) -> None:
    """Leaves the terminal to the process that hears of all tests; what tests print is kept apart for each process."""
    plugins = config.pluginmanager
    terminal: Any = plugins.unregister(name="terminalreporter")
    plugins.register(
        SimpleNamespace(_tw=terminal._tw), "terminalreporter"
    )  # assertions are shown in its colours
    capture: Any = plugins.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    capture.suspend_global_capture()


class _Reporter:
    """Sends what a worker reports."""

    def __init__(self, config: pytest.Config, says: Connection) -> None:
        self._config, self._says = config, says

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._says.send(self._config.hook.pytest_report_to_serializable(config=self._config, report=report))


def _listen(session: pytest.Session, workers: list[Connection]) -> set[str]:
    """Reports what the workers report until they end; gives the tests that have ended."""
    hook = session.config.hook
    ended = set()
    while workers:
        for said in wait(workers):
            assert isinstance(said, Connection)
            try:
                data = said.recv()
            except EOFError:
                workers.remove(said)
                continue
            report = hook.pytest_report_from_serializable(config=session.config, data=data)
            hook.pytest_runtest_logreport(report=report)
            if report.when == "teardown":
                ended.add(report.nodeid)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
    return ended


def _fail(item: pytest.Item, why: str) -> None:
    report = pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call")
    item.config.hook.pytest_runtest_logreport(report=report)

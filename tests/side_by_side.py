"""Runs the tests in several processes: `pytest --processes auto`.

All tests are collected once, by the process that then forks the others. Each of these takes the next file whenever it
has done one, so that what a file's tests share is started once. Files whose tests wait for other processes are in one
queue and those that compute in another, both in their order; of eight processes, five begin with the queue of those
that wait, so that the processors have work until the end. What they report is told to pytest's plugins in the first
process, as if the tests had run there.

It is not pytest-xdist, whose processes would each collect all tests for five seconds: a minute and more of the suite.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import struct
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, groupby
from multiprocessing.connection import Connection
from selectors import EVENT_READ, DefaultSelector
from typing import Any

import pytest

_NUMBER = struct.Struct("!I")


class SideBySide:
    """The plugin: it runs the tests that have been collected, `count` files at a time.

    Args:
        waiting: what the names of files begin with whose tests wait for other processes.
    """

    def __init__(self, count: int, waiting: tuple[str, ...] = ()) -> None:
        self._count = count
        self._waiting = waiting

    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        option = session.config.option
        if session.testsfailed or option.collectonly or option.usepdb:
            return None  # which is pytest's own business
        files = [list(items) for _, items in groupby(session.items, _file)]
        context = multiprocessing.get_context("fork")
        waiting = [n for n, items in enumerate(files) if _file(items[0]).startswith(self._waiting)]
        computing = [n for n in range(len(files)) if n not in waiting]
        queues = [_pipe_of(waiting), _pipe_of(computing)]
        processes: dict[Connection, Any] = {}
        for number in range(min(self._count, len(files))):
            reports, told = context.Pipe(duplex=False)
            ends = [*processes, reports]
            first_to_last = queues if number % 8 < 5 else queues[::-1]
            process = context.Process(target=_run, args=(session, files, first_to_last, told, ends))
            process.start()
            told.close()
            processes[reports] = process
        for queue in queues:
            os.close(queue)
        done = _tell_on(session, list(processes))
        reason = session.shouldfail or session.shouldstop
        for process in processes.values():
            if reason:
                os.kill(process.pid, signal.SIGINT)
            process.join()
        if reason:
            raise (session.Failed if session.shouldfail else session.Interrupted)(reason)
        problem = f"the processes ended with {[process.exitcode for process in processes.values()]}"
        for item in session.items:
            if item.nodeid not in done:
                report = pytest.TestReport(item.nodeid, item.location, {}, "failed", problem, "call")
                session.config.hook.pytest_runtest_logreport(report=report)
        return True


def _tell_on(session: pytest.Session, processes: list[Connection]) -> set[str]:
    """Tells pytest's plugins what the processes report, until they have ended or it is to stop; gives the tests that
    are done."""
    hooks, done = session.config.hook, set()
    selector = DefaultSelector()
    for each in processes:
        selector.register(each, EVENT_READ)
    while selector.get_map() and not (session.shouldfail or session.shouldstop):
        for ready, _ in selector.select():
            process = ready.fileobj
            assert isinstance(process, Connection)
            try:
                nodeid, location, reports = process.recv()
            except EOFError:
                selector.unregister(process)
                continue
            hooks.pytest_runtest_logstart(nodeid=nodeid, location=location)
            for report in reports:
                hooks.pytest_runtest_logreport(report=report)
            hooks.pytest_runtest_logfinish(nodeid=nodeid, location=location)
            done.add(nodeid)
    return done


class _Teller:
    """The plugin of a process that runs tests: it tells the first one of each test what there is to report."""

    def __init__(self, told: Connection) -> None:
        self._told = told
        self._reports: list[pytest.TestReport] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._reports.append(report)

    def pytest_runtest_logfinish(self, nodeid: str, location: Any) -> None:
        self._told.send((nodeid, location, self._reports))
        self._reports = []


def _run(
    session: pytest.Session,
    files: list[list[pytest.Item]],
    queues: list[int],
    told: Connection,
    ends: list[Connection],
) -> None:
    """Runs the tests of one file after another, as long as there are any, in a process of its own."""
    # The first process alone reads these: if it is killed, nobody does, and this one ends, too.
    for end in ends:
        end.close()
    config: Any = session.config
    plugins = config.pluginmanager
    plugins.unregister(name="terminalreporter")
    plugins.register(_Teller(told))
    # The processes would share a file for what is captured, and look through one folder for names that are free.
    capture = plugins.get_plugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    folders = config._tmp_path_factory
    folders._basetemp = folders.mktemp("process")
    try:
        with suppress(KeyboardInterrupt):
            items = chain.from_iterable(files[number] for number in _numbers_of(queues))
            item = next(items, None)
            while item is not None:
                following = next(items, None)
                config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                item = following
    finally:
        plugins.get_plugin("runner").pytest_sessionfinish(session)


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _pipe_of(numbers: list[int]) -> int:
    """A pipe that holds these numbers, and nothing after them."""
    source, sink = os.pipe()
    with os.fdopen(sink, "wb") as writing:
        writing.write(b"".join(map(_NUMBER.pack, numbers)))
    return source


def _numbers_of(queues: list[int]) -> Iterator[int]:
    """What this process takes out of the pipes, which all of them read: of the first, then of the others."""
    for queue in queues:
        while number := os.read(queue, _NUMBER.size):
            yield _NUMBER.unpack(number)[0]

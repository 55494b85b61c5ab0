"""What all tests share: their environment, their order, the processes that run them, and fixtures."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fast_forward import FastForwardLoop
from tests.forked import fork_server
from tests.gateway import postgres
from tests.side_by_side import SideBySide

# Bytecode is kept, whatever the machine's setting is: the tests start dozens of processes.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# A shell that runs the tests in the background ignores Ctrl-C, and so would the programs that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What one test looks up must not be there for the next, whose server may have the same port; nor may tests write into a
# home. The processes that tests start have it from here.
os.environ["AREPLICATE_CACHE_DIR"] = "off"

# Each client would read the certificates of all authorities, which takes as long as ten requests: no test meets one.
os.environ.update(SSL_CERT_FILE="", SSL_CERT_DIR=os.path.dirname(__file__))

# How fast the machine is decides no test.
settings.register_profile(
    "areplicate", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("areplicate")
# For `make test-slow`.
settings.register_profile("thorough", settings.get_profile("areplicate"), max_examples=1000)
# For `make mutants`: the same examples each time, and the first that fails is enough. One process runs all tests
# several times over, which is no fault of theirs.
settings.register_profile(
    "mutants",
    settings.get_profile("areplicate"),
    derandomize=True,
    database=None,
    max_examples=40,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


ROOMS_THAT_WAIT = ("tests/gateway/", "tests/integrations/", "tests/docs/", "tests/cli/")
"""Where tests wait for other processes."""


MOST_IMPORT = ("anthropic.types", "httpcore", "jsonschema", "openai.resources", "trustme")
"""What takes most processes that run tests a second to import (`tests/lazily.py`), if it is not there before."""


def _processes(number: str) -> int:
    """With `auto`, eight on two processors: tests of the gateway wait for more than half of their time."""
    return 4 * (os.cpu_count() or 1) if number == "auto" else int(number)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--processes", type=_processes, help="how many processes run the tests, or auto")


def pytest_configure(config: pytest.Config) -> None:
    if processes := config.getoption("processes"):
        fork_server()  # they share it, and what follows
        postgres.share()
        config.pluginmanager.register(SideBySide(processes, ROOMS_THAT_WAIT))
    if config.getoption("--hypothesis-profile") == "mutants":
        # `make mutants` forks an interpreter for each mutant: what it has imported need not be searched for garbage,
        # and what functions kept of the tests before would hide the mutant.
        gc.freeze()
        for name in [name for name in sys.modules if name.startswith("areplicate.")]:
            for value in vars(sys.modules[name]).values():
                if callable(clear := getattr(value, "cache_clear", None)):
                    clear()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: at the end, all others would have to wait for it."""
    items.sort(key=_seconds, reverse=True)
    for item in items:
        _leave_no_garbage(item)


def _seconds(item: pytest.Item) -> int:
    marker = item.get_closest_marker("first")
    return 0 if marker is None else int(marker.args[0])


def _leave_no_garbage(item: pytest.Item) -> None:
    """A file that ignores warnings, as other people's clients leave connections open, leaves none to the next one,
    which might not ignore them."""
    if not isinstance(item, pytest.Function) or "no_garbage_for_others" in item.fixturenames:
        return
    if item.parent is not None and item.parent.get_closest_marker("filterwarnings") is not None:
        item.fixturenames.insert(0, "no_garbage_for_others")


def pytest_collection() -> None:
    gc.disable()  # all that is collected stays


def pytest_collection_finish(session: pytest.Session) -> None:
    """No garbage is looked for in what has been collected: that would take a fifth of the time of the tests."""
    if session.config.getoption("processes"):
        if any(item.get_closest_marker("integration") for item in session.items):
            fork_server("integrations")
        for name in MOST_IMPORT:
            importlib.import_module(name)
        _make_tables_of_characters()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()


@settings(database=None)
@given(st.text())
def _make_tables_of_characters(text: str) -> None:
    """Each of the processes that run tests would make them, and read the constants of all modules."""


@pytest.fixture(scope="module")
def no_garbage_for_others() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Tests marked `anyio` run on a loop that skips waiting; on one that waits if they are marked `real_time`, too."""
    waits = request.node.get_closest_marker("real_time") is not None
    return "asyncio", {} if waits else {"loop_factory": FastForwardLoop}


@pytest.fixture
def no_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's own prompt templates end with it."""
    from areplicate.chat.formats import templates

    monkeypatch.setattr(templates, "REGISTERED", {})

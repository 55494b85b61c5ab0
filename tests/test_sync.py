"""`completion()` where nothing is async: scripts, threads, notebooks, and interpreters that end.

Time is real here: the calls run on a background thread's own loop.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal

from areplicate import (
    APIConnectionError,
    AsyncRouter,
    BadRequestError,
    CompletionStream,
    ModelResponse,
    acompletion,
    completion,
    stream_to_completion,
)
from areplicate.local import LocalModel, LocalReplicate
from tests import forked
from tests.stage import HELLO, KEY, LLAMA, in_the_environment, llama, wait_until_nothing_runs
from tests.waiting import eventually

pytestmark = pytest.mark.first(30)


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalReplicate]:
    with LocalReplicate([llama(reply=["I", " am", " fine."])]) as local:
        in_the_environment(local, monkeypatch)
        yield local


def text_of(response: ModelResponse) -> str | None:
    return response.choices[0].message.content


def run(code: str) -> subprocess.CompletedProcess[str]:
    """In an interpreter that begins and ends as those of users do."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
    )


def said_by(script: forked.Process) -> str:
    """The output of a script, which ends well and without an error or a warning."""
    stdout, stderr = script.communicate(timeout=60)
    assert (stderr, script.returncode) == ("", 0)
    return stdout


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def start(tmp_path: Path) -> Callable[[str], forked.Process]:
    """The same in one that has imported the package."""

    def start(code: str) -> forked.Process:
        program = tmp_path / "program.py"
        program.write_text(f'import warnings\nwarnings.simplefilter("error")\n{textwrap.dedent(code)}')
        return forked.Process(str(program))

    return start


def test_a_script_gets_its_answer(local: LocalReplicate) -> None:
    assert text_of(completion(model=f"replicate/{LLAMA}", messages=HELLO)) == "I am fine."


def test_ten_threads_share_one_pool(local: LocalReplicate) -> None:
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: text_of(completion(LLAMA, HELLO)), range(30)))
    assert answers == ["I am fine."] * 30


def test_it_works_inside_a_running_loop_as_in_a_notebook(local: LocalReplicate) -> None:
    async def cell() -> str | None:
        return text_of(completion(LLAMA, HELLO))

    assert asyncio.run(cell()) == "I am fine."


def test_each_event_loop_gets_a_router_of_its_own(local: LocalReplicate) -> None:
    for _ in range(3):
        response = asyncio.run(acompletion(LLAMA, HELLO))
        assert text_of(response) == "I am fine."


def test_a_router_of_a_loop_that_has_ended_says_so(local: LocalReplicate) -> None:
    router = AsyncRouter()
    assert text_of(asyncio.run(router.acompletion(LLAMA, HELLO))) == "I am fine."
    with pytest.raises(
        APIConnectionError, match="each asyncio.run has its own, and needs a router of its own"
    ):
        asyncio.run(router.acompletion(LLAMA, HELLO))


def test_streamed_chunks_come_one_by_one(local: LocalReplicate) -> None:
    chunks = list(completion(LLAMA, HELLO, stream=True))
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "I", " am", " fine.", None]
    assert text_of(stream_to_completion(chunks)) == "I am fine."


def test_leaving_a_stream_early_cancels_the_prediction() -> None:
    with LocalReplicate([llama(reply=["a"] * 100, run_seconds=60)]) as local:
        for chunk in completion(LLAMA, HELLO, stream=True, api_key=KEY, api_base=local.api_base):
            if chunk.choices[0].delta.content:
                break
        wait_until_nothing_runs(local)


def test_an_interpreter_ends_without_a_word(local: LocalReplicate) -> None:
    ended = run(f"""
        import areplicate
        print(areplicate.completion({LLAMA!r}, {HELLO!r}).choices[0].message.content)
        stream = areplicate.completion({LLAMA!r}, {HELLO!r}, stream=True)
        next(stream)
        results = areplicate.map({{"model": {LLAMA!r}, "messages": {HELLO!r}}} for _ in range(9))
        next(results)
    """)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("I am fine.\n", "", 0)


@pytest.mark.skipif(
    (3, 12) <= sys.version_info < (3, 12, 3),
    reason="Python itself begins no thread then, a fault mended in 3.12.3",
)
@pytest.mark.parametrize("ends", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_on_status_ends_is_its_own_call_alone(local: LocalReplicate, ends: type[BaseException]) -> None:
    def leave(_: object) -> None:
        raise ends

    with ThreadPoolExecutor(1) as threads:
        beside = threads.submit(completion, LLAMA, HELLO)
        with pytest.raises(ends):
            completion(LLAMA, HELLO, on_status=leave)
        assert text_of(beside.result()) == "I am fine."
    assert text_of(completion(LLAMA, HELLO)) == "I am fine."
    wait_until_nothing_runs(local)


def test_a_thread_may_call_once_the_main_thread_has_ended(local: LocalReplicate) -> None:
    ended = run(f"""
        import threading
        from areplicate import completion
        def ask():
            threading.main_thread().join()
            print(completion({LLAMA!r}, {HELLO!r}).choices[0].message.content)
        threading.Thread(target=ask).start()
    """)
    assert (ended.stdout, ended.stderr) == ("I am fine.\n", "")


def test_an_asyncio_program_ends_without_a_word(local: LocalReplicate) -> None:
    ended = run(f"""
        import asyncio, areplicate
        print(asyncio.run(areplicate.acompletion({LLAMA!r}, {HELLO!r})).choices[0].message.content)
    """)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("I am fine.\n", "", 0)


def test_greenlets_of_gevent_wait_beside_each_other(local: LocalReplicate) -> None:
    ended = run(f"""
        import gevent.monkey
        gevent.monkey.patch_all()
        import gevent
        from areplicate import completion
        asked = [gevent.spawn(completion, {LLAMA!r}, {HELLO!r}) for _ in range(3)]
        gevent.joinall(asked, timeout=20)
        print(*[greenlet.value and greenlet.value.choices[0].message.content for greenlet in asked])
    """)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("I am fine. I am fine. I am fine.\n", "", 0)


@needs_fork
def test_a_forked_child_can_call_too(local: LocalReplicate, start: Callable[[str], forked.Process]) -> None:
    script = start(f"""
        import os, sys, warnings, areplicate
        warnings.simplefilter("ignore")
        areplicate.completion({LLAMA!r}, {HELLO!r})
        child = os.fork()
        if child == 0:
            print(areplicate.completion({LLAMA!r}, {HELLO!r}).choices[0].message.content, flush=True)
            os._exit(0)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    assert said_by(script) == "I am fine.\n"


@needs_fork
@pytest.mark.parametrize("imported", ["anyio._backends._asyncio", "aiohttp.client"])
def test_a_child_that_is_forked_while_another_thread_makes_the_first_call_can_call_too(
    local: LocalReplicate, imported: str
) -> None:
    """That call imports what it runs on, and what is half imported stays so in the child."""
    ended = run(f"""
        import os, signal, sys, threading, time, warnings
        from areplicate import completion
        warnings.simplefilter("ignore", DeprecationWarning)  # some Pythons warn of any fork beside threads
        importing = threading.Event()

        class Slow:
            def find_spec(self, name, *_):
                if name == {imported!r}:
                    importing.set()
                    time.sleep(0.2)

        sys.meta_path.insert(0, Slow())

        def call():
            print(completion({LLAMA!r}, {HELLO!r}).choices[0].message.content, flush=True)

        thread = threading.Thread(target=call)
        thread.start()
        importing.wait()
        child = os.fork()
        if not child:
            signal.alarm(20)
            call()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        thread.join()
    """)
    assert (ended.stderr, ended.stdout.splitlines()) == ("", ["I am fine."] * 2)


@needs_fork
def test_a_forked_child_that_leaves_cancels_its_own_predictions_alone(
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[[str], forked.Process],
) -> None:
    """Parent and child ask the same at the same moment, with what the parent's router has learnt before."""
    quick = LocalModel(owner="acme", name="quick")
    with LocalReplicate([quick, llama(reply=["fine"], run_seconds=6)]) as local:
        in_the_environment(local, monkeypatch)
        script = start(f"""
            import asyncio, os, warnings, areplicate
            warnings.simplefilter("ignore")
            areplicate.completion("acme/quick", {HELLO!r})
            child = os.fork()
            if child == 0:
                async def leave():
                    asked = [areplicate.acompletion({LLAMA!r}, {HELLO!r}) for _ in range(3)]
                    await asyncio.wait_for(asyncio.gather(*asked), 0.7)
                try:
                    asyncio.run(leave())
                except asyncio.TimeoutError:
                    os._exit(0)
                os._exit(1)
            # With marks of its own: of two that draw the same, none is known well enough to be cancelled.
            asked = areplicate.completion({LLAMA!r}, {HELLO!r}, timeout=900)
            print(asked.choices[0].message.content, flush=True)
            raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """)
        assert said_by(script) == "fine\n"
        wait_until_nothing_runs(local)
        statuses = sorted(prediction.status for prediction in local.predictions.values())
        assert statuses == ["canceled"] * 3 + ["succeeded"] * 2


@needs_fork
def test_a_child_of_multiprocessing_leaves_nothing_running(
    monkeypatch: pytest.MonkeyPatch, start: Callable[[str], forked.Process]
) -> None:
    """It ends without what `atexit` would do."""
    with LocalReplicate([llama(reply=["a"] * 100, run_seconds=60)]) as local:
        in_the_environment(local, monkeypatch)
        script = start(f"""
            import areplicate, asyncio, multiprocessing, warnings
            warnings.simplefilter("ignore")
            def leave():
                next(areplicate.completion({LLAMA!r}, {HELLO!r}, stream=True))
                loop = asyncio.new_event_loop()
                stream = loop.run_until_complete(areplicate.acompletion({LLAMA!r}, {HELLO!r}, stream=True))
            child = multiprocessing.get_context("fork").Process(target=leave)
            child.start()
            child.join()
        """)
        said_by(script)
        assert len(local.predictions) == 2 and not local.running()


@needs_fork
def test_a_forked_child_that_leaves_its_parents_router_ends_without_a_word(
    local: LocalReplicate, start: Callable[[str], forked.Process]
) -> None:
    script = start(f"""
        import asyncio, os, warnings, areplicate
        warnings.simplefilter("ignore")
        async def main():
            async with areplicate.AsyncRouter() as router, await router.acompletion({LLAMA!r}, {HELLO!r}, stream=True):
                child = os.fork()
                if child:
                    assert os.waitpid(child, 0)[1] == 0
        asyncio.run(main())
    """)
    said_by(script)


@needs_fork
def test_a_stream_that_a_forked_child_reads_says_whose_it_is_and_goes_on_in_the_parent(
    monkeypatch: pytest.MonkeyPatch, start: Callable[[str], forked.Process]
) -> None:
    with LocalReplicate([llama(reply=["a"] * 100, run_seconds=60)]) as local:
        in_the_environment(local, monkeypatch)
        script = start(f"""
            import areplicate, os, warnings
            warnings.simplefilter("ignore")
            stream = areplicate.completion({LLAMA!r}, {HELLO!r}, stream=True)
            next(stream)
            child = os.fork()
            if child == 0:
                try:
                    next(stream)
                except areplicate.BadRequestError as error:
                    print(error, flush=True)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            for _ in range(3):
                next(stream)
            stream.close()
        """)
        stdout = said_by(script)
        assert "another event loop, in another thread or process" in stdout
        wait_until_nothing_runs(local)


def test_a_router_refuses_another_loop_and_goes_on_on_its_own() -> None:
    """Used in another thread, it lost what it had to cancel."""
    with LocalReplicate([llama(reply=["a"] * 100, run_seconds=60)]) as local, ThreadPoolExecutor() as threads:
        router = AsyncRouter(api_key=KEY, api_base=local.api_base)

        def elsewhere(stream: CompletionStream) -> None:
            for use in (lambda: router.acompletion(LLAMA, HELLO), stream.__anext__, router.aclose):
                with pytest.raises(BadRequestError, match="another event loop"):
                    asyncio.run(use())

        async def main() -> None:
            loop = asyncio.get_running_loop()
            async with router:
                kept, misused = [await router.acompletion(LLAMA, HELLO, stream=True) for _ in range(2)]
                for stream in (kept, misused):
                    await anext(stream)
                await loop.run_in_executor(threads, elsewhere, misused)
                assert await anext(kept)

        asyncio.run(main())
        assert len(local.predictions) == 2 and not local.running()


@pytest.mark.parametrize(
    ("call", "times"),
    [
        (f"areplicate.completion({LLAMA!r}, {HELLO!r})", 3),
        (f"list(areplicate.completion({LLAMA!r}, {HELLO!r}, stream=True))", 1),
        (f"asyncio.run(areplicate.acompletion({LLAMA!r}, {HELLO!r}))", 1),
    ],
)
def test_ctrl_c_cancels_the_prediction(
    monkeypatch: pytest.MonkeyPatch, start: Callable[[str], forked.Process], call: str, times: int
) -> None:
    with LocalReplicate([llama(boot_seconds=60)]) as local:
        in_the_environment(local, monkeypatch)
        script = start(f"import asyncio, areplicate; {call}")
        eventually(lambda: local.predictions)
        for _ in range(times):
            script.send_signal(signal.SIGINT)
            time.sleep(0.02)
        _, said = script.communicate(timeout=20)
        assert "KeyboardInterrupt" in said
        assert "never" not in said
        assert local.predictions and not local.running()


@pytest.mark.parametrize("forever", [True, False])
def test_a_loop_in_a_daemon_thread_leaves_nothing_running(
    monkeypatch: pytest.MonkeyPatch, start: Callable[[str], forked.Process], forever: bool
) -> None:
    """It runs on while the interpreter ends, and its calls fail, which may end it then."""
    with LocalReplicate([llama(boot_seconds=60)]) as local:
        in_the_environment(local, monkeypatch)
        script = start(f"""
            import areplicate, asyncio, threading, time
            from concurrent.futures import Future
            created = Future()

            async def main():
                stream = await areplicate.acompletion({LLAMA!r}, {HELLO!r}, stream=True)
                created.set_result(None)
                try:
                    async for _ in stream:
                        pass
                except areplicate.APIConnectionError:
                    pass

            def go():
                if {forever}:
                    loop = asyncio.new_event_loop()
                    task = loop.create_task(main())
                    loop.run_forever()
                else:
                    asyncio.run(main())

            threading.Thread(target=go, daemon=True).start()
            created.result()
        """)
        said_by(script)
        assert local.predictions and not local.running()


def test_a_call_at_the_very_end_of_the_interpreter_says_so(local: LocalReplicate) -> None:
    """A thread that begins then never runs: the call waited for ever."""
    ended = run(f"""
        import areplicate

        class Late:
            def __del__(self):
                try:
                    areplicate.completion({LLAMA!r}, {HELLO})
                except areplicate.APIConnectionError as error:
                    print(error)

        late = Late()
        areplicate.completion({LLAMA!r}, {HELLO})
    """)
    assert (ended.stdout, ended.stderr) == ("The program ends, which ends its calls.\n", "")


def test_ctrl_c_in_the_first_moment_leaves_nothing_half_begun(local: LocalReplicate) -> None:
    """The main thread is interrupted wherever it first waits for another one."""
    ended = run(f"""
        import threading
        from concurrent.futures import Future
        import areplicate

        result = Future.result

        def interrupted(future, timeout=None):
            if threading.current_thread() is threading.main_thread():
                Future.result = result
                raise KeyboardInterrupt
            return result(future, timeout)

        Future.result = interrupted
        try:
            areplicate.completion({LLAMA!r}, {HELLO})
        except KeyboardInterrupt:
            print("interrupted")
        print(areplicate.completion({LLAMA!r}, {HELLO}).choices[0].message.content)
    """)
    assert (ended.stdout, ended.stderr) == ("interrupted\nI am fine.\n", "")


def test_ctrl_c_while_a_call_is_handed_to_the_background_cancels_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As may any signal's handler that raises, such as Celery's at a time limit."""
    quick = LocalModel(owner="acme", name="quick")
    with LocalReplicate([quick, llama(boot_seconds=60)]) as local:
        in_the_environment(local, monkeypatch)
        completion("acme/quick", HELLO)
        begin = BlockingPortal.start_task_soon

        def interrupted(portal: BlockingPortal, *work: Any) -> None:
            monkeypatch.setattr(BlockingPortal, "start_task_soon", begin)
            begin(portal, *work)
            raise KeyboardInterrupt

        for _ in range(5):
            monkeypatch.setattr(BlockingPortal, "start_task_soon", interrupted)
            with pytest.raises(KeyboardInterrupt):
                completion(LLAMA, HELLO)
        completion("acme/quick", HELLO)
        wait_until_nothing_runs(local)


def test_a_stream_has_one_reader_at_a_time_and_stays_whole() -> None:
    async def read_twice(base: str) -> str:
        stream = await acompletion(LLAMA, HELLO, stream=True, api_key=KEY, api_base=base)
        chunks = [await anext(stream)]  # the role; the first word is still to be written
        first, second = await asyncio.gather(anext(stream), anext(stream), return_exceptions=True)
        assert isinstance(second, BadRequestError) and "read by another task" in str(second)
        assert not isinstance(first, BaseException)
        chunks += [first, *[chunk async for chunk in stream]]
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    with LocalReplicate([llama(reply=["I", " am", " fine."], time_to_first_token=0.5)]) as local:
        assert asyncio.run(read_twice(local.api_base)) == "I am fine."

"""Counts the files of areplicate/ that one warm call visits, and how often it changes from one to another.

    python scripts/road.py [--list] [--library] [--source DIRECTORY]

The functions that are entered are noted in order (a coroutine that goes on is not entered again); a change is
one that lies in another file than the one before. Three roads are counted, each after two that warm up: a
completion, a stream, and a chat completion through the gateway, in the gateway's process. `--list` shows the
files in order; `--library` leaves out the gateway; `--source` counts another checkout's package. A road that is
longer than its limit is an exit status of 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from math import inf
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

MODEL = "meta/meta-llama-3-8b-instruct"
MESSAGES = [{"role": "user", "content": "Hello, how are you?"}]
KEY = "sk-road-master"
LIMITS = {"completion": (20, 40)}
"""Files and changes that a road may have."""


class Recorder:
    """Notes the file of each of the package's functions that is entered."""

    def __init__(self, package: Path) -> None:
        self._package = f"{package}{os.sep}"
        self._frames: list[FrameType] = []
        """Kept, so that a coroutine that goes on is known again."""
        self._seen: set[int] = set()

    def start(self) -> None:
        sys.setprofile(self._note)

    def stop(self) -> list[str]:
        """The files in the order in which their functions were entered."""
        sys.setprofile(None)
        return [frame.f_code.co_filename.removeprefix(self._package) for frame in self._frames]

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        inside = event == "call" and frame.f_code.co_filename.startswith(self._package)
        if inside and id(frame) not in self._seen:
            self._seen.add(id(frame))
            self._frames.append(frame)


class Road(NamedTuple):
    """The files of one road, entry by entry."""

    name: str
    entered: list[str]

    @property
    def files(self) -> list[str]:
        return list(dict.fromkeys(self.entered))

    @property
    def changes(self) -> int:
        return sum(one != other for one, other in pairwise(self.entered))

    @property
    def too_long(self) -> bool:
        files, changes = LIMITS.get(self.name, (inf, inf))
        return len(self.files) > files or self.changes > changes


async def library_roads(package: Path, api_base: str) -> list[Road]:
    """A completion and a stream, in this process."""
    from areplicate import AsyncRouter

    async with AsyncRouter(api_key="r8_road", api_base=api_base) as router:

        async def completion() -> None:
            await router.acompletion(MODEL, MESSAGES, max_tokens=20)

        async def stream() -> None:
            async for _ in await router.acompletion(MODEL, MESSAGES, max_tokens=20, stream=True):
                pass

        return [await record(package, name, call) for name, call in named(completion, stream)]


def named(*calls: Callable[[], Awaitable[None]]) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
    for call in calls:
        yield call.__name__, call


async def record(package: Path, name: str, call: Callable[[], Awaitable[None]]) -> Road:
    for _ in range(2):
        await call()
    recorder = Recorder(package)
    recorder.start()
    await call()
    return Road(name, recorder.stop())


def gateway_road(source: Path, api_base: str) -> Road:
    """One request to a gateway that runs in another process and records itself when it is told to."""
    with tempfile.TemporaryDirectory() as folder:
        config, entered = Path(folder) / "config.yaml", Path(folder) / "entered.json"
        entry = {"model": MODEL, "api_key": "r8_road", "api_base": api_base}
        settings = {"model_list": [{"model_name": "chat", "litellm_params": entry}]}
        config.write_text(json.dumps({**settings, "general_settings": {"master_key": KEY}}))
        with gateway(source, config, entered) as (process, url):
            while not ready(url):  # it opens its database meanwhile
                time.sleep(0.05)
            for _ in range(2):
                ask(url)
            process.send_signal(signal.SIGUSR1)
            time.sleep(0.2)
            ask(url)
            process.send_signal(signal.SIGUSR2)
            while not entered.exists():
                time.sleep(0.05)
            return Road("gateway request", json.loads(entered.read_text()))


@contextmanager
def gateway(source: Path, config: Path, entered: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, __file__, "--source", str(source), "--serve", str(config), str(entered)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        said = ""
        while "http://" not in said:
            if not (line := process.stderr.readline()):
                raise SystemExit(f"The gateway did not start:\n{said}")
            said += line
        port = said.rpartition("http://")[2].partition(":")[2].split('"')[0].split()[0].rstrip("/,")
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def serve(package: Path, config: Path, entered: Path) -> None:
    """Runs the gateway; SIGUSR1 starts the recording, SIGUSR2 ends it and writes it down."""
    from areplicate.cli import main as areplicate

    recorder = Recorder(package)

    def write(*_: Any) -> None:
        part = entered.with_suffix(".part")
        part.write_text(json.dumps(recorder.stop()))
        part.rename(entered)

    signal.signal(signal.SIGUSR1, lambda *_: recorder.start())
    signal.signal(signal.SIGUSR2, write)
    sys.argv = ["areplicate", "--config", str(config), "--host", "127.0.0.1", "--port", "0"]
    areplicate()


def ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health/readiness", timeout=10):
            return True
    except urllib.error.HTTPError:
        return False


def ask(url: str) -> None:
    body = json.dumps({"model": "chat", "messages": MESSAGES, "max_tokens": 20}).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


def show(roads: list[Road], *, listed: bool) -> None:
    print(f"{'':18}{'files':>6}{'limit':>7}{'changes':>9}{'limit':>7}")
    for road in roads:
        files, changes = LIMITS.get(road.name, ("", ""))
        print(f"{road.name:18}{len(road.files):6}{files:>7}{road.changes:9}{changes:>7}")
        if listed:
            print("".join(f"    {file}\n" for file in road.files), end="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--list", action="store_true", help="show the files in the order of their first visit"
    )
    parser.add_argument("--library", action="store_true", help="leave out the gateway")
    parser.add_argument("--source", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--serve", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    source = options.source.resolve()
    sys.path.insert(0, str(source))
    if options.serve:
        serve(source / "areplicate", *options.serve)
        return
    from areplicate.local import LocalModel, LocalReplicate

    owner, name = MODEL.split("/")
    with LocalReplicate([LocalModel(owner=owner, name=name, reply=["One", " word."])]) as local:
        roads = asyncio.run(library_roads(source / "areplicate", local.api_base))
        if not options.library:
            roads.append(gateway_road(source, local.api_base))
    show(roads, listed=options.list)
    if any(road.too_long for road in roads):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

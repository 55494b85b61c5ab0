"""Counts the files of areplicate/ that one warm call visits, and how often it changes from one to another.

    python scripts/road.py [--list] [--library]

The functions that are entered are noted in order (a coroutine that goes on is not entered again); a change is
one that lies in another file than the one before. Three roads are counted, each after two that warm up: a
completion, a stream, and a chat completion through the gateway. `--list` shows the files in order; `--library`
leaves out the gateway. A road that is longer than its limit is an exit status of 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import inf
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from areplicate import AsyncRouter
from areplicate.gateway import server
from areplicate.local import LocalModel, LocalReplicate

PACKAGE = str(Path(__file__).resolve().parents[1] / "areplicate") + os.sep
MODEL = "meta/meta-llama-3-8b-instruct"
MESSAGES = [{"role": "user", "content": "Hello, how are you?"}]
KEY = "sk-road-master"
LIMITS = {"completion": (20, 40)}
"""Files and changes that a road may have."""


class Recorder:
    """Notes the file of each of the package's functions that this thread enters, while it is open."""

    def __init__(self) -> None:
        self._frames: list[FrameType] = []
        """Kept, so that a coroutine that goes on is known again."""
        self._seen: set[int] = set()

    def __enter__(self) -> Recorder:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def forget(self) -> None:
        self._frames, self._seen = [], set()

    @property
    def entered(self) -> list[str]:
        """The files in the order in which their functions were entered."""
        return [frame.f_code.co_filename.removeprefix(PACKAGE) for frame in self._frames]

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        inside = event == "call" and frame.f_code.co_filename.startswith(PACKAGE)
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


async def library_roads(api_base: str) -> list[Road]:
    async with AsyncRouter(api_key="r8_road", api_base=api_base) as router:

        async def completion() -> None:
            await router.acompletion(MODEL, MESSAGES, max_tokens=20)

        async def stream() -> None:
            async for _ in await router.acompletion(MODEL, MESSAGES, max_tokens=20, stream=True):
                pass

        return [await road_of(completion), await road_of(stream)]


async def road_of(call: Callable[[], Awaitable[None]]) -> Road:
    for _ in range(2):
        await call()
    with Recorder() as recorder:
        await call()
    return Road(call.__name__, recorder.entered)


def gateway_road(api_base: str) -> Road:
    """One request to a gateway in this thread, which another one asks."""
    entry = {"model": MODEL, "api_key": "r8_road", "api_base": api_base}
    models = [{"model_name": "chat", "litellm_params": entry}]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as beside, Recorder() as recorder:
        config = Path(folder) / "config.yaml"
        config.write_text(json.dumps({"model_list": models, "general_settings": {"master_key": KEY}}))
        serving = server.Serving(path=config)
        listener = socket.create_server(("127.0.0.1", 0))
        entered = beside.submit(ask_and_end, listener.getsockname()[1], recorder)
        server.run(serving.read(), listener, serving, tls=None)
        return Road("gateway request", entered.result())


def ask_and_end(port: int, recorder: Recorder) -> list[str]:
    """What the gateway entered for the last of three requests."""
    url = f"http://127.0.0.1:{port}"
    try:
        while not ready(url):  # it opens its database meanwhile
            time.sleep(0.05)
        for _ in range(3):
            recorder.forget()
            ask(url)
        return recorder.entered
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


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
    options = parser.parse_args()
    owner, name = MODEL.split("/")
    with LocalReplicate([LocalModel(owner=owner, name=name, reply=["One", " word."])]) as local:
        roads = asyncio.run(library_roads(local.api_base))
        if not options.library:
            roads.append(gateway_road(local.api_base))
    show(roads, listed=options.list)
    if any(road.too_long for road in roads):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

"""A command ends at SIGTERM whatever its event loop is doing, and its exit status says so."""

from __future__ import annotations

import json
import re
import signal
import socket
from pathlib import Path
from urllib.request import Request, urlopen

from tests.cli.command import environment
from tests.forked import Process
from tests.waiting import eventually

WITHIN = """
import signal, sys
import anyio
from areplicate.cli.signals import run

def profile(frame, event, _):
    if event == "call" and frame.f_code.co_name == "task_done":
        sys.setprofile(None)
        signal.raise_signal(signal.SIGTERM)

async def work():
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(anyio.sleep, 0.01)
        sys.setprofile(profile)
        await anyio.sleep_forever()

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
run(work)
"""
"""SIGTERM comes just as the event loop is about to tell a group of tasks that one has ended."""


def test_sigterm_between_two_steps_of_the_event_loop(tmp_path: Path) -> None:
    (tmp_path / "command.py").write_text(WITHIN)
    assert ending_of(Process(str(tmp_path / "command.py"), env=environment(None))) == (143, "")


def test_the_stand_in_ends_at_sigterm_while_it_holds_requests_open(tmp_path: Path) -> None:
    with (tmp_path / "said").open("w+b") as said:
        command = ("local", "--port", "0", "--boot", "600")
        local = Process("areplicate", *command, env=environment(None), stderr=said)
        eventually(lambda: "Try:" in Path(said.name).read_text())
        port = int(re.findall(r":(\d+)/v1", Path(said.name).read_text())[0])
        with socket.create_connection(("127.0.0.1", port)) as held:
            body = json.dumps({"input": {"prompt": "Hi"}})
            path = "/v1/models/meta/meta-llama-3-8b-instruct/predictions"
            headers = f"Host: x\r\nAuthorization: Bearer x\r\nPrefer: wait=60\r\nContent-Length: {len(body)}"
            held.sendall(f"POST {path} HTTP/1.1\r\n{headers}\r\n\r\n{body}".encode())
            listed = Request(f"http://127.0.0.1:{port}/v1/predictions", headers={"Authorization": "Bearer x"})
            eventually(lambda: json.loads(urlopen(listed).read())["results"])
            local.send_signal(signal.SIGTERM)
            status, _ = ending_of(local)
        assert status == 143 and "Traceback" not in Path(said.name).read_text()


def ending_of(command: Process) -> tuple[int | None, str]:
    """The exit status of a command that ends within seconds, and what it said on stderr."""
    try:
        _, said = command.communicate(timeout=30)
    finally:
        command.kill()
    return command.returncode, said

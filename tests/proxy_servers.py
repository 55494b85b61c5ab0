"""Real proxies for tests, each in a process of its own, and TLS in front of a server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal

from tests.forked import Process
from tests.lazily import Lazily
from tests.stage import free_port

trustme: Any = Lazily("trustme")

USER, PASSWORD = "user", "pa@ss:word"
CREDENTIALS = "user:pa%40ss%3Aword"
"""The same as they stand in a URL."""

_SOCKS_PROXY = """
import asyncio, sys
sys.modules["uvloop"] = None  # which has no loop before one runs
asyncio.set_event_loop(asyncio.new_event_loop())
from pproxy.server import main
main(sys.argv[1:])
"""


@contextlib.contextmanager
def http_proxy(auth: bool = False) -> Iterator[str]:
    """proxy.py; gives `host:port`."""
    port = free_port()
    options = ["--hostname", "127.0.0.1", "--port", str(port), "--num-workers", "1", "--num-acceptors", "1"]
    if auth:
        options += ["--basic-auth", f"{USER}:{PASSWORD}"]
    with _running(Process("proxy", *options), port):
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def socks_proxy(auth: bool = False) -> Iterator[str]:
    """pproxy, which speaks SOCKS4 and SOCKS5; gives `host:port`."""
    port = free_port()
    wanted = f"#{USER}:{PASSWORD}" if auth else ""
    options = ["--auth=-1", "-l", f"socks4+socks5://127.0.0.1:{port}/{wanted}"]
    command = [sys.executable, "-c", _SOCKS_PROXY, *options]
    quiet = subprocess.DEVNULL
    with _running(subprocess.Popen(command, stdout=quiet, stderr=quiet), port):
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def tls_in_front(port: int, folder: Path) -> Iterator[tuple[str, Path]]:
    """TLS in front of a local port; gives the origin, and the file of the authority to trust."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    trusted = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pass_on(reader, inner_writer), pass_on(inner_reader, writer))

    with _listening(connected, ssl=context) as address:
        yield f"https://localhost:{address.rpartition(':')[2]}", trusted


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    """Takes connections and says nothing; gives `host:port`."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    with _listening(connected) as address:
        yield address


@contextlib.contextmanager
def _listening(connected: Any, **options: Any) -> Iterator[str]:
    """An asyncio server on a loop of its own, whichever the test runs on."""
    with start_blocking_portal() as portal:
        server = portal.call(partial(asyncio.start_server, connected, "127.0.0.1", 0, **options))
        host, port = server.sockets[0].getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            portal.call(server.close)


@contextlib.contextmanager
def _running(process: Process | subprocess.Popen[bytes], port: int) -> Iterator[None]:
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None, "the proxy has ended"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

"""One gateway process: it listens, reloads on SIGHUP, and drains on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from .app import Gateway
from .config.config import Config, read_config
from .config.yaml_file import ConfigError
from .http.connections import Server
from .http.dispatch import Dispatcher
from .http.routes import ROUTES
from .logs import logger

BACKLOG = 4096
_LOOK_SECONDS = 1.0
_CANCEL_SECONDS = 8.0
"""Seconds in which cancelled requests get to cancel their predictions."""
_ANSWER_SECONDS = 1.0
"""Seconds in which their clients get to take the answer that says so."""


def run(config: Config, path: Path, listener: socket.socket, *, alone: bool, worker: bool) -> None:
    """Serves on a bound socket until SIGTERM or SIGINT, and returns when all is written.

    A `worker` also ends when its parent has: nobody would be left to stop it.
    """
    asyncio.run(_serve(config, path, listener, alone, worker))


async def _serve(config: Config, path: Path, listener: socket.socket, alone: bool, worker: bool) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    background: set[asyncio.Task[None]] = set()
    gateway = Gateway(config, alone=alone, routes=ROUTES)

    def begin(work: Coroutine[Any, Any, None]) -> None:
        task = loop.create_task(work)
        background.add(task)
        task.add_done_callback(background.discard)

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: begin(_reload(gateway, path)))

    dispatcher = Dispatcher(gateway, ROUTES)
    server = Server(
        dispatcher.handle, request_factory=partial(web.BaseRequest, loop=loop), handler_cancellation=True
    )
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.SockSite(runner, listener, backlog=BACKLOG)
    await site.start()
    gateway.start()
    if worker:
        begin(_watch_parent(os.getppid(), stopped))
    host, port = listener.getsockname()[:2]
    logger.info("listening", extra={"url": f"http://{host}:{port}", "models": list(config.names)})
    try:
        await stopped.wait()
        stopped.clear()
        await _drain(gateway, dispatcher, site, stopped)
    finally:
        for task in background:
            task.cancel()
        await runner.cleanup()
        await gateway.aclose()
        logger.info("stopped")


async def _drain(gateway: Gateway, dispatcher: Dispatcher, site: web.BaseSite, again: asyncio.Event) -> None:
    """Ends what is in flight: by waiting; then, or at a second signal, by cancelling it, which clients are told."""
    gateway.draining = True
    await site.stop()
    tasks = [task for task in dispatcher.tasks if task is not None]
    logger.info("draining", extra={"in_flight": len(tasks)})
    if not tasks:
        return
    impatient = asyncio.ensure_future(again.wait())
    ended = asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.wait(
        (impatient, ended), timeout=gateway.config.general.drain_seconds, return_when=asyncio.FIRST_COMPLETED
    )
    impatient.cancel()
    left = [task for task in tasks if not task.done()]
    if left:
        logger.warning("cancelling what is still in flight", extra={"in_flight": len(left)})
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(gateway.end_calls(), _CANCEL_SECONDS)
        # What is left by now does not wait for Replicate, but for its client.
        await asyncio.wait(left, timeout=_ANSWER_SECONDS)
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=_ANSWER_SECONDS)
    with contextlib.suppress(asyncio.CancelledError):
        await ended


async def _watch_parent(parent: int, stopped: asyncio.Event) -> None:
    while os.getppid() == parent:
        await asyncio.sleep(_LOOK_SECONDS)
    logger.error("the parent process has gone: stopping")
    stopped.set()


async def _reload(gateway: Gateway, path: Path) -> None:
    """Takes the configuration anew; one that is wrong changes nothing."""
    try:
        config = await asyncio.to_thread(read_config, path)
    except ConfigError as error:
        logger.error("the configuration is wrong and was not taken: %s", error)
        return
    for warning in config.warnings:
        logger.warning("%s", warning)
    if config.master_key is None and not gateway.accounts.auth.open:
        logger.error("the configuration has no master_key any more: that needs a restart; it was not taken")
        return
    await gateway.reload(config)
    logger.info("configuration reloaded", extra={"models": list(config.names)})

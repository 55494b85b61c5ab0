"""One gateway process: it listens, reloads on SIGHUP, and drains on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import shutil
import signal
import socket
import ssl
from functools import partial
from pathlib import Path

import anyio
import msgspec

from ..portal import loop_options
from . import descriptors
from .api.routes import ROUTES
from .app import Gateway
from .batches.batches import Batches
from .config.config import Config, read_config
from .config.yaml_file import ConfigError
from .early_signals import take_over
from .http.connections import Server
from .http.dispatch import Dispatcher
from .http.listener import Listener
from .logs import fields, logger
from .memory import give_back_early
from .tls import Certificate

HURRY = signal.SIGUSR1
"""Tells a worker not to wait any longer. SIGTERM may come to it twice: systemd sends it to all processes of a service,
and the parent passes on its own."""
_LOOK_SECONDS = 1.0
_LINGER_SECONDS = 0.5
"""Seconds for which requests on open connections are still answered, if only with a refusal."""
_CANCEL_SECONDS = 8.0
"""Seconds for cancelled requests to cancel their predictions."""
_ANSWER_SECONDS = 1.0
"""Seconds for their clients to receive the error."""
_OBJECTS_BETWEEN_COLLECTIONS = 10_000
"""About as many as fifty requests in flight keep; Python's own default of 700 is as many as four."""


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """How one process serves.

    Attributes:
        path: the configuration file; `source`: a copy that is read in its place, if the parent process keeps one.
        alone: whether no other process uses the database.
        workers: how many processes share the account's limits.
        parent: the process id of the parent of several of them, with which they end.
        certificate: what is read again on SIGHUP.
    """

    path: Path
    source: Path | None = None
    alone: bool = True
    workers: int = 1
    parent: int | None = None
    certificate: Certificate | None = None

    def read(self, *, again: bool = False) -> Config:
        return read_config(self.path, self.source, again=again).shared_by(self.workers)


def run(config: Config, listener: socket.socket, serving: Serving, tls: ssl.SSLContext | None) -> None:
    """Serves on a bound socket until SIGTERM or SIGINT, and returns when all is written."""
    give_back_early()
    anyio.run(_Process(config, serving).run, listener, tls, backend_options=loop_options())
    if serving.source is not None and os.getppid() != serving.parent:
        # What the parent process has kept for its workers holds keys, and nobody else deletes it now.
        shutil.rmtree(serving.source.parent, ignore_errors=True)


class _Process:
    def __init__(self, config: Config, serving: Serving) -> None:
        self._serving = serving
        self._gateway = Gateway(config, alone=serving.alone)
        self._batches = Batches(self._gateway, alone=serving.alone)
        self._dispatcher = Dispatcher(self._gateway, ROUTES)
        self._stopped = asyncio.Event()
        self._hurried = asyncio.Event()
        self._reload_wanted = asyncio.Event()

    async def run(self, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        gateway, serving = self._gateway, self._serving
        loop = asyncio.get_running_loop()
        self._handle_signals(loop)
        server = Server(self._dispatcher.handle, keepalive=gateway.config.general.keepalive_seconds)
        most = descriptors.most_clients(gateway.backend.pool_size)
        listener = Listener(sock, server, most=most, tls=tls)
        listener.start()
        gateway.start()
        self._batches.start()
        background = [
            loop.create_task(self._reload_when_asked(server, listener)),
            loop.create_task(self._collect_less_garbage()),
        ]
        if serving.parent is not None:
            background.append(loop.create_task(self._watch_parent(serving.parent)))
        url = _url_of(sock, "http" if tls is None else "https")
        logger.info("listening", extra=fields(url=url, models=gateway.config.names.listed))
        try:
            await self._stopped.wait()
            await self._drain(listener)
        finally:
            for task in background:
                task.cancel()
            server.close_idle()
            await server.shutdown(0.1)
            await self._batches.aclose()
            await gateway.aclose()
            logger.info("stopped")
            # Without a handler, a SIGHUP would kill the process while the loop closes.
            loop.remove_signal_handler(signal.SIGHUP)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _handle_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stop)
        if self._serving.parent is not None:
            loop.add_signal_handler(HURRY, self._hurried.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_wanted.set)
        if take_over():
            self._reload_wanted.set()

    def _stop(self) -> None:
        if self._stopped.is_set() and self._serving.parent is None:
            self._hurried.set()
        self._stopped.set()

    async def _drain(self, listener: Listener) -> None:
        """Ends what is in flight: by waiting; then, or at a second signal, by cancelling it.

        No connection is cut meanwhile: a request on one that is still open gets a 503.
        """
        gateway, loop = self._gateway, asyncio.get_running_loop()
        gateway.draining = True
        self._batches.leave()
        listener.close()
        logger.info("draining", extra=fields(in_flight=len(self._tasks)))
        end = loop.time() + gateway.config.general.drain_seconds
        linger = loop.time() + _LINGER_SECONDS
        while not listener.quiet and not self._hurried.is_set() and (now := loop.time()) < max(end, linger):
            if self._tasks:
                # A client that gets its answer now may send its next request at once.
                linger = min(end, now + _LINGER_SECONDS)
            elif now >= linger and not listener.has_unread:
                break
            await asyncio.sleep(0.02)
        if left := self._tasks:
            logger.warning("cancelling what is still in flight", extra=fields(in_flight=len(left)))
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(gateway.end_calls(), _CANCEL_SECONDS)
            # What is left by now does not wait for Replicate, but for its client.
            await asyncio.wait(left, timeout=_ANSWER_SECONDS)
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=_ANSWER_SECONDS)

    async def _collect_less_garbage(self) -> None:
        """What is loaded by now stays for good: looking through it for garbage took a tenth of the processor.

        So did looking through requests in flight, over and over: they leave hardly any.
        """
        await self._gateway.accounts.opened.wait()
        gc.collect()
        gc.freeze()
        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)

    @property
    def _tasks(self) -> list[asyncio.Task[None]]:
        return [task for task in self._dispatcher.tasks if task is not None]

    async def _watch_parent(self, parent: int) -> None:
        while os.getppid() == parent:
            await asyncio.sleep(_LOOK_SECONDS)
        logger.error("the parent process has gone: stopping")
        self._stopped.set()

    async def _reload_when_asked(self, server: Server, listener: Listener) -> None:
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            try:
                await self._reload(server, listener)
            except Exception:  # the next one is heard all the same
                logger.exception("the configuration was not reloaded")

    async def _reload(self, server: Server, listener: Listener) -> None:
        """Reads the certificate and the configuration again; what is wrong changes nothing."""
        gateway = self._gateway
        if self._serving.certificate is not None:
            try:
                listener.tls = await asyncio.to_thread(self._serving.certificate.context)
            except ValueError as error:
                logger.error("the certificate was not reloaded: %s", error)
        try:
            config = await asyncio.to_thread(partial(self._serving.read, again=True))
        except ConfigError as error:
            logger.error("the configuration was not reloaded, since it is wrong: %s", error)
            return
        if self._serving.parent is None:
            for warning in config.warnings:
                logger.warning("%s", warning)
        if config.general.master_key is None and not gateway.accounts.auth.open:
            logger.error(
                "the configuration was not reloaded: it no longer has a master_key, which needs a restart"
            )
            return
        await gateway.reload(config)
        server.keepalive = config.general.keepalive_seconds
        logger.info("configuration reloaded", extra=fields(models=config.names.listed))


def _url_of(sock: socket.socket, scheme: str) -> str:
    host, port = sock.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

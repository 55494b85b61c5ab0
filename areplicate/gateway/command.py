"""The command that runs the gateway."""

from __future__ import annotations

import logging
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from . import early_signals, logs
from .addresses import is_loopback
from .config.yaml_file import ConfigError
from .tls import Certificate

if TYPE_CHECKING:
    from .config.config import Config

_LOOPBACK = "127.0.0.1"
_EVERYWHERE = "0.0.0.0"
_FIGURES = ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
"""Where another program's workers keep their figures, as LiteLLM's proxy does: ours are not to be added to them."""
_File = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option(
    "--config", "path", default="config.yaml", show_default=True, type=_File, help="The configuration file."
)
@click.option("--host", help="Where to listen; all interfaces if a master key is set, else loopback.")
@click.option("--port", default=4000, show_default=True, type=click.IntRange(0, 65535), help="The port.")
@click.option("--ssl-certfile", type=_File, help="The certificate, with those that vouch for it: HTTPS.")
@click.option("--ssl-keyfile", type=_File, help="Its private key, if that is not in the certificate's file.")
@click.option("--debug", is_flag=True, help="Log more.")
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 256),
    help="Processes that share the port.",
)
def serve(
    path: Path,
    host: str | None,
    port: int,
    ssl_certfile: Path | None,
    ssl_keyfile: Path | None,
    debug: bool,
    workers: int,
) -> None:
    """Serve Replicate's models to clients of OpenAI's API.

    SIGTERM lets requests in flight finish; SIGHUP reads the configuration and the certificate again.
    """
    if sys.platform == "win32":
        raise click.ClickException(
            "The gateway runs on Linux and macOS: on Windows, start it in WSL or a container. "
            "The client and the other commands work here."
        )
    early_signals.remember()
    os.umask(0o077)  # what is written, such as answers to batches, is for the gateway's user alone
    for name in _FIGURES:
        os.environ.pop(name, None)
    from . import descriptors
    from .server import Serving, run

    logs.set_up(debug)
    descriptors.raise_limit()
    if ssl_keyfile is not None and ssl_certfile is None:
        raise click.ClickException("--ssl-keyfile needs --ssl-certfile.")
    certificate = None if ssl_certfile is None else Certificate(ssl_certfile, ssl_keyfile)
    serving = Serving(path=path, workers=workers, certificate=certificate)
    try:  # the files may come from a pipe, which can be read once
        tls = None if certificate is None else certificate.context()
        config = serving.read()
    except (ConfigError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    sock = _listen(config, host, port, certificate)
    if workers > 1:
        from .workers import Supervisor

        sys.exit(Supervisor(serving, config, sock, debug).run())
    alone = config.accounts.database.file is not None
    run(config, sock, msgspec.structs.replace(serving, alone=alone), tls)
    logging.shutdown()


def _listen(config: Config, host: str | None, port: int, certificate: Certificate | None) -> socket.socket:
    """The listening socket, once the log has what is odd about the configuration and the address."""
    for warning in config.warnings:
        logs.logger.warning("%s", warning)
    for notice in config.notices:
        logs.logger.info("%s", notice)
    chosen = _host(host and host.strip("[]"), config.general.master_key)
    sock = _bind(chosen, port)
    if certificate is None and not is_loopback(chosen):
        logs.logger.warning(
            "keys and texts travel in clear text on %s: give --ssl-certfile and --ssl-keyfile, or let only a "
            "proxy that ends TLS reach this port",
            chosen,
        )
    return sock


def _host(host: str | None, master_key: str | None) -> str:
    if master_key is not None:
        return host or _EVERYWHERE
    if host is not None and not is_loopback(host):
        raise click.ClickException(
            f"Without a master key anybody who reaches {host} could spend your money: "
            "set general_settings.master_key or AREPLICATE_MASTER_KEY, or leave --host out to listen on loopback."
        )
    return host or _LOOPBACK


def _bind(host: str, port: int) -> socket.socket:
    from . import descriptors

    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(descriptors.backlog())
    except OSError as error:
        raise click.ClickException(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from None
    return sock

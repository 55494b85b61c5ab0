"""The command that runs the gateway."""

from __future__ import annotations

import logging
import socket
import sys
from pathlib import Path

import click

from . import logs
from .config.yaml_file import ConfigError

_LOOPBACK = "127.0.0.1"
_EVERYWHERE = "0.0.0.0"


@click.command()
@click.option(
    "--config",
    "config_path",
    default="config.yaml",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration file.",
)
@click.option("--host", help="Where to listen; all interfaces where a master key is set, else loopback.")
@click.option("--port", default=4000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--debug", is_flag=True, help="Log more.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Processes.")
@click.option("--listener", type=int, hidden=True, help="The inherited socket of a worker.")
def serve(
    config_path: Path, host: str | None, port: int, debug: bool, workers: int, listener: int | None
) -> None:
    """Serve Replicate's models to clients of OpenAI's API.

    SIGTERM lets requests in flight finish, SIGHUP reads the configuration again.
    """
    from .config.config import read_config

    logs.set_up(debug)
    try:
        config = read_config(config_path)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    if listener is not None:
        sock = socket.socket(fileno=listener)
    else:
        for warning in config.warnings:
            logs.logger.warning("%s", warning)
        sock = _bind(_host(host, config.master_key), port)
    alone = workers == 1 and config.accounts.database.file is not None
    if workers > 1 and listener is None:
        from .workers import Supervisor

        options = ["--config", str(config_path), "--workers", str(workers), *(["--debug"] if debug else [])]
        command = [sys.executable, "-m", "areplicate.gateway", *options]
        sys.exit(Supervisor(command, sock, workers, config.general.drain_seconds).run())
    from .server import run

    run(config, config_path, sock, alone=alone, worker=listener is not None)
    logging.shutdown()


def _host(host: str | None, master_key: str | None) -> str:
    if master_key is not None:
        return host or _EVERYWHERE
    if host is not None and host not in (_LOOPBACK, "localhost", "::1"):
        raise click.ClickException(
            f"Without a master key anybody who reaches {host} could spend your money: "
            "set general_settings.master_key, or leave --host out to listen on loopback."
        )
    return host or _LOOPBACK


def _bind(host: str, port: int) -> socket.socket:
    from .server import BACKLOG

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise click.ClickException(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from None
    return sock

"""`areplicate local`: a stand-in for Replicate to try things on."""

from __future__ import annotations

import asyncio
from functools import partial

import anyio
import click
import msgspec

from ..local import DEFAULT_DEPLOYMENTS, DEFAULT_MODELS, LocalModel, LocalReplicate
from .signals import run


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=4100, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--boot",
    default=None,
    type=click.FloatRange(min=0),
    help="Seconds that each model boots when it is first asked.",
)
def local(host: str, port: int, boot: float | None) -> None:
    """Run a stand-in for Replicate on this machine."""
    models = DEFAULT_MODELS
    if boot is not None:
        models = tuple(msgspec.structs.replace(model, boot_seconds=boot) for model in models)

    try:
        run(partial(_serve, host, port, models))
    except (KeyboardInterrupt, asyncio.CancelledError):  # Ctrl-C; before Python 3.11 it ends in the latter
        pass
    except OSError as error:
        raise click.ClickException(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from None


async def _serve(host: str, port: int, models: tuple[LocalModel, ...]) -> None:
    deployments = DEFAULT_DEPLOYMENTS
    async with LocalReplicate(models, deployments, host=host, port=port, log_requests=False) as server:
        click.echo(f"Listening on {server.api_base} (Ctrl-C ends it). Models:", err=True)
        for model in models:
            click.echo(f"  {model.full_name}", err=True)
        for deployment in deployments:
            click.echo(f"  deployments/{deployment.full_name}", err=True)
        first = models[0].full_name
        command = f"REPLICATE_API_KEY=any areplicate chat {first} 'Hello' --api-base {server.api_base}"
        click.echo(f"Try: {command}", err=True)
        await anyio.sleep_forever()

"""`areplicate prices`: shows and renews the prices by which the gateway counts costs."""

from __future__ import annotations

import datetime
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import click
import msgspec

from ..gateway.config.prices import FILE, TokenPrice, built_in, price_list
from .price_sources import read_price_list

_SECONDS = 60.0
_MOST = 64 << 20
"""Bytes of a price list."""


@click.group()
def prices() -> None:
    """Show and renew the prices that costs are counted by."""


@prices.command()
@click.option(
    "--from",
    "source",
    required=True,
    metavar="FILE_OR_URL",
    help="LiteLLM's model_prices_and_context_window.json, or a list that this command has written.",
)
@click.option(
    "--to",
    "target",
    default=FILE,
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="It counts if it lies beside the gateway's configuration.",
)
def update(source: str, target: Path) -> None:
    """Write a price list; the gateway reads it at its start and on SIGHUP."""
    try:
        found = read_price_list(_read(source), source, datetime.datetime.now(datetime.timezone.utc).date())
        before = _before(target)
        target.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    except (OSError, ValueError, HTTPException) as error:
        raise click.ClickException(str(error)) from None
    changed = sum(before.get(name) != price for name, price in found.models.items())
    missing = sorted(set(before) - set(found.models))
    click.echo(f"{target}: {len(found.models)} models as of {found.read}, {changed} of them new or changed.")
    if missing:
        click.echo(f"No longer in it, and without a price from now on: {', '.join(missing)}.", err=True)


@prices.command("list")
@click.option(
    "--config", "config", default=Path("config.yaml"), type=click.Path(path_type=Path), show_default=True
)
def list_(config: Path) -> None:
    """Show the prices that a gateway with this configuration counts by."""
    try:
        found = price_list(config.resolve().parent)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"As of {found.read}, in dollars a million tokens of prompt and answer:")
    for name, price in found.models.items():
        click.echo(f"  {name:44} {price.input:9g} {price.output:9g}")
    click.echo("And in dollars a second of hardware:")
    for name, second in found.hardware.items():
        click.echo(f"  {name:44} {second:9g}")


def _before(target: Path) -> dict[str, TokenPrice]:
    """The prices that counted so far; those of this version if the file is damaged, since it is replaced."""
    with suppress(ValueError):
        return price_list(target.parent).models
    return built_in().models


def _read(source: str) -> bytes:
    if source.startswith(("https://", "http://")):
        with urllib.request.urlopen(source, timeout=_SECONDS) as answer:
            body: bytes = answer.read(_MOST)
            return body
    return Path(source).read_bytes()

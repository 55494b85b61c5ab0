"""An answer on the terminal: as it is written, or whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

import areplicate

from .waiting import StatusLine


def streamed_answer(model: str, messages: list[dict[str, Any]], params: dict[str, Any]) -> str:
    """Streams an answer to the terminal, after a status line that lives until its first words."""
    line = StatusLine()
    text: list[str] = []
    with line.shown() as stop_showing:
        stream = areplicate.completion(model, messages, stream=True, on_status=line.saw, **params)
        try:
            with stream:
                for chunk in stream:
                    delta = chunk.choices[0].delta if chunk.choices else None
                    if delta is None or not (delta.content or delta.reasoning_content):
                        continue
                    stop_showing()
                    if delta.reasoning_content:
                        click.secho(delta.reasoning_content, nl=False, dim=True, err=not sys.stdout.isatty())
                    if delta.content:
                        text.append(delta.content)
                        click.echo(delta.content, nl=False)
        finally:
            if text:
                click.echo()
    click.secho(line.summary(), dim=True, err=True)
    return "".join(text)


def whole_answer(
    model: str, messages: list[dict[str, Any]], params: dict[str, Any], *, as_json: bool
) -> None:
    line = StatusLine()
    with line.shown():
        response = areplicate.completion(model, messages, on_status=line.saw, **params)
    click.echo(response.to_json(indent=2) if as_json else response.choices[0].message.content or "")
    click.secho(line.summary(), dim=True, err=True)


@contextmanager
def stopped_by_ctrl_c() -> Iterator[None]:
    """Ctrl-C within it ends the command."""
    try:
        yield
    except KeyboardInterrupt:
        tell_stopped()
        sys.exit(130)


def tell_stopped() -> None:
    click.secho("\nstopped", fg="yellow", err=True)

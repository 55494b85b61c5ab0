"""What a terminal shows while an answer is waited for: the phases of its call, and connections that fail."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

import areplicate

from ..replicate.progress import Phase, Status, phase_by_now

err = Console(stderr=True)


class StatusLine:
    """The status line: `booting 12 s ...`. It counts the seconds itself, between one status and the next.

    Without a terminal each phase is a line of its own.
    """

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._status: Status | None = None
        self._printed: Phase | None = None
        self._first_text: float | None = None

    @contextmanager
    def shown(self) -> Iterator[Callable[[], None]]:
        """Shows the line on standard error; gives what ends that before the block does."""
        with Live(get_renderable=self._line, console=err, transient=True, refresh_per_second=8) as line:
            yield line.stop

    def saw(self, status: Status) -> None:
        self._status = status
        self._print(status.phase)
        if status.phase in ("processing", "done") and self._first_text is None:
            self._first_text = self._seconds()

    def _line(self) -> Spinner:
        phase = phase_by_now(self._status, self._seconds())
        self._print(phase)
        return Spinner("dots", f"[yellow]{phase} {self._seconds():.0f} s ...")

    def _print(self, phase: Phase) -> None:
        # "done" would stand in the line of the answer; the summary says it.
        if phase not in ("done", self._printed) and not err.is_terminal:
            self._printed = phase
            click.echo(f"{phase}, {self._seconds():.0f} s", err=True)

    def summary(self) -> str:
        first = self._seconds() if self._first_text is None else self._first_text
        return f"{first:.1f} s until the model ran, {self._seconds():.1f} s in all"

    def _seconds(self) -> float:
        return time.monotonic() - self._begun


def tell_that_it_cannot_connect() -> None:
    """Shows once that a connection fails, while it is tried again; --verbose shows the whole log anyway."""
    shown_already: set[str] = set()

    def is_news(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if not message.startswith("Cannot connect") or message in shown_already:
            return False
        shown_already.add(message)
        return True

    if not areplicate.set_verbose:
        handler = logging.StreamHandler()
        handler.addFilter(is_news)
        logging.getLogger("areplicate").addHandler(handler)

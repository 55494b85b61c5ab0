"""A progress bar for many calls, on a terminal or in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager

from ..errors import APIError, BadRequestError


@contextmanager
def progress_bar(requests: object, show: bool) -> Iterator[Callable[[APIError | None], None]]:
    """A bar on stderr while the context lasts; what it gives is called with the error of each result.

    Raises:
        BadRequestError: rich, which draws it, is not installed.
    """
    if not show:
        yield lambda error: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        raise BadRequestError(
            "progress=True needs the package rich: pip install 'areplicate[cli]'.", param="progress"
        ) from None
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[failed]}"), TimeRemainingColumn())
    total = len(requests) if isinstance(requests, Sized) else None
    failed = 0
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total, failed="")

        def saw(error: APIError | None) -> None:
            nonlocal failed
            failed += error is not None
            progress.update(task, advance=1, failed=f"[red]{failed} failed" if failed else "")

        yield saw

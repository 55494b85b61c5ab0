"""Tables on a terminal or in a pipe. Text that others have written is shown as it is, with its brackets."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def console() -> Console:
    """A console that takes no text for markup."""
    shown = Console(markup=False, emoji=False, highlight=False)
    if not shown.is_terminal:
        shown.width = 160
    return shown


def table(*columns: str) -> Table:
    made = Table(header_style="bold", box=None, pad_edge=False, caption_justify="left", padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        made.add_column(column, no_wrap=index == 0)
    return made

"""Work that blocks, in a thread beside the event loop.

anyio's own threads end with the task that began them. If a program leaves its loop without ending its tasks, as after
Ctrl-C in `run_until_complete`, they keep the interpreter from ending. asyncio's threads do not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from .clock import running_loop

T = TypeVar("T")


async def in_thread(do: Callable[..., T], *arguments: Any) -> T:
    """What `do(*arguments)` gives; a scope that is cancelled meanwhile waits for it."""
    with anyio.CancelScope(shield=True):
        run = anyio.to_thread.run_sync if running_loop() is None else asyncio.to_thread
        result: T = await run(do, *arguments)
    return result

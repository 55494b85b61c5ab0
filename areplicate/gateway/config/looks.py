"""Asks Replicate about the configuration's models, and remembers the answers for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from ...errors import APIError
from ..errors import from_upstream
from .entries import ModelEntry

FRESH_SECONDS = 30.0
"""How old an answer may be before Replicate is asked again."""
LOOK_SECONDS = 10.0
"""How long Replicate may take to answer a question about a model."""
_AT_ONCE = 10


class Looks(msgspec.Struct):
    """Asks about models."""

    _entries: Sequence[ModelEntry]
    _ask: Callable[[ModelEntry], Awaitable[None]]
    """Asks for one model's metadata; raises an `APIError` if there is none."""
    _seen: dict[int, str | None] = {}
    _seen_at: float = -FRESH_SECONDS
    _looking: asyncio.Task[None] | None = None

    async def latest(self) -> dict[int, str | None]:
        """For each entry, by its identity: None, or why Replicate does not serve it."""
        if time.monotonic() - self._seen_at >= FRESH_SECONDS:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            await asyncio.shield(self._looking)  # other callers wait for it, too
        return self._seen

    async def _look(self) -> None:
        """One look for each model and account, a few at a time."""
        room = asyncio.Semaphore(_AT_ONCE)
        same: dict[tuple[str, str | None, str | None], list[ModelEntry]] = {}
        for entry in self._entries:
            where = entry.model, entry.params.get("api_key"), entry.params.get("api_base")
            same.setdefault(where, []).append(entry)

        async def look(entries: list[ModelEntry]) -> None:
            async with room:
                why = await self._reason(entries[0])
            seen.update({id(entry): why for entry in entries})

        seen: dict[int, str | None] = {}
        await asyncio.gather(*(look(entries) for entries in same.values()))
        self._seen, self._seen_at = seen, time.monotonic()

    async def _reason(self, entry: ModelEntry) -> str | None:
        try:
            await asyncio.wait_for(self._ask(entry), LOOK_SECONDS)
        except APIError as error:
            return from_upstream(error).message
        except asyncio.TimeoutError:
            return f"Replicate did not answer within {LOOK_SECONDS:g} s."
        return None

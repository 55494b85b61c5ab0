"""Waits for what another thread or another process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(condition: Callable[..., object], seconds: float = 30) -> None:
    """Waits until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)

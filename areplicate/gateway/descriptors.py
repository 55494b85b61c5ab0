"""How many files this process may have open, and how clients and Replicate share them."""

from __future__ import annotations

import resource
from contextlib import suppress

MOST_POOLED = 1024
_RESERVED = 32
"""For the database, the log and the event loop."""
_WANTED = 1 << 20


def raise_limit() -> None:
    """Raises the soft limit as far as it goes: systems begin with 1,024 or less."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if limit() < wanted:
        with suppress(OSError, ValueError):  # macOS has a lower limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def limit() -> int:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _WANTED if soft == resource.RLIM_INFINITY else soft


def default_pool_size() -> int:
    """Connections to Replicate: a third of what is open, since each request has a client's beside it."""
    return max(8, min(MOST_POOLED, (limit() - _RESERVED) // 3))


def most_clients(pool_size: int) -> int:
    """How many clients' connections leave room for everything else."""
    return max(8, limit() - _RESERVED - pool_size)


def backlog() -> int:
    """How many connections the system may hold before they are accepted: they need no open file of this process."""
    return max(128, min(4096, limit() // 2))

"""Zstandard's compression: the standard library's own from Python 3.14 on, else the one that the gateway brings."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression.zstd import compress
else:
    from backports.zstd import compress

__all__ = ["compress"]

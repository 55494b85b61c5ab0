"""The logger `areplicate`, which `set_verbose` shows on stderr, and Python's warnings."""

from __future__ import annotations

import logging
import shlex
import sys
import warnings
from functools import partial

from .errors import AreplicateWarning
from .replicate.protocol.requests import Request

logger = logging.getLogger("areplicate")
logger.addHandler(logging.NullHandler())

_LONGEST_BODY = 10_000
_SHOWN_HEADERS = frozenset(
    ("user-agent", "content-type", "prefer", "cancel-after", "accept", "cache-control", "last-event-id")
)
"""Headers whose values are shown: those that areplicate sets, except the key's. Any other may be a secret."""


def warn(message: str) -> None:
    """Gives a Python warning at the caller's line, about what costs money, is left out, or stays running.

    The log is silent unless somebody asks for it; Python's warnings are shown, once for each line.
    """
    level = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
        level += 1
    warnings.warn(message, AreplicateWarning, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module == "areplicate" or module.startswith("areplicate.")


verbose = partial(logger.isEnabledFor, logging.DEBUG)
"""Whether requests and phases are logged: `areplicate.set_verbose`, or the logger at DEBUG."""


def set_verbose(wanted: bool) -> None:
    """Logs requests and phases, on stderr unless the program has a handler of its own; False ends that."""
    if not wanted:
        logger.setLevel(logging.NOTSET)
        return
    logger.setLevel(logging.DEBUG)
    if not any(
        isinstance(handler, logging.StreamHandler) for handler in (*logger.handlers, *logging.root.handlers)
    ):
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s areplicate: %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)


def as_curl(request: Request) -> str:
    """The request as a shell command that reads the key from the environment.

    Values of headers that areplicate does not set itself are read from there, too.
    """
    parts = [f"curl -X {request.method} {shlex.quote(request.url)}"]
    for name, value in request.headers.items():
        if name.lower() == "authorization":
            parts.append(f'-H "{name}: Bearer $REPLICATE_API_KEY"')
        elif name.lower() in _SHOWN_HEADERS:
            parts.append("-H " + shlex.quote(f"{name}: {value}"))
        else:
            parts.append(f'-H "{name}: ${name.upper().replace("-", "_")}"')
    if request.body:
        body = request.body.decode("utf-8", "replace")
        if len(body) > _LONGEST_BODY:
            body = f"{body[:_LONGEST_BODY]}... ({len(body)} characters)"
        parts.append("-d " + shlex.quote(body))
    return " \\\n  ".join(parts)

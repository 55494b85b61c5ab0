"""Schemas that were looked up, kept on disk between runs.

They lie in `AREPLICATE_CACHE_DIR` (`off` keeps none), else in the platform's place for caches:
`$XDG_CACHE_HOME` or `~/.cache`, `~/Library/Caches`, `%LOCALAPPDATA%`. A file that cannot be read or
written counts as missing.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from ..chat.schemas.schema import ModelSchema
from ..logs import logger
from ..replicate.protocol.decoding import BROKEN

MODEL_SECONDS = 24 * 3600.0
"""For how long a model's latest schema, or a deployment's, is good."""

VERSION_SECONDS = 365 * 24 * 3600.0
"""For how long a version's schema is kept, which never changes."""


class FoundSchema(msgspec.Struct, frozen=True):
    """A schema that was looked up.

    `expires` is in seconds since 1970; `latest_version` is the model's, or the deployment's, version
    at that time; `public` says that any key may see it.
    """

    schema: ModelSchema
    expires: float
    latest_version: str | None = None
    public: bool = False


class _File(msgspec.Struct):
    name: str
    found: FoundSchema


def read(*names: str) -> FoundSchema | None:
    """What is kept under the first of these names that has anything."""
    return next((found for name in names if (found := _read(name)) is not None), None)


def _read(name: str) -> FoundSchema | None:
    path = _path(name)
    if path is None:
        return None
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except (OSError, *BROKEN) as error:
        if not isinstance(error, FileNotFoundError):
            logger.debug("The cached schema %s cannot be read: %s", path, error)
        return None
    return file.found if file.name == name else None


def write(name: str, found: FoundSchema) -> None:
    """Keeps a schema, in one step: readers see the old file or the new one."""
    import tempfile  # few runs come here, and it costs as much to import as all the rest

    path = _path(name)
    if path is None:
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".new")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(_File(name, found)))
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        logger.debug("The schema cannot be kept in %s: %s", path, error)


def kept() -> bool:
    """Whether anything is kept on disk at all."""
    return _path("") is not None


def _path(name: str) -> Path | None:
    from hashlib import sha256  # see above

    root = _root()
    return None if root is None else root / "schemas" / f"{sha256(name.encode()).hexdigest()[:32]}.json"


def _root() -> Path | None:
    chosen = os.environ.get("AREPLICATE_CACHE_DIR")
    if chosen:
        return None if chosen.lower() == "off" else Path(chosen)
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        return None
    return base / "areplicate"

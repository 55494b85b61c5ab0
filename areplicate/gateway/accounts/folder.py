"""The folder with uploaded files and the jobs of batches, which all processes of a gateway share."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import GatewayError
from ..logs import logger

if TYPE_CHECKING:
    from ...bulk.job import Job

_OLD = 86_400.0
"""Seconds after which a file that is still being received is a left-over."""


class Folder:
    """The files by their ids, and a folder for each batch that has not ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._receiving: dict[Path, str | None] = {}
        """Whose the files are that are being received."""

    def file(self, id: str) -> Path:
        return self._path / f"{id}.jsonl"

    def job(self, batch_id: str) -> Job:
        """A batch's job; its journal lies beside its input."""
        from ...bulk.job import Job  # most gateways never have a batch

        folder = self._path / batch_id
        return Job(folder / "input.jsonl", folder / "answers.jsonl")

    @contextmanager
    def receiving(self, key_id: str | None) -> Iterator[Path]:
        """A path for a key's file that is being received; what is left there at the end is removed.

        A folder that is full, or cannot be written to, is a `GatewayError` 503.
        """
        path = self._path / f"receiving-{secrets.token_hex(12)}"
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._receiving[path] = key_id
            yield path
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise
            logger.error("an upload cannot be written: %s", error)
            raise GatewayError(503, "The gateway has no room for the file.", code="no_room") from None
        finally:
            self._receiving.pop(path, None)
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def received_of(self, key_id: str | None) -> int:
        """How many of a key's files are being received."""
        return list(self._receiving.values()).count(key_id)

    def keep(self, path: Path, id: str) -> None:
        """Moves a completely received file to its place."""
        os.replace(path, self.file(id))

    def remove(self, id: str) -> None:
        self.file(id).unlink(missing_ok=True)

    def begin(self, batch_id: str, file_id: str) -> None:
        """Keeps the input for a batch: its file may be deleted meanwhile."""
        target = self.job(batch_id).input
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.link(self.file(file_id), target)
        except OSError:  # not every file system has links
            shutil.copyfile(self.file(file_id), target)

    def end(self, batch_id: str) -> None:
        """Removes what a batch needs as long as it runs."""
        shutil.rmtree(self._path / batch_id, ignore_errors=True)

    def tidy(self, now: float) -> None:
        """Removes what interrupted uploads have left."""
        for path in self._path.glob("receiving-*"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < now - _OLD:
                    path.unlink()

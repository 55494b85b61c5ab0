"""From a part of the file to a struct, with errors that name file, line and key."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from ..mismatch import mismatch
from .yaml_file import Document, Steps

T = TypeVar("T")


def section(document: Document, value: Any, kind: type[T], steps: Steps) -> T:
    """The value as the struct `kind`. Numbers may be texts, as they are in the environment.

    Raises:
        ConfigError: what does not fit; the message never shows a value, which may be a secret.
    """
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        found = mismatch(error)
        raise document.wrong([*steps, *found.steps], f"{found.why}.") from None

"""The environment as a configuration file sees it, and placeholders that nothing replaces."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from ...options.environment import UnsetVariable, variable, with_variables
from .place import Place

_PLACEHOLDER = re.compile(
    r"\$\{[^}]*\}|\$\([^)]*\)|\{\{.*?\}\}|^\$[A-Za-z_]\w*$|^%\w+%$|^env[:./]|^<[^<>]+>$|^os\.environ\b"
)
"""What other tools replace by a value, and nothing here does: Compose's, Helm's, a shell's, OmegaConf's."""
_IN_NO_KEY = re.compile(
    r"""[][(){}<>:"'`\\]|^[/@]|^__\w+__$|\benv\.|^os\.environ|(?-i:\$[A-Z_]{4})|(?<![a-z])your[-_]|change[-_]?me|x{6}""",
    re.IGNORECASE,
)
"""What no key has in it, but a template's mark, a call, the address of a secret in a store or a file, or an example."""


class Environment:
    def __init__(self) -> None:
        self._values = dict(os.environ)
        self._unread: dict[str, Place] = {}
        """The file's own variables that nothing has asked for."""

    def add(self, variables: Mapping[str, Any], at: Place) -> None:
        """Adds the file's own `environment_variables`, which take precedence over those of the process."""
        for name, value in variables.items():
            if value is not None and not self.is_unset(value):
                self._values[str(name)] = str(self.resolved(value, at / name))
                self._unread[str(name)] = at / name

    def warn_of_unread(self) -> None:
        for name, at in self._unread.items():
            at.warn(
                f"is ignored: no setting that counts here says os.environ/{name}. What is not for this file belongs in "
                "the environment of the process."
            )

    def _get(self, name: str) -> str | None:
        self._unread.pop(name, None)
        return self._values.get(name)

    def first(self, *names: str) -> tuple[str, str] | None:
        """The first of these variables that is set, and its value."""
        return next(((name, value) for name in names if (value := (self._get(name) or "").strip())), None)

    def resolved(self, value: Any, at: Place) -> Any:
        """The value with each `os.environ/NAME` replaced; raises a `ConfigError` if a variable is not set."""
        try:
            return with_variables(value, self._get)
        except UnsetVariable as error:
            raise at.below(error.steps).wrong(str(error)) from None

    def is_unset(self, value: Any) -> bool:
        name = variable(value)
        return name is not None and not self._get(name)


def refuse_placeholders(value: Any, at: Place) -> None:
    """Raises a `ConfigError` for a placeholder that nobody replaces: it would be sent as a key, as it is."""
    if isinstance(value, dict):
        for key, item in value.items():
            refuse_placeholders(item, at / key)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            refuse_placeholders(item, at / i)
    elif isinstance(value, str) and (found := _PLACEHOLDER.search(value)):
        raise at.wrong(
            f"{found[0][:40]!r} looks like a placeholder, which is not replaced here: write os.environ/NAME for the "
            "value of an environment variable."
        )


def refuse_placeholder_key(key: str | None, at: Place) -> None:
    """Raises a `ConfigError` for what stands in the place of a key: anybody could know it."""
    refuse_placeholders(key, at)
    if key is not None and (found := _IN_NO_KEY.search(key)):
        raise at.wrong(
            f"has {found[0]!r} in it, as placeholders and examples have, and nothing is replaced here: write the key, or "
            "os.environ/NAME for the value of an environment variable."
        )


def stripped(value: Any) -> Any:
    """A text without the white space around it: a secret's file often ends in a line break."""
    return value.strip() if isinstance(value, str) else value

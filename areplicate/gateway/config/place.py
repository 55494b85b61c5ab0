"""A place in the configuration file, by which errors and warnings name file, line and key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import yaml

from ...errors import APIError
from .yaml_file import ConfigError, Document, Steps, key_of


class Place(msgspec.Struct, frozen=True):
    """Where a value of a file stands, or would stand."""

    document: Document
    _warnings: list[str]
    """The warnings of the whole file."""
    _steps: Steps = ()

    def __truediv__(self, step: str | int) -> Place:
        """A part of it: `top / "model_list" / 0`."""
        return self.below((step,))

    def below(self, steps: Steps) -> Place:
        return Place(self.document, self._warnings, (*self._steps, *steps))

    def __str__(self) -> str:
        """File, line and key, such as `config.yaml:7: model_list[0].litellm_params.rpm`.

        If the key is not in the file, the line is that of the innermost part around it that is.
        """
        node = self.document.node
        line = node.start_mark.line + 1
        for step in self._steps:
            found = _below(node, step)
            if found is None:
                break
            line, node = found
        key = f": {key_of(self._steps)}" if self._steps else ""
        return f"{self.document.path}:{line}{key}"

    def wrong(self, why: str) -> ConfigError:
        return ConfigError(f"{self}: {why}")

    def warn(self, why: str) -> None:
        self._warnings.append(f"{self}: {why}")

    @contextmanager
    def checking(self) -> Iterator[None]:
        """An error that a check inside the block raises becomes a `ConfigError` about this place."""
        try:
            yield
        except APIError as error:
            raise self.wrong(error.message) from None
        except ValueError as error:
            raise self.wrong(str(error)) from None


def _below(node: yaml.Node, step: str | int) -> tuple[int, yaml.Node] | None:
    """The line and the node of a part; of a key that is given twice through a merge, the one that counts."""
    found: tuple[int, yaml.Node] | None = None
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        found = node.value[step].start_mark.line + 1, node.value[step]
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                found = key.start_mark.line + 1, value
    return found

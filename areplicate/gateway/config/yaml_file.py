"""YAML in which every value knows its line, so that an error can name it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


class ConfigError(Exception):
    """The configuration is wrong: the message names file, line and key."""


class Located:
    """A value of a YAML file: `value` is a scalar, a list or a mapping of `Located`s."""

    __slots__ = ("file", "key", "line", "value")

    def __init__(self, value: Any, file: str, line: int, key: str) -> None:
        self.value = value
        self.file = file
        self.line = line
        self.key = key
        """Such as `model_list[0].litellm_params.model`."""

    def wrong(self, why: str) -> ConfigError:
        return ConfigError(f"{self.at()}: {self.key}: {why}")

    def at(self) -> str:
        return f"{self.file}:{self.line}"

    def plain(self) -> Any:
        """The value as plain scalars, lists and dictionaries."""
        if isinstance(self.value, dict):
            return {key: value.plain() for key, value in self.value.items()}
        if isinstance(self.value, list):
            return [value.plain() for value in self.value]
        return self.value


def load(path: Path) -> Located:
    """The one document in a file.

    Raises:
        ConfigError: the file cannot be read, or is not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise ConfigError(f"{path}: is empty: give at least a model_list.")
        return _located(loader, node, str(path), "")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: is no YAML: {error.problem or error.context}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is no YAML: {error}.") from error
    finally:
        loader.dispose()


def _located(loader: yaml.SafeLoader, node: yaml.Node, file: str, key: str) -> Located:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        items = [_located(loader, item, file, f"{key}[{i}]") for i, item in enumerate(node.value)]
        return Located(items, file, line, key)
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        values: dict[str, Located] = {}
        for name_node, value_node in node.value:
            name = str(loader.construct_object(name_node, deep=True))
            path = f"{key}.{name}" if key else name
            if name in values:
                # PyYAML would let the last one win in silence.
                raise ConfigError(f"{file}:{name_node.start_mark.line + 1}: {path}: is given twice.")
            values[name] = _located(loader, value_node, file, path)
            values[name].line = name_node.start_mark.line + 1
        return Located(values, file, line, key)
    return Located(loader.construct_object(node), file, line, key)

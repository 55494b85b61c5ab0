"""Reads a YAML file, with the line of each value."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any

import msgspec
import yaml

_MOST_NODES = 1_000_000
"""Values of a file, those that aliases repeat included."""

Steps = Sequence[str | int]
"""The way to a value: keys and indexes."""


class ConfigError(Exception):
    """The configuration is wrong: the message names file, line and key."""


class Document(msgspec.Struct, frozen=True):
    """A YAML file: its `text`, its `value` as scalars, lists and dictionaries, and the `node` that knows lines."""

    path: Path
    text: str
    value: Any
    node: yaml.Node


def key_of(steps: Steps) -> str:
    """The steps in one text, such as `model_list[0].litellm_params.model`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def load(path: Path, source: Path | None = None) -> Document:
    """The one document in a file; `source` is a copy of it that is read in its place.

    Raises:
        ConfigError: the file cannot be read, or is not YAML.
    """
    try:
        text = (source or path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    try:
        node = _compose(text)
        if node is None:
            raise ConfigError(f"{path}: is empty: give at least a model_list.")
        _refuse_repetitions(path, node, (), {})
        return Document(path, text, yaml.SafeLoader("").construct_document(node), node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: is not YAML: {error.problem or error.context}.") from error
    except RecursionError:
        raise ConfigError(f"{path}: lists and mappings are nested too deep.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path}: is not YAML: {' '.join(str(error).split())}.") from error


def _compose(text: str) -> yaml.Node | None:
    """libyaml takes a tenth of the time, and says less of what is wrong: what it refuses is read once more."""
    if yaml.__with_libyaml__:
        with suppress(yaml.YAMLError):
            return yaml.compose(text, yaml.CSafeLoader)
    return yaml.compose(text, yaml.SafeLoader)


def _refuse_repetitions(
    path: Path, node: yaml.Node, steps: tuple[str | int, ...], sizes: dict[int, float]
) -> float:
    """Refuses keys that are given twice, of which PyYAML would take the last in silence, and aliases that make more
    of the file than a file can have. Gives the node's size. What `<<` merges in may be overridden."""
    if (known := sizes.get(id(node))) is not None:
        return known
    sizes[id(node)] = inf  # for an alias of what it stands in
    size = 1.0
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            size += _refuse_repetitions(path, item, (*steps, i), sizes)
    elif isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in keys and key.tag != "tag:yaml.org,2002:merge":
                raise _wrong(path, key, (*steps, name), "is given twice: keep one of them.")
            keys.add(name)
            size += _refuse_repetitions(path, value, (*steps, name), sizes)
    if size > _MOST_NODES:
        raise _wrong(path, node, steps, "has aliases within aliases that make too much of it.")
    sizes[id(node)] = size
    return size


def _wrong(path: Path, node: yaml.Node, steps: Steps, why: str) -> ConfigError:
    return ConfigError(f"{path}:{node.start_mark.line + 1}: {key_of(steps)}: {why}")

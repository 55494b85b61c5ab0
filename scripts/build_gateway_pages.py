"""Writes what follows from the gateway's declarations: the tables of its settings, its command and its keys in docs/."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from typing import Any

import msgspec
import pages

from areplicate.balancer import ALLOWED_FAILS, COOLDOWN_TIME
from areplicate.gateway.accounts.keys import KeyLimits
from areplicate.gateway.api.keys import NewKey
from areplicate.gateway.command import serve
from areplicate.gateway.config import settings
from areplicate.gateway.config.reading import WITHOUT_EFFECT
from areplicate.gateway.mismatch import PATTERNS
from areplicate.options.declared import BY_NAME
from areplicate.options.values import MAX_RETRIES, TIMEOUT

FOLDER = pages.ROOT / "docs" / "gateway"
SETTINGS, COMMAND, KEYS, LIMITS = (
    FOLDER / f"{name}.md" for name in ("settings", "operations", "keys", "limits")
)

USUAL: dict[tuple[type[msgspec.Struct], str], float] = {
    (settings.SharedSettings, "num_retries"): MAX_RETRIES,
    (settings.SharedSettings, "allowed_fails"): ALLOWED_FAILS,
    (settings.SharedSettings, "cooldown_time"): COOLDOWN_TIME,
    (settings.LitellmSettings, "request_timeout"): TIMEOUT,
}
"""What holds where neither section says anything: the router's own defaults."""
_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_LARGEST_SHOWN = 1000
"""Larger bounds are only there so that numbers have one."""


def settings_page() -> str:
    kinds = [kind for kind in vars(settings).values() if isinstance(kind, type) and kind.__doc__]
    return pages.filled(
        SETTINGS,
        settings="\n\n".join(_section(kind) for kind in reversed(kinds) if issubclass(kind, msgspec.Struct)),
        ignored=_table([("key", ""), *((f"`{key}`", why) for key, why in WITHOUT_EFFECT.items())]),
    )


def _section(kind: type[msgspec.Struct]) -> str:
    """A struct's docstring, whose first sentence is the heading, and its fields."""
    heading, _, text = " ".join(inspect.cleandoc(kind.__doc__ or "").split()).partition(".")
    return "\n\n".join(filter(None, (f"## {heading}", text.strip(), fields(kind))))


def command_page() -> str:
    rows: list[tuple[str, ...]] = [("option", "meaning", "default")]
    for option in serve.params:
        info = option.to_info_dict()
        default = "" if info["default"] in (None, False) else f"`{info['default']}`"
        rows.append((f"`{option.opts[0]}`", info["help"] or "", default))
    return pages.filled(COMMAND, command=_table(rows))


def fields(kind: type[msgspec.Struct]) -> str:
    """The table of a struct's own fields."""
    schema = msgspec.json.schema_components([kind])[1][kind.__name__]
    texts = _texts(kind)
    rows: list[tuple[str, ...]] = [("name", "type", "meaning", "default")]
    for name in kind.__struct_fields__:
        if name in getattr(kind.__base__, "__struct_fields__", ()):
            continue
        field = schema["properties"][name]
        kinds = [each for each in field.get("anyOf", [field]) if each.get("type") != "null"]
        meaning = texts.get(name) or kinds[0].get("description") or BY_NAME[name].meaning
        default = (
            "required" if name in schema["required"] else _value(USUAL.get((kind, name), field["default"]))
        )
        rows.append((f"`{name}`", " or ".join(map(_type, kinds)), meaning, default))
    return _table(rows)


def _table(rows: list[tuple[str, ...]]) -> str:
    """The rows, of which the first is the head; without the last column if nothing is in it."""
    width = len(rows[0]) if any(row[-1] for row in rows[1:]) else -1
    head, *others = (f"| {' | '.join(row[:width])} |" for row in rows)
    return pages.table(head, others)


def _texts(kind: type) -> dict[str, str]:
    """The texts below a class's fields."""
    [defined] = ast.parse(inspect.getsource(kind)).body
    assert isinstance(defined, ast.ClassDef)
    return {
        ast.unparse(field.target): " ".join(ast.literal_eval(text.value).split())
        for field, text in pairwise(defined.body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }


def _type(schema: dict[str, Any]) -> str:
    """A value's type in words, from its JSON Schema."""
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    words = (
        schema.get("title")
        or PATTERNS.get(repr(schema.get("pattern")))
        or _TYPES[schema.get("type", "object")]
    )
    bounds = [
        ("more than", schema.get("exclusiveMinimum"), ""),
        ("at least", schema.get("minimum"), ""),
        ("at least", length if (length := schema.get("minLength", 0)) > 1 else None, " characters"),
        ("at most", schema.get("maximum"), ""),
    ]
    limits = [f"{which} {n}{what}" for which, n, what in bounds if n is not None and n <= _LARGEST_SHOWN]
    return ", ".join([words, *limits])


def _value(default: Any) -> str:
    """A default as a person reads it; nothing if there is none."""
    if isinstance(default, (bool, str)):
        return f"`{default}`".replace("True", "true").replace("False", "false")
    return f"{default:,}".removesuffix(".0") if isinstance(default, (int, float)) else ""


if __name__ == "__main__":
    pages.write(
        {
            SETTINGS: settings_page(),
            COMMAND: command_page(),
            KEYS: pages.filled(KEYS, fields=fields(NewKey)),
            LIMITS: pages.filled(LIMITS, limits=fields(KeyLimits)),
        },
        __doc__,
    )

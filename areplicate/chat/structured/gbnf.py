"""A JSON Schema as a grammar in GBNF, which llama.cpp holds a model's answer to.

Source: grammars/README.md of llama.cpp. What a grammar cannot say (patterns, bounds of numbers) is left
to the check of the answer; what this does not know of JSON Schema becomes any JSON.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from .effort import at_pointer

_MOST_OPTIONAL = 8
"""Members that may be left out, each in its place; those beyond come with the others or not at all."""
_DEEPEST = 32
_PRIMITIVES = {
    "ws": r"[ \t\n]{0,20}",
    "string": r'"\"" ([^"\\\x00-\x1f] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}))* "\""',
    "number": r'"-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [-+]? [0-9]+)?',
    "integer": r'"-"? ("0" | [1-9] [0-9]*)',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "value": "object | array | string | number | boolean | null",
    "object": r'"{" ws (string ws ":" ws value ws ("," ws string ws ":" ws value ws)*)? "}"',
    "array": r'"[" ws (value ws ("," ws value ws)*)? "]"',
}


def grammar_of(schema: dict[str, Any]) -> str:
    """The grammar whose texts are the JSON that the schema describes."""
    grammar = _Grammar(schema)
    grammar.add("root", f"{grammar.rule(schema, 'root')} {grammar.primitive('ws')}")
    return "\n".join(f"{name} ::= {body}" for name, body in grammar.rules.items())


class _Grammar:
    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._refs: dict[str, str] = {}
        self.rules: dict[str, str] = {}

    def add(self, name: str, body: str) -> str:
        self.rules[name] = body
        return name

    def primitive(self, name: str) -> str:
        if name not in self.rules:
            self.rules[name] = _PRIMITIVES[name]
            for word in re.findall("[a-z]+", _PRIMITIVES[name]):
                if word in _PRIMITIVES:
                    self.primitive(word)
        return name

    def rule(self, schema: Any, path: str) -> str:
        """A name, or a body in parentheses, for what a schema describes."""
        if not isinstance(schema, dict) or path.count("-") > _DEEPEST:
            return self.primitive("value")
        if isinstance(ref := schema.get("$ref"), str):
            return self._reference(ref)
        if "const" in schema:
            return _literal(schema["const"])
        if isinstance(choices := schema.get("enum"), list) and choices:
            return _either([_literal(choice) for choice in choices])
        for key in ("anyOf", "oneOf"):
            if isinstance(branches := schema.get(key), list) and branches:
                return _either([self.rule(branch, f"{path}-{i}") for i, branch in enumerate(branches)])
        if isinstance(parts := schema.get("allOf"), list) and len(parts) == 1:
            return self.rule(parts[0], path)
        if isinstance(kinds := schema.get("type"), list):
            return _either([self.rule({**schema, "type": kind}, f"{path}-{kind}") for kind in kinds])
        return self._typed(schema, path)

    def _typed(self, schema: dict[str, Any], path: str) -> str:
        kind = schema.get("type") or ("object" if "properties" in schema else None)
        if kind == "object" and schema.get("properties"):
            return self._object(schema, path)
        if kind == "array" and isinstance(schema.get("items"), dict):
            item, ws = self.rule(schema["items"], f"{path}-item"), self.primitive("ws")
            items = f'{item} {ws} ("," {ws} {item} {ws})*'
            wanted = items if schema.get("minItems") else f"({items})?"
            return self.add(f"{path}-array" if path == "root" else path, f'"[" {ws} {wanted} "]"')
        return self.primitive(kind if kind in _PRIMITIVES and kind != "ws" else "value")

    def _reference(self, ref: str) -> str:
        """A rule for each definition, so that one may refer to itself."""
        if ref not in self._refs:
            here = ref == "#" or ref.startswith("#/")
            target = at_pointer(self._schema, ref[1:]) if here else None
            name = self._refs[ref] = f"def-{len(self._refs)}"
            self.add(name, self.rule(target, f"{name}-body"))
        return self._refs[ref]

    def _object(self, schema: dict[str, Any], path: str) -> str:
        """The members in the order of the schema: those that are required, then any of the others."""
        ws = self.primitive("ws")
        required = schema.get("required") or ()
        members = {
            name: f'{_literal(name)} {ws} ":" {ws} {self.rule(each, f"{path}-{i}")} {ws}'
            for i, (name, each) in enumerate(schema["properties"].items())
        }
        needed = [body for name, body in members.items() if name in required]
        others = [body for name, body in members.items() if name not in required][:_MOST_OPTIONAL]
        comma = f' "," {ws} '
        if needed:
            body = comma.join(needed) + "".join(f" ({comma.strip()} {other})?" for other in others)
        else:
            # Whichever comes first has no comma before it.
            starts = [
                other + "".join(f" ({comma.strip()} {later})?" for later in others[i + 1 :])
                for i, other in enumerate(others)
            ]
            body = f"{_either(starts)}?"
        return self.add(f"{path}-object" if path == "root" else path, f'"{{" {ws} {body} "}}"')


def _either(bodies: list[str]) -> str:
    return f"({' | '.join(bodies)})"


def _literal(value: Any) -> str:
    """JSON as a literal of the grammar."""
    text = msgspec.json.encode(value).decode()
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

"""Writes the definition of a tool in each of the ways that models were trained on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

MINIMAX = "]<]minimax[>["
"""The token before each tag that MiniMax M3 writes."""
_PYTHON = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"}
_HERMES = {**_PYTHON, "array": "list[Union[]]", "object": "dict"}
_SEED = {**_PYTHON, "number": "int", "array": "list"}
_PARAMETER = ("name", "type", "description")
_DECLARED = ("description", "enum", "items", "properties", "required")
_TYPESCRIPT = {"integer": "number", "array": "any[]"}


def as_json(value: Any, indent: int | None = None) -> str:
    """JSON with the spaces that tokenizers' templates write."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def plain(value: Any) -> str:
    return value if isinstance(value, str) else as_json(value)


def _function(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function = tool.get("function")
    return function if isinstance(function, Mapping) else tool


def _parameters(tool: Mapping[str, Any]) -> tuple[Mapping[str, Any], Sequence[str]]:
    schema = _function(tool).get("parameters") or {}
    return schema.get("properties") or {}, schema.get("required") or ()


def _signature(tool: Mapping[str, Any]) -> str:
    """Nous Research's: JSON whose description begins with the function's signature, in types as its template has
    them."""
    function, (properties, _) = _function(tool), _parameters(tool)
    typed = {name: _HERMES.get(str(prop.get("type")), "Union[]") for name, prop in properties.items()}
    called = ", ".join([f"{name}: {kind}" for name, kind in typed.items()])
    text = f"{function['name']}({called}) - {function.get('description', '')}\n\n"
    if properties:
        text += "    Args:\n" + "".join(
            [
                f"        {n}({typed[n]}): {str(p.get('description', '')).strip()}"
                for n, p in properties.items()
            ]
        )
    schema = as_json(function["parameters"]) if properties else "{}"
    return (
        f'{{"type": "function", "function": {{"name": "{function["name"]}", "description": "{text}", '
        f'"parameters": {schema}}}'
    )


def _python(tool: Mapping[str, Any]) -> str:
    """Cohere's: a function of Python with a docstring."""
    function, (properties, required) = _function(tool), _parameters(tool)
    typed = {
        name: kind if name in required else f"Optional[{kind}]"
        for name, prop in properties.items()
        for kind in [_PYTHON.get(str(prop.get("type")), "Any")]
    }
    called = ", ".join([f"{n}: {kind}" + ("" if n in required else " = None") for n, kind in typed.items()])
    lines = [f"{name} ({typed[name]}): {prop.get('description', '')}" for name, prop in properties.items()]
    arguments = "\n\n    Args:\n        " + "\n        ".join(lines) if lines else ""
    return (
        f'```python\ndef {function["name"]}({called}) -> List[Dict]:\n    """{function.get("description", "")}'
        f'{arguments}\n    """\n    pass\n```'
    )


def _xml(tool: Mapping[str, Any], structured: tuple[type, ...] = (Mapping,)) -> str:
    """Qwen's coders': an element for each thing that a definition says; what is `structured` is JSON in it."""
    function, (properties, _) = _function(tool), _parameters(tool)
    parameters = "".join(
        [
            f"\n<parameter>{_elements({'name': name, **prop}, structured, _PARAMETER)}\n</parameter>"
            for name, prop in properties.items()
        ]
    )
    rest = {k: v for k, v in (function.get("parameters") or {}).items() if k not in ("type", "properties")}
    about = _elements(
        {name: function[name] for name in ("name", "description") if name in function}, structured
    )
    return f"<function>{about}\n<parameters>{parameters}{_elements(rest, structured)}\n</parameters>\n</function>"


def _elements(values: Mapping[str, Any], structured: tuple[type, ...], first: Sequence[str] = ()) -> str:
    order = [*[name for name in first if name in values], *[name for name in values if name not in first]]
    written = {
        n: as_json(values[n]) if isinstance(values[n], structured) else str(values[n]).strip() for n in order
    }
    return "".join([f"\n<{name}>{text}</{name}>" for name, text in written.items()])


def _headed(tool: Mapping[str, Any]) -> str:
    """DeepSeek's from V3.1 on: a heading, its description and its schema."""
    function = _function(tool)
    schema = as_json(function.get("parameters") or {})
    return f"### {function['name']}\nDescription: {function.get('description', '')}\n\nParameters: {schema}"


def _longcat(tool: Mapping[str, Any]) -> str:
    """Meituan's: the same in another form."""
    function = _function(tool)
    schema = as_json(function.get("parameters") or {}, indent=2)
    description = function.get("description", "")
    return f"#### Tool name: {function['name']}\n\nDescription: {description}\n\nInputSchema: \n{schema}"


def _docstring(tool: Mapping[str, Any]) -> str:
    """ByteDance Seed's: a function of Python whose docstring says which arguments must be given."""
    function, (properties, required) = _function(tool), _parameters(tool)
    typed = {name: _SEED.get(str(prop.get("type")), "Any") for name, prop in properties.items()}
    called = ",".join([f"{name}: {kind}" for name, kind in typed.items()])
    lines = [
        f"\n    - {n} ({typed[n]}) [{'必填' if n in required else '选填'}]: {p.get('description', '')}"
        for n, p in properties.items()
    ]
    arguments = "    Args:" + "".join(lines) if lines else ""
    description = str(function.get("description", "")).strip()
    return (
        f'Function:\ndef {function["name"]}({called}):\n    """\n    {description}\n\n{arguments}\n\n    """'
    )


def _typescript(tool: Mapping[str, Any], last: str = ",", indent: str = "") -> str:
    """OpenAI's: a type of TypeScript with comments; `last` stands behind its last field, `indent` before each line."""
    function, (properties, required) = _function(tool), _parameters(tool)
    lines = [
        (f"{indent}// {prop['description']}\n" if prop.get("description") else "")
        + f"{indent}{name}{'' if name in required else '?'}: {_typescript_type(prop)}"
        for name, prop in properties.items()
    ]
    arguments = "_: {\n" + ",\n".join(lines) + last + "\n}" if lines else ""
    return f"// {function.get('description', '')}\ntype {function['name']} = ({arguments}) => any;"


def _typescript_type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join([as_json(value) for value in schema["enum"]])
    kind = str(schema.get("type", "any"))
    if kind == "array" and isinstance(schema.get("items"), Mapping):
        return _typescript_type(schema["items"]) + "[]"
    if properties := schema.get("properties"):
        required = schema.get("required") or ()
        fields = [
            f"{name}{'' if name in required else '?'}: \n{' ' * 16}{_typescript_type(prop)}"
            for name, prop in properties.items()
        ]
        return "{\n" + ", ".join(fields) + "}"
    return _TYPESCRIPT.get(kind, kind)


def _declaration(tool: Mapping[str, Any]) -> str:
    """Google's from Gemma 4 on: names and values with marks around text, sorted by name."""
    function = _function(tool)
    description = f"description:{marked(function.get('description', ''))}"
    schema = function.get("parameters")
    parameters = f",parameters:{_declared(schema)}" if schema else ""
    return f"<|tool>declaration:{function['name']}{{{description}{parameters}}}<tool|>"


def _declared(schema: Mapping[str, Any]) -> str:
    """A schema: its type last and in capitals, and before it what Google's template does not write; what is empty is
    left out."""
    written = {key: marked(value) for key, value in schema.items() if value not in ({}, [], None)}
    for key in ("items", "properties"):
        if isinstance(schema.get(key), Mapping) and schema[key]:
            written[key] = _declared(schema[key]) if key == "items" else _declared_properties(schema[key])
    if isinstance(schema.get("type"), str):
        written["type"] = marked(schema["type"].upper())
    names = sorted(written, key=lambda name: (name == "type", name not in _DECLARED, name))
    return "{" + ",".join([f"{name}:{written[name]}" for name in names]) + "}"


def _declared_properties(properties: Mapping[str, Any]) -> str:
    return "{" + ",".join([f"{name}:{_declared(properties[name])}" for name in sorted(properties)]) + "}"


def marked(value: Any) -> str:
    """A value as Gemma 4 reads it."""
    if isinstance(value, str):
        return f'<|"|>{value}<|"|>'
    if isinstance(value, Mapping):
        return "{" + ",".join([f"{key}:{marked(value[key])}" for key in sorted(value)]) + "}"
    if isinstance(value, list):
        return "[" + ",".join([marked(item) for item in value]) + "]"
    return as_json(value)


def escaped(text: str) -> str:
    """What Gemma 4 reads, with FunctionGemma's marks in the place of its own."""
    text = text.replace('<|"|>', "<escape>").replace("<|tool>", "<start_function_declaration>")
    return text.replace("<tool|>", "<end_function_declaration>")


def nested(value: Any) -> str:
    """A value as MiniMax M3 reads it: an element for each member and item."""
    if isinstance(value, Mapping):
        members = [(name, each) for name, each in value.items() if each is not None]
    elif isinstance(value, list):
        members = [("item", each) for each in value]
    else:
        return plain(value)
    return "".join([f"{MINIMAX}<{name}>{nested(each)}{MINIMAX}</{name}>" for name, each in members])


WRITERS: dict[str, Callable[[Any], str]] = {
    "json": as_json,
    "compact": lambda tool: json.dumps(tool, ensure_ascii=False, separators=(",", ":")),
    "indented": lambda tool: as_json(tool, indent=4),
    "listed": lambda tool: as_json(tool, indent=4).replace("\n", "\n    "),
    "with responses": lambda tool: as_json({**_function(tool), "responses": None}),
    "function": lambda tool: as_json(_function(tool)),
    "indented function": lambda tool: as_json(_function(tool), indent=2),
    "fenced": lambda tool: f"\n```json\n{as_json(tool)}\n```\n",
    "signature": _signature,
    "python": _python,
    "xml": _xml,
    "xml with lists": partial(_xml, structured=(Mapping, list)),
    "headed": _headed,
    "docstring": _docstring,
    "typescript": _typescript,
    "typescript without a last comma": partial(_typescript, last=""),
    "tagged function": lambda tool: f"<tool>{as_json(_function(tool))}</tool>",
    "python literal": str,
    "longcat": _longcat,
    "declaration": _declaration,
    "escaped declaration": lambda tool: escaped(_declaration(tool)),
    "indented typescript": partial(_typescript, indent="  "),
}
"""The ways of writing a tool: the first three as OpenAI has it, "function" without its type."""

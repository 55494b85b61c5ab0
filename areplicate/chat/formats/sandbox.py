"""A Jinja environment for templates that strangers wrote.

Jinja's own sandbox keeps them from Python's inner attributes; the rest here bounds what they cost. A
loop's rounds and every call are counted (`budget`), which also ends loops that write nothing; whatever
can make a large value of a small one is checked before it does, or is not offered.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Any, NoReturn

from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.filters import FILTERS, do_indent
from jinja2.parser import Parser
from jinja2.runtime import Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from .budget import MAX_CHARACTERS, MAX_ENTRIES, BudgetExceeded, current, sized

# fmt: off
_FILTERS = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float",
    "int", "items", "last", "length", "lower", "map", "max", "min", "reject", "rejectattr",
    "reverse", "round", "safe", "select", "selectattr", "sort", "title", "trim", "truncate",
    "unique", "upper", "wordcount",
)
# fmt: on

_PADDING = frozenset(
    ("center", "ljust", "rjust", "zfill", "expandtabs", "format", "format_map", "translate", "encode")
)
"""Methods of strings that make a long text of a short one, or no text at all."""

_MOST_BITS = 4096


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment in which tokenizers publish their chat templates, bounded."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[loopcontrols, _Generation],
            finalize=_written,
            optimized=False,
        )
        self.filters = {name: FILTERS[name] for name in _FILTERS}
        self.filters |= {
            "indent": _indent,
            "join": _join,
            "list": _list,
            "replace": _replace,
            "string": _string,
            "tojson": _tojson,
            "_sized": sized,
            "_step": _step,
        }
        self.globals = {
            "range": self.globals["range"],
            "dict": dict,
            "namespace": Namespace,
            "raise_exception": _raise_exception,
            "strftime_now": _strftime_now,
        }

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = _Counting().visit(Parser(self, source, name, filename).parse())
        assert isinstance(tree, nodes.Template)
        tree.set_environment(self)
        return tree

    def call(self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        current().step()
        owner, method = getattr(__obj, "__self__", None), getattr(__obj, "__name__", "")
        if isinstance(owner, str) and method == "replace":
            return _replace(owner, *args, **kwargs)
        if isinstance(owner, str) and method == "join":
            return _join(args[0] if args else (), owner)
        return sized(super().call(__context, __obj, *args, **kwargs))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "*":
            _check_product(left, right)
            _check_product(right, left)
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            _check_bits(left.bit_length() * abs(right))
        elif operator == "%" and isinstance(left, str):
            raise SecurityError("text is not formatted with % here; use ~")
        return sized(super().call_binop(context, operator, left, right))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str) and attr in _PADDING:
            return False
        if isinstance(obj, (int, float, bytes)):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """No method of strings is let through as a safe one; Jinja would offer `format`."""

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        raise SecurityError(f"{attribute!r} of {type(obj).__name__} is out of bounds")


class _Generation(Extension):
    """`{% generation %}` marks what the assistant said, for training; here it changes nothing."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Counting(NodeTransformer):
    """Puts a step of the budget into whatever can run often, and a check where a value is built."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        text = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_filtered(nodes.Const(text), "_step"), lineno=node.lineno))
        return node

    visit_Macro = visit_CallBlock = visit_For

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "join")

    def visit_List(self, node: nodes.List) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, "_sized")

    visit_Dict = visit_List

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, "_sized") if node.ctx == "load" else node


def _filtered(node: nodes.Expr, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _written(value: Any) -> Any:
    """What a `{{ }}` writes, counted: also where it goes into a variable or a macro's result."""
    if isinstance(value, str):
        current().write(len(value))
    else:
        sized(value)
    return value


def _check_product(sequence: Any, times: Any) -> None:
    if isinstance(times, int) and isinstance(sequence, (str, list, tuple)):
        sized(sequence)
        limit = MAX_CHARACTERS if isinstance(sequence, str) else MAX_ENTRIES
        if len(sequence) * times > limit:
            raise BudgetExceeded(f"it makes a value of more than {limit:,} pieces")
    elif isinstance(times, int) and isinstance(sequence, int):
        _check_bits(times.bit_length() + sequence.bit_length())


def _check_bits(bits: int) -> None:
    if bits > _MOST_BITS:
        raise BudgetExceeded("it makes a number of more than a thousand digits")


def _replace(value: Any, old: str, new: str, count: int = -1) -> str:
    text, old, new = str(sized(value)), str(old), str(new)
    found = text.count(old)
    if len(text) + found * len(new) > MAX_CHARACTERS:
        raise BudgetExceeded(f"it makes a text of more than {MAX_CHARACTERS:,} characters")
    return text.replace(old, new, count)


def _join(values: Iterable[Any], between: str = "", attribute: Any = None) -> str:
    if attribute is not None:
        raise SecurityError("join takes no attribute here; use map(attribute=...)")
    pieces = [str(sized(value)) for value in islice(values, MAX_ENTRIES + 1)]
    if sum(map(len, pieces)) + len(between) * len(pieces) > MAX_CHARACTERS or len(pieces) > MAX_ENTRIES:
        raise BudgetExceeded(f"it makes a text of more than {MAX_CHARACTERS:,} characters")
    return between.join(pieces)


def _indent(text: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    wide = len(width) if isinstance(width, str) else width
    if len(text) + (text.count("\n") + 1) * wide > MAX_CHARACTERS:
        raise BudgetExceeded(f"it makes a text of more than {MAX_CHARACTERS:,} characters")
    indented: str = do_indent(text, width, first, blank)
    return indented


def _list(values: Iterable[Any]) -> list[Any]:
    entries = list(islice(values, MAX_ENTRIES + 1))
    sized(entries)
    return entries


def _string(value: Any) -> str:
    return str(sized(value))


def _step(characters: int) -> None:
    current().step(characters)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as tokenizers' templates expect it: not escaped for HTML."""
    if indent is not None:
        indent = max(0, min(indent, 8))
    return json.dumps(
        sized(value), ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(str(message))


def _strftime_now(format: str) -> str:
    return datetime.now().strftime(format)

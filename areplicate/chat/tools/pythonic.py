"""Tool calls that models write as Python's calls of functions."""

from __future__ import annotations

import ast

from .marks import RawCall, unfenced, without_marks

_JSON_NAMES = {"true": True, "false": False, "null": None}
_LONGEST = 20_000


def pythonic(text: str) -> list[RawCall] | None:
    """Llama's `[name(key="value")]`; behind a mark or in a fence also `name(key="value")`, one a line: parsed, and
    only literals are taken."""
    marked, text = text, without_marks(text)
    text = unfenced(text)
    is_list = text.startswith("[") and text.endswith(")]")
    if not (is_list or (marked != text and text.endswith(")"))) or len(text) > _LONGEST:
        return None
    try:
        lines = [line.value for line in ast.parse(text).body if isinstance(line, ast.Expr)]
        calls = [call for line in lines for call in (line.elts if isinstance(line, ast.List) else [line])]
        return [_pythonic_call(call) for call in calls] or None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Literals(ast.NodeTransformer):
    """JSON's names for what Python calls otherwise: OLMo 3 and Llama write them in calls, too."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(_JSON_NAMES[node.id]) if node.id in _JSON_NAMES else node


def _pythonic_call(call: ast.expr) -> RawCall:
    """Raises a `ValueError` for anything else, and for arguments without a name."""
    if not isinstance(call, ast.Call):
        raise ValueError("not a call")
    if ast.unparse(call.func) == "print" and len(call.args) == 1:  # Gemma's
        return _pythonic_call(call.args[0])
    if call.args:
        raise ValueError("an argument has no name")
    arguments = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise ValueError("an argument has no name")
        arguments[keyword.arg] = ast.literal_eval(_Literals().visit(keyword.value))
    return RawCall(ast.unparse(call.func), arguments)
